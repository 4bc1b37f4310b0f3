"""What the link needs of the rest of the server, as small protocols of blocking calls, and of its socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from cardcore.access.snapshot import StateItem
from cardcore.canteen.limits import Pin
from cardcore.card_keys.asks import KeyRefusal, KeyRefused
from cardcore.ids import CredentialKey, DeviceId, SiteId
from cardcore.wire.messages import (
    AuditCheckpoint,
    AuditWitness,
    CardShown,
    EncoderCard,
    EncoderDone,
    EncoderStep,
    Health,
    KeyAsk,
    KeyTold,
    ToDaemon,
)
from server.database import DatabaseUnavailableError
from server.taps.arrivals import LinkDevice

Result = TypeVar("Result")

OUTAGES = (psycopg.Error, SQLAlchemyError, DatabaseUnavailableError)
"""What a call to the database may end with while it is down, hangs or restarts: the link outlives all of these."""


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """An enrolled device: what its link may do, the key it proves, whether it was revoked."""

    link: LinkDevice
    name: str
    public_key: bytes


class Mark(NamedTuple):
    """How far the server holds a device's journal without a gap, and the hash of the record there."""

    acked_through: int
    head_hash: bytes


@dataclass(frozen=True, slots=True)
class Returned:
    """A part of what a device refuses: credentials with reasons, the highest policy version it knows, the last part."""

    cards: tuple[tuple[CredentialKey, str], ...]
    policy_version: int
    last: bool


class Devices(Protocol):
    """The register of devices. Blocking calls, run through the injected executor."""

    def known(self, device_id: DeviceId) -> KnownDevice | None:
        """Find an enrolled device."""
        ...

    def revoked(self, device_ids: Sequence[DeviceId]) -> set[DeviceId]:
        """Return which of these devices are revoked."""
        ...

    def open_epoch(self, device_id: DeviceId, epoch: int) -> Mark:
        """Return the epoch's mark; an unknown epoch is registered, and older open ones are closed."""
        ...

    def connected(self, device_id: DeviceId, software: str) -> None:
        """Note that a link is up."""
        ...

    def pin(self, site: SiteId, credential: CredentialKey, pin: str) -> Pin:
        """Say what a PIN that came with a tap proves, and count a wrong one."""
        ...

    def disconnected(self, device_id: DeviceId) -> None:
        """Note that the link is down."""
        ...

    def healthy(self, device_id: DeviceId, health: Health) -> None:
        """Keep the newest health report."""
        ...

    def installed(self, device_id: DeviceId, policy_version: int, deny_version: int, problem: str) -> None:
        """Keep what policy the device says it decides by."""
        ...

    def alarm(self, device_id: DeviceId, kind: str, detail: dict[str, Any]) -> None:
        """Open a Finding about a device."""
        ...

    def generation(self) -> str:
        """Return the database's generation, which changes at every restore."""
        ...

    def is_restored(self) -> bool:
        """Tell whether the database was restored and not every device has returned yet: no online grant."""
        ...

    def returned(self, device_id: DeviceId, site: SiteId, refused: Returned) -> None:
        """Refuse again what a device refuses; the last part counts the device as returned."""
        ...


@dataclass(frozen=True, slots=True)
class PolicyChanges:
    """Everything that turns one version of a site's policy into another."""

    base_version: int
    version: int
    content_hash: bytes
    items: tuple[StateItem, ...]


class Policy(Protocol):
    """The replicated policy. Blocking calls."""

    def version(self, site: SiteId) -> int:
        """Return the newest version."""
        ...

    def changes(self, site: SiteId, since: int) -> PolicyChanges:
        """Return the items changed after `since`, cards that are refused first, all of one database snapshot."""
        ...


class Audit(Protocol):
    """The sealed audit log. Blocking calls."""

    def offer(self, told: AuditWitness) -> AuditCheckpoint | None:
        """Return the newest checkpoint with its proof from what a daemon has seen; None when it has seen it."""
        ...

    def cosigned(self, device_id: DeviceId, device_key: bytes, told: AuditWitness) -> bool:
        """Keep a daemon's signature under a checkpoint; False when it is none."""
        ...


AboutCards = KeyAsk | EncoderCard | EncoderStep | EncoderDone | CardShown


class CardDesk(Protocol):
    """Who answers for cards: the key service, and the encoder's jobs. Blocking calls."""

    def hear(self, device: LinkDevice, said: AboutCards) -> Sequence[ToDaemon]:
        """Return what is answered to a message about a card."""
        ...

    def waiting(self, device: LinkDevice) -> Sequence[ToDaemon]:
        """Return what a device's encoders should be told now; nothing when that is unchanged."""
        ...

    def left(self, device: DeviceId) -> None:
        """Forget a device whose link ended."""
        ...


class NoCardDesk:
    """A server without a key service: nothing is answered but that."""

    def hear(self, _device: LinkDevice, said: AboutCards) -> Sequence[ToDaemon]:
        """Refuse a key."""
        if not isinstance(said, KeyAsk):
            return ()
        return (KeyTold(said.id, KeyRefused(KeyRefusal.UNAVAILABLE, "this server has no key service")),)

    def waiting(self, _device: LinkDevice) -> Sequence[ToDaemon]:
        """Have no encoder to tell anything."""
        return ()

    def left(self, _device: DeviceId) -> None:
        """Remember nobody."""


class Run(Protocol):
    """Runs a blocking call off the loop; injected so that a simulator can run it inline."""

    def __call__(self, call: Callable[..., Result], /, *args: Any) -> Awaitable[Result]:  # noqa: ANN401 - any call
        """Run and return its result."""
        ...


class LinkClosedError(Exception):
    """The peer is gone; nothing more can be sent or received."""


class Channel(Protocol):
    """A socket as the session sees it: whole binary frames."""

    async def send(self, frame: bytes) -> None:
        """Send one frame. Raises LinkClosedError."""
        ...

    async def receive(self) -> bytes:
        """Return the next frame. Raises LinkClosedError."""
        ...

    async def close(self, reason: str) -> None:
        """Close; further calls raise LinkClosedError."""
        ...
