"""What a DESFire card lying on the encoder is: blank, torn, complete, or somebody else's. Never writes.

The card's own master key is changed last when a card is made, so it tells how far that went: the factory's key with
one of our applications beside it is a personalisation that was torn; ours with a part missing is one too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cardcore.card_keys.asks import CardMethod, KeyName, KeyPurpose
from cardcore.card_keys.roles import FACTORY_EPOCH, KEY_PLACES, CardApplication, CardLayout, KeyRole
from cardcore.reasons import Reason
from reader_daemon.protocols.card.desfire import SELECT_APPLICATION, authenticate_as, card_uid
from reader_daemon.protocols.card.desfire_channel import DesfireChannel, Rejected
from reader_daemon.protocols.card.desfire_commands import get_key_settings, get_key_version, select_application
from reader_daemon.protocols.card.native import DesfireStatus, NativeAnswer, native_frame
from reader_daemon.protocols.card.outcome import CardFailure, Dialogue

CREDENTIAL_ROLES = {
    CardApplication.GATE: (KeyRole.GATE_READ, KeyRole.GATE_FOREIGN, KeyRole.GATE_CHECKER),
    CardApplication.CANTEEN: (KeyRole.CANTEEN_READ, KeyRole.CANTEEN_AUDIT),
}
"""Roles that read the credential: each from a file of its own, which bears the number of the role's key."""


_KEY_TYPE = 0xC0
"""In the number of keys: 00 is DES, 40 3K3DES, 80 AES."""


class CardStanding(StrEnum):
    """How far a card has come."""

    FACTORY = "factory"
    """Blank, and its master key is still the maker's DES key."""
    BLANK = "blank"
    TORN = "torn"
    COMPLETE = "complete"
    FOREIGN = "foreign"
    """Its master key is neither the factory's nor ours: another site's, or another system's."""


@dataclass(frozen=True, slots=True)
class CardExamination:
    """What was found. `versions` are the key epochs of each of our applications, by key number."""

    uid: bytes
    standing: CardStanding
    method: CardMethod | None
    versions: Mapping[CardApplication, tuple[int, ...]]
    detail: str = ""


def examine_card(layout: CardLayout, master_epoch: int) -> Dialogue[CardExamination | CardFailure]:
    """Examine a card; `master_epoch` is the epoch in which cards are made now. The key source is asked for ISSUE."""
    selected = yield from native_frame(SELECT_APPLICATION, bytes(3))
    if not isinstance(selected, NativeAnswer) or selected.status != DesfireStatus.DONE:
        return CardFailure(Reason.CARD_UNKNOWN_TYPE, f"no DESFire card: {selected}")
    uid = yield from card_uid()
    if isinstance(uid, CardFailure):
        return uid
    versions: dict[CardApplication, tuple[int, ...]] = {}
    for application in CREDENTIAL_ROLES:
        found = yield from _versions(layout, application)
        if isinstance(found, CardFailure):
            return found
        if found is not None:
            versions[application] = found
    back = yield from select_application(DesfireChannel(), bytes(3))
    if isinstance(back, CardFailure):
        return back
    return (yield from _standing(uid, master_epoch, versions))


def _versions(layout: CardLayout, application: CardApplication) -> Dialogue[tuple[int, ...] | CardFailure | None]:
    """Read the key versions of an application; None when the card has not got it."""
    channel = DesfireChannel()
    selected = yield from select_application(channel, layout.aid(application))
    if isinstance(selected, CardFailure):
        return selected
    if isinstance(selected, Rejected):
        return None
    found = []
    for number in sorted(number for place, number in KEY_PLACES.values() if place is application and number < 14):  # noqa: PLR2004 - keys of a card
        version = yield from get_key_version(channel, number)
        if isinstance(version, CardFailure):
            return version
        found.append(version[0] if isinstance(version, bytes) and len(version) == 1 else FACTORY_EPOCH)
    return tuple(found)


def _standing(
    uid: bytes, master_epoch: int, versions: Mapping[CardApplication, tuple[int, ...]]
) -> Dialogue[CardExamination | CardFailure]:
    channel = DesfireChannel()
    version = yield from get_key_version(channel, 0)
    if isinstance(version, CardFailure):
        return version
    epoch = version[0] if isinstance(version, bytes) and len(version) == 1 else FACTORY_EPOCH
    if epoch == FACTORY_EPOCH:
        settings = yield from get_key_settings(channel)
        if isinstance(settings, CardFailure):
            return settings
        if isinstance(settings, bytes) and len(settings) > 1 and not settings[1] & _KEY_TYPE:
            return CardExamination(uid, CardStanding.FACTORY, None, versions, "master key is the maker's DES key")
    key = KeyName(KeyRole.CARD_MASTER, uid, epoch)
    failure = yield from authenticate_as(channel, key, KeyPurpose.ISSUE, accept_ev1=True)
    yield from channel.end()
    if failure is not None and failure.reason not in {Reason.CARD_NOT_GENUINE, Reason.CARD_KEY_EPOCH}:
        return failure
    if failure is not None:
        detail = f"master key of version {epoch}: {failure.detail}"
        return CardExamination(uid, CardStanding.FOREIGN, None, versions, detail)
    if epoch == FACTORY_EPOCH:
        standing = CardStanding.TORN if versions else CardStanding.BLANK
    else:
        whole = bool(versions) and all(FACTORY_EPOCH not in each for each in versions.values())
        standing = CardStanding.COMPLETE if whole else CardStanding.TORN
    detail = "" if epoch in {FACTORY_EPOCH, master_epoch} else f"master key of epoch {epoch}, now {master_epoch}"
    return CardExamination(uid, standing, channel.method, versions, detail)
