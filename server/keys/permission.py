"""Who may ask for which key: the one table. A till has no way to a gate's key, a lane none to the canteen's.

Issuing needs an open job for exactly the card that lies on the reader (`server.issuing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cardcore.card_keys.asks import BeginAuthentication, KeyPurpose, KeyRefusal, SealKeyChange
from cardcore.card_keys.roles import KeyRole
from cardcore.ids import DeviceId, SiteId
from cardcore.journal import Purpose

READ_ROLES: Mapping[Purpose, frozenset[KeyRole]] = MappingProxyType(
    {
        Purpose.GATE: frozenset({KeyRole.GATE_READ}),
        Purpose.TILL: frozenset({KeyRole.CANTEEN_READ}),
    }
)
"""Roles whose sessions a device of a purpose may hold by itself: it reads with them and can change nothing."""
READ_BACK_ROLES = frozenset(
    {KeyRole.GATE_READ, KeyRole.GATE_FOREIGN, KeyRole.GATE_CHECKER, KeyRole.CANTEEN_READ, KeyRole.CANTEEN_AUDIT}
)
"""Roles with which an issuing station reads back what it wrote."""
BACK_END_ROLES = frozenset({KeyRole.TRANSACTION_MAC})
"""Never asked for by a device."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A device on an authenticated link, and the card it may issue now (empty: none)."""

    device: DeviceId
    site: SiteId
    purposes: frozenset[Purpose]
    issuing_uid: bytes = b""


def refused(asker: Asker, request: BeginAuthentication) -> KeyRefusal | None:
    """Return why this asker may not begin this session, or None."""
    key = request.key
    is_issuing = bool(asker.issuing_uid) and asker.issuing_uid == key.uid
    if key.role in BACK_END_ROLES:
        return KeyRefusal.NOT_ALLOWED
    match request.purpose:
        case KeyPurpose.ISSUE if is_issuing:
            return None
        case KeyPurpose.READ if is_issuing and key.role in READ_BACK_ROLES:
            return None
        case KeyPurpose.READ if key.epoch and any(key.role in READ_ROLES[one] for one in asker.purposes):
            return None
        case _:
            return KeyRefusal.NOT_ALLOWED


def key_change_refused(asker: Asker, request: SealKeyChange) -> KeyRefusal | None:
    """Return why this asker may not put that key onto a card, or None: only keys of the card of its job."""
    names = [name for name in (request.new, request.old) if name is not None]
    is_own = bool(asker.issuing_uid) and all(name.uid == asker.issuing_uid for name in names)
    is_card = all(name.role not in BACK_END_ROLES for name in names)
    return None if is_own and is_card else KeyRefusal.NOT_ALLOWED
