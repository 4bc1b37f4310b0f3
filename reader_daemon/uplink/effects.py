"""What a session engine asks its driver to do, in order. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.wire.messages import (
    AuditCheckpoint,
    Command,
    Deny,
    Encode,
    EncoderClose,
    EncoderOpen,
    KeyTold,
    StateBegin,
    TapDecision,
    ToServer,
    UploadAck,
    Welcome,
)


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message now."""

    message: ToServer


@dataclass(frozen=True, slots=True)
class Opened:
    """The server proved itself: settle the marks, then the session is open."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class InstallDeny:
    """A genuine deny list came."""

    deny: Deny


@dataclass(frozen=True, slots=True)
class InstallState:
    """A transfer is complete; verify its hash, install it whole or not at all, and answer."""

    begin: StateBegin
    items: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class StateRefused:
    """A transfer was refused before it was complete; answer with what is in force and the problem."""

    problem: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The server says that this policy version is the newest."""

    version: int


@dataclass(frozen=True, slots=True)
class CardTold:
    """The key service answered a card dialogue, or the server speaks to an encoder."""

    message: KeyTold | EncoderOpen | EncoderClose | Encode


@dataclass(frozen=True, slots=True)
class CheckpointOffered:
    """The server says where its audit log stands; judge it and answer."""

    checkpoint: AuditCheckpoint


@dataclass(frozen=True, slots=True)
class Decided:
    """The server decided a live tap."""

    decision: TapDecision


@dataclass(frozen=True, slots=True)
class Acked:
    """The server committed an upload."""

    ack: UploadAck


@dataclass(frozen=True, slots=True)
class RunCommand:
    """A fresh command, within its life, that may be run until `deadline_ms` (our monotonic clock)."""

    command: Command
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class ClockMeasured:
    """A pong came: our monotonic clock at the question, the server's wall clock, ours at the answer."""

    sent_ms: int
    server_ms: int
    answered_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over. `advised_ms` is what the server asked us to wait; `alarm` means somebody must look."""

    why: str
    advised_ms: int = 0
    alarm: bool = False


PolicyEffect = InstallDeny | InstallState | StateRefused | Confirmed
Effect = (
    PolicyEffect | Send | Opened | CardTold | CheckpointOffered | Decided | Acked | RunCommand | ClockMeasured | Ended
)
