"""The ceremony: making masters and issuer keys, new epochs of them, and the shares of their backup.

Everything happens on an opened key file in memory; the caller writes it, prints the shares and loads a token.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cardcore.card_keys.roles import MAX_EPOCH, KeyRole, derivation_input
from cardcore.desfire.blocks import BLOCK_BYTES
from cardcore.desfire.diversify import application_constant
from cardcore.ids import SiteId
from server.keys.check_value import check_value
from server.keys.key_file import OpenedFile
from server.keys.names import IssuerRow, MasterName, MasterRow, newest_epochs, site_layout
from server.keys.share_text import share_text
from server.keys.shares import split

RandomBytes = Callable[[int], bytes]
MASTER_BYTES = 16
ISSUER_KEY_BYTES = 32
FIRST_EPOCH = 1
_ANY_UID = bytes(7)


class CeremonyError(ValueError):
    """What was asked makes no sense; says why."""


def with_site(opened: OpenedFile, site: SiteId, random_bytes: RandomBytes, at: datetime) -> OpenedFile:
    """Return the file with a first master of each role and an issuer key for a site. Raises CeremonyError."""
    if newest_epochs(opened.public.masters, site):
        msg = "this site has keys already; `onecard keys rotate` makes the next epoch"
        raise CeremonyError(msg)
    key = random_bytes(ISSUER_KEY_BYTES)
    public = Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    names = [MasterName(site, role, FIRST_EPOCH) for role in KeyRole]
    return opened.changed(_drawn(names, random_bytes, at), {IssuerRow(str(site), public, at): key})


def rotated(
    opened: OpenedFile, site: SiteId, roles: Collection[KeyRole], random_bytes: RandomBytes, at: datetime
) -> OpenedFile:
    """Return the file with a further epoch of some roles. Raises CeremonyError."""
    newest = newest_epochs(opened.public.masters, site)
    missing = [role for role in roles if not FIRST_EPOCH <= newest.get(role, 0) < MAX_EPOCH]
    if missing or not roles:
        msg = f"no further epoch for {', '.join(missing) or 'no role'}: hold the ceremony first, or all 255 are used"
        raise CeremonyError(msg)
    names = [MasterName(site, role, newest[role] + 1) for role in roles]
    return opened.changed(_drawn(names, random_bytes, at))


def printed_shares(opened: OpenedFile, needed: int, count: int, random_bytes: RandomBytes) -> list[str]:
    """Return the texts to print, one for each person. Raises ValueError for a senseless number of them."""
    shares = split(opened.file_key, needed, count, random_bytes)
    return [share_text(share, needed, opened.public.ceremony) for share in shares]


def _drawn(names: list[MasterName], random_bytes: RandomBytes, at: datetime) -> dict[MasterRow, bytes]:
    drawn = {}
    for name in names:
        key = random_bytes(MASTER_BYTES)
        message = derivation_input(site_layout(name.site), name.role, _ANY_UID, name.epoch)
        constant = application_constant(key, message[: BLOCK_BYTES - 1])
        drawn[MasterRow(name.text, check_value(key), constant, at)] = key
    return drawn
