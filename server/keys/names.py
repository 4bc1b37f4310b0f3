"""What a key is called, and what may be known of it: everything but its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from cardcore.card_keys.roles import MAX_EPOCH, SYSTEM_ID_BYTES, CardLayout, KeyRole
from cardcore.ids import SiteId
from cardcore.issuer import ISSUER_ID_BYTES, IssuerKey, SignatureAlgorithm


class MasterName(NamedTuple):
    """One master: whose, what for, and which one in time."""

    site: SiteId
    role: KeyRole
    epoch: int

    @property
    def text(self) -> str:
        """The name as a label in files and tokens."""
        return f"{self.site}/{self.role}/{self.epoch}"


def master_name(text: str) -> MasterName:
    """Read a label back; raises ValueError for one that is not ours."""
    site, role, epoch = text.split("/")
    name = MasterName(SiteId(UUID(site)), KeyRole(role), int(epoch))
    if not 1 <= name.epoch <= MAX_EPOCH or name.text != text:
        msg = f"{text!r} names no master"
        raise ValueError(msg)
    return name


class MasterRow(Struct, frozen=True):
    """What stands in clear beside a master; `constant` is the one of `cardcore.desfire.diversify`."""

    name: str
    check_value: str
    constant: bytes
    created_at: datetime

    @property
    def master(self) -> MasterName:
        """The name in parts."""
        return master_name(self.name)


class IssuerRow(Struct, frozen=True):
    """The public half of the key that signs a site's credentials."""

    site: str
    public_key: bytes
    created_at: datetime


def issuer_key(row: IssuerRow) -> IssuerKey:
    """Return an issuer as readers know it; its id is the beginning of the hash of its key."""
    identity = hashlib.sha256(b"onecard issuer 1" + row.public_key).digest()[:ISSUER_ID_BYTES]
    return IssuerKey(identity, SignatureAlgorithm.ED25519, row.public_key)


def site_layout(site: SiteId) -> CardLayout:
    """Return the layout of a site's cards: the usual application ids, and a system id that is the site's own."""
    return CardLayout(hashlib.sha256(b"onecard system id 1" + site.bytes).digest()[:SYSTEM_ID_BYTES])


def newest_epochs(rows: Iterable[MasterRow], site: SiteId) -> dict[KeyRole, int]:
    """Return the newest epoch of each role of a site."""
    newest: dict[KeyRole, int] = {}
    for row in rows:
        name = row.master
        if name.site == site:
            newest[name.role] = max(newest.get(name.role, 0), name.epoch)
    return newest
