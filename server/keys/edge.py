"""Edge keys: a lane or till that must go on without the server may hold one reading master, sealed to its device.

An opt-in, device by device: made from the key file by a person with its passphrase, listed, and revoked. Revoking takes
nothing back from a box that has it: the role needs a new epoch, and until then the list says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.card_keys.edge_file import NONCE_BYTES, seal_edge_keys
from cardcore.card_keys.roles import KeyRole
from cardcore.ids import DeviceId, SiteId
from cardcore.journal import Purpose
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.keys import repository
from server.keys.key_file import OpenedFile
from server.keys.names import MasterRow, newest_epochs
from server.keys.permission import READ_ROLES
from server.keys.service import ACCEPTED_EPOCHS
from server.system import System


class EdgeRefusal(StrEnum):
    """Why a device gets no key."""

    NOT_FOR_THIS_DEVICE = "not_for_this_device"
    """A till gets no gate key, a lane no canteen key."""
    NO_KEYS = "no_keys"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Box:
    """The device a key is sealed to."""

    id: DeviceId
    purposes: frozenset[Purpose]
    record_key: bytes
    """Shared with the server since the enrolment; never shown."""
    is_active: bool

    def __repr__(self) -> str:
        """Show which device, and no key."""
        return f"Box({self.id})"


@dataclass(frozen=True, slots=True)
class EdgeKey:
    """A device that holds a key; `is_usable` while its newest epoch is one that is accepted."""

    device: DeviceId
    name: str
    role: KeyRole
    epochs: tuple[int, ...]
    made_at: datetime
    revoked_at: datetime | None
    is_usable: bool

    @property
    def needs_rotation(self) -> bool:
        """Whether the role needs a new epoch: the key was revoked, and cards still answer to it."""
        return self.revoked_at is not None and self.is_usable


def make_edge_keys(
    session: WriteSession, system: System, site_id: SiteId, opened: OpenedFile, box: Box, role: KeyRole, actor: str
) -> bytes | EdgeRefusal:
    """Return the file for a device, with the accepted epochs of one reading role, and list it."""
    if not box.is_active:
        return EdgeRefusal.REVOKED
    if not any(role in READ_ROLES[purpose] for purpose in box.purposes):
        return EdgeRefusal.NOT_FOR_THIS_DEVICE
    newest = newest_epochs(opened.public.masters, site_id).get(role, 0)
    names = [row.master for row in opened.public.masters if row.master[:2] == (site_id, role)]
    masters = {
        (role, name.epoch): opened.secret.masters[name.text] for name in names if name.epoch > newest - ACCEPTED_EPOCHS
    }
    if not masters:
        return EdgeRefusal.NO_KEYS
    epochs = sorted(epoch for _, epoch in masters)
    row = {
        "id": system.ids.uuid7(),
        "site_id": site_id,
        "device_id": box.id,
        "role": role,
        "epochs": epochs,
        "made_by": actor,
        "made_at": system.clock.now(),
    }
    repository.insert_edge_key(session, row)
    after = {"role": role, "epochs": epochs}
    record(session, system, site_id, Deed(actor, "edge_key_made", f"device:{box.id}", after=after))
    return seal_edge_keys(masters, str(box.id), box.record_key, system.ids.random_bytes(NONCE_BYTES))


def revoke_edge_keys(session: WriteSession, system: System, site_id: SiteId, device: DeviceId, actor: str) -> int:
    """Note that a device's keys count as lost; return how many. What must follow is a new epoch of their role."""
    count = repository.revoke_edge_keys(session, site_id, device, system.clock.now())
    if count:
        record(session, system, site_id, Deed(actor, "edge_key_revoked", f"device:{device}", after={"keys": count}))
    return count


def edge_keys(session: ReadSession, site_id: SiteId, masters: Sequence[MasterRow]) -> list[EdgeKey]:
    """Return every key that was ever given to a device, newest first; `masters` are those of the key file."""
    newest = newest_epochs(masters, site_id)
    return [_edge_key(row, newest) for row in repository.edge_keys(session, site_id)]


def _edge_key(row: RowMapping, newest: dict[KeyRole, int]) -> EdgeKey:
    role = KeyRole(row["role"])
    usable = max(row["epochs"]) > newest.get(role, 0) - ACCEPTED_EPOCHS
    device = DeviceId(UUID(str(row["device_id"])))
    return EdgeKey(device, row["name"], role, tuple(row["epochs"]), row["made_at"], row["revoked_at"], usable)
