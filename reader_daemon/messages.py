"""The frozen messages that cross between a port's thread and the daemon's event loop.

A port (an OSDP bus, a PC/SC reader, a line scanner) is owned by one thread. It reports `PortEvent`s through
an `EventSink` and takes `ReaderCommand`s through `submit`, which is legal from any thread at any time, the
handling of an event included. Nothing here does I/O or knows a protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Protocol

from cardcore.ids import CredentialKey


class LedColour(Enum):
    """Colours of an OSDP reader's lamp; the values are the codes on the wire (OSDP 2.2, LED command)."""

    BLACK = 0
    RED = 1
    GREEN = 2
    AMBER = 3
    BLUE = 4


class CommandResult(StrEnum):
    """How a command ended. Exactly one of these is reported for every command that was submitted."""

    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    """The deadline passed, or the reader was offline: the reader never got it, or must not get it any more."""
    UNKNOWN = "unknown"
    """It was sent and no answer came: the reader may or may not have executed it."""


# --- what a port reports ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CardRead:
    """A credential was presented. `at` and `monotonic_ms` are stamped on arrival of the bytes."""

    reader: str
    credential: CredentialKey
    at: datetime
    monotonic_ms: int
    possibly_stale: bool = False
    """The reader may have kept it in its memory over a line gap: record it, never open a lane for it."""
    authentication_ms: int = 0


@dataclass(frozen=True, slots=True)
class CardFailed:
    """A card was there but no credential came of it. `reason` is a member of `cardcore.reasons.Reason`."""

    reader: str
    reason: str
    detail: str
    at: datetime
    monotonic_ms: int


@dataclass(frozen=True, slots=True)
class KeysPressed:
    """Keypad digits: '0'-'9', '*' and '#'."""

    reader: str
    keys: str
    at: datetime
    monotonic_ms: int


@dataclass(frozen=True, slots=True)
class CodeScanned:
    """One line of an optical scanner, decoded as UTF-8, without its terminator."""

    reader: str
    text: str
    at: datetime
    monotonic_ms: int


@dataclass(frozen=True, slots=True)
class InputChanged:
    """An input moved. `active` is None for a line fault: a third state, neither open nor closed."""

    reader: str
    input_number: int
    active: bool | None
    at: datetime
    monotonic_ms: int


@dataclass(frozen=True, slots=True)
class ReaderStatus:
    """Health of one reader, sent on every change of `online`, `secure`, `tampered` or `power_fault`."""

    reader: str
    online: bool
    secure: bool
    tampered: bool = False
    power_fault: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SecurityAlarm:
    """Something on the line looks like an attack: clear-text card data, bad MAC, changed identity, downgrade."""

    reader: str
    kind: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CommandFinished:
    """The one completion of a submitted command."""

    reader: str
    command_id: int
    result: CommandResult


@dataclass(frozen=True, slots=True)
class PortLost:
    """The port is gone (unplugged, error). All its readers are offline. Reopening is tried with back-off."""

    port: str
    detail: str


@dataclass(frozen=True, slots=True)
class PortReopened:
    """The port is back."""

    port: str


PortEvent = (
    CardRead
    | CardFailed
    | KeysPressed
    | CodeScanned
    | InputChanged
    | ReaderStatus
    | SecurityAlarm
    | CommandFinished
    | PortLost
    | PortReopened
)

EventSink = Callable[[PortEvent], None]
"""Called in the port's thread. It must only enqueue: never block, never raise, never call back into the port."""


# --- what a reader is told -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pulse:
    """Close a relay for `pulse_ms`, once, timed by the reader itself (OSDP OUT control code 5)."""

    output: int
    pulse_ms: int


@dataclass(frozen=True, slots=True)
class Lamp:
    """Temporary lamp for `shown_ms`, then back to the resting colour (steady red unless set)."""

    colour: LedColour
    shown_ms: int
    blinking: bool = False


@dataclass(frozen=True, slots=True)
class Beep:
    """`count` tones of `on_ms` with `off_ms` between. `count` is 1..10: 0 would sound for ever and is refused."""

    on_ms: int
    off_ms: int = 100
    count: int = 1


@dataclass(frozen=True, slots=True)
class Show:
    """Text on the reader's display. Characters outside ASCII are replaced; at most 32 are sent."""

    text: str
    row: int = 1
    shown_seconds: int = 0
    """0 = permanent."""


ReaderAction = Pulse | Lamp | Beep | Show


class ReaderPort(Protocol):
    """What a use case holds of a port. All methods are thread-safe and return at once."""

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of the readers behind this port."""
        ...

    def submit(self, reader: str, action: ReaderAction, deadline_ms: int) -> int:
        """Queue an action; returns its command id. Never sent after `deadline_ms` of the injected monotonic clock."""
        ...

    def start(self) -> None:
        """Start the owning thread."""
        ...

    def stop(self) -> None:
        """Stop the thread and close the port; pending commands complete as expired. Bounded to 2 s."""
        ...
