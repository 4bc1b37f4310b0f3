"""The register of devices as the link uses it: each call one transaction. Implements `server.link.ports.Devices`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cardcore.canteen.limits import Pin
from cardcore.ids import CredentialKey, DeviceId, SiteId
from cardcore.wire.messages import Health
from server.backup import service as restores
from server.canteen.pins import check_pin
from server.database import Database, WriteSession
from server.devices import repository, service
from server.link.ports import KnownDevice, Mark, Returned
from server.secrets_file import ServerSecrets
from server.staff.passwords import Passwords
from server.system import System

GENERATION_BYTES = 16


class Register:
    """Blocking calls; run them off the loop."""

    def __init__(self, database: Database, system: System, secrets: ServerSecrets) -> None:
        """Take the parts."""
        self._database = database
        self._system = system
        self._secrets = secrets
        self._pins: Passwords | None = None

    def known(self, device_id: DeviceId) -> KnownDevice | None:
        """Find an enrolled device. Raises WrongKeyError when server.key is not this database's."""
        return self._database.read(lambda session: service.known_device(session, self._secrets, device_id))

    def revoked(self, device_ids: Sequence[DeviceId]) -> set[DeviceId]:
        """Return which of these devices are revoked."""
        return self._database.read(lambda session: repository.revoked_among(session, device_ids))

    def open_epoch(self, device_id: DeviceId, epoch: int) -> Mark:
        """Return the epoch's mark, registering a new one."""
        return self._database.write(lambda session: service.open_epoch(session, self._system, device_id, epoch))

    def connected(self, device_id: DeviceId, software: str) -> None:
        """Note that a link is up."""
        at = self._system.clock.now()
        self._database.write(lambda session: repository.set_connected(session, device_id, at, software))

    def pin(self, site: SiteId, credential: CredentialKey, pin: str) -> Pin:
        """Say what a PIN proves, and count a wrong one."""
        if self._pins is None:
            self._pins = Passwords(self._system.ids)
        passwords = self._pins
        return self._database.write(lambda session: check_pin(session, passwords, site, credential, pin))

    def disconnected(self, device_id: DeviceId) -> None:
        """Note that the link is down."""
        self._database.write(lambda session: repository.set_disconnected(session, device_id))

    def healthy(self, device_id: DeviceId, health: Health) -> None:
        """Keep the newest health report."""
        at = self._system.clock.now()
        self._database.write(lambda session: repository.update_status(session, device_id, at, health))

    def installed(self, device_id: DeviceId, policy_version: int, deny_version: int, problem: str) -> None:
        """Keep what policy the device decides by."""
        self._database.write(
            lambda session: repository.set_installed(session, device_id, policy_version, deny_version, problem)
        )

    def alarm(self, device_id: DeviceId, kind: str, detail: dict[str, Any]) -> None:
        """Open a Finding about a device."""
        self._database.write(lambda session: service.alarm(session, self._system, device_id, kind, detail))

    def is_restored(self) -> bool:
        """Tell whether the database waits for its devices after a restore."""
        return self._database.read(restores.is_restored)

    def returned(self, device_id: DeviceId, site: SiteId, refused: Returned) -> None:
        """Refuse again what a device refuses; cards that the database does not know become a Finding."""

        def write(session: WriteSession) -> None:
            part = restores.Refused(refused.cards, refused.policy_version, refused.last)
            unknown = restores.take_back(session, self._system, device_id, site, part)
            if unknown:
                service.alarm(session, self._system, device_id, "unknown_refused_cards", {"count": len(unknown)})

        self._database.write(write)

    def generation(self) -> str:
        """Return the database's generation, drawing one at the first call ever."""
        found = self._database.read(repository.generation)
        if found:
            return found
        fresh = self._system.ids.random_bytes(GENERATION_BYTES).hex()
        return self._database.write(lambda session: repository.set_generation(session, fresh))
