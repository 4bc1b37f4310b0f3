"""Install mode of an OSDP reader takes two people: whoever asks a system for a key must not get it from one alone."""

from __future__ import annotations

import msgspec

from cardcore.ids import DeviceId
from server.approvals.models import Approved, Operation, nobody
from server.devices.reader_orders import KeyDeed, KeyRefusal, Wanted, give
from server.staff.roles import Permission


class InstallKey(msgspec.Struct, frozen=True):
    """Let this reader, on the public default key, have its first key from its box, within so many minutes."""

    device: DeviceId
    box: str
    """Its name, for whoever decides."""
    reader: str
    minutes: int


def _install(given: Approved, wanted: InstallKey) -> KeyRefusal | None:
    order = Wanted(wanted.device, wanted.reader, KeyDeed.INSTALL, given.reason, wanted.minutes)
    done = give(given.session, given.system, given.site_id, order, given.actor)
    return done if isinstance(done, KeyRefusal) else None


INSTALL_KEY = Operation(
    name="reader_install_key",
    content=InstallKey,
    ask=Permission.DEVICES_WRITE,
    approve=Permission.DEVICES_APPROVE,
    object_of=lambda wanted: f"device:{wanted.device}/{wanted.reader}",
    carry_out=_install,
    concerns=nobody,
)
