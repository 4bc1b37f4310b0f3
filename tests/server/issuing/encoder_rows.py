"""A box with an encoder, as the register knows one that is connected."""

from __future__ import annotations

from cardcore.clock import to_millis
from cardcore.ids import DeviceId, SiteId
from cardcore.wire.messages import Health, ReaderHealth
from server.database import WriteSession
from server.devices import repository
from server.system import System

READER = "desk"


def an_encoder(session: WriteSession, system: System, site: SiteId, device: DeviceId, name: str = "box") -> None:
    """Enrol a device, and let it say that its reader `desk` makes cards."""
    now = system.clock.now()
    repository.insert_device(session, device, site, name, ["gate"], (device.bytes * 2, b""), now)
    reader = ReaderHealth(READER, "", online=True, secure=False, encoder=True)
    repository.set_connected(session, device, now, "test")
    repository.update_status(session, device, now, Health(to_millis(now), 1, 0, 0, 0, 1, 1, 0, 1, (reader,)))
