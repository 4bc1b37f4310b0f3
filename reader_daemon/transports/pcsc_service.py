"""The PC/SC service as the daemon sees it: a context a thread, waiting for cards, one exclusive channel to a card.

Shapes and names of failures only; `pcsc_scard` fills them with pyscard, tests with a service in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class PcscMissing(Exception):  # noqa: N818 - it names what is the matter
    """pyscard is not installed; the text says what to install."""


class PcscFault(Exception):  # noqa: N818 - the subclasses name what happened
    """A call failed with a return code that has no name of its own here."""


class ServiceGone(PcscFault):
    """The service stopped or the context is dead: drop it and establish another."""


class ReaderGone(PcscFault):
    """The reader was unplugged."""


class CardMoved(PcscFault):
    """The card left, or was reset by somebody else, during the call."""


class CardMute(PcscFault):
    """A card is there and does not power up."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a reader. `state` is to be handed back to the next wait."""

    present: bool
    gone: bool
    moves: int
    """Insertions and removals since the service started, modulo 65,536: another number means another insertion."""
    state: int
    plug_state: int


UNSEEN = Look(present=False, gone=False, moves=0, state=0, plug_state=0)


class CardChannel(Protocol):
    """An exclusive connection to one inserted card; it never reaches the next card."""

    def transmit(self, command: bytes) -> bytes:
        """Exchange one APDU, without a time-out; raises `CardMoved`, `ServiceGone`, `ReaderGone` or `PcscFault`."""
        ...

    def close(self) -> None:
        """Let go and leave the card powered; never raises."""
        ...


class PcscContext(Protocol):
    """One connection to the service; belongs to one thread, except `cancel`."""

    def readers(self) -> tuple[str, ...]:
        """Return the full names of the readers plugged in."""
        ...

    def wait(self, reader: str | None, known: Look, timeout_ms: int) -> Look | None:
        """Wait until `reader` differs from `known` or a reader is plugged or unplugged.

        None when nothing happened in `timeout_ms`, or on `cancel`.
        """
        ...

    def connect(self, reader: str) -> CardChannel:
        """Open the exclusive channel; raises `CardMoved`, `CardMute`, or `PcscFault` when another program holds it."""
        ...

    def control(self, reader: str, command: bytes) -> bytes:
        """Send an escape command to the reader itself, card or no card."""
        ...

    def cancel(self) -> None:
        """Wake a thread that is in `wait`; lost when none is. Legal from any thread; never raises."""
        ...

    def release(self) -> None:
        """Close; never raises."""
        ...


EstablishContext = Callable[[], PcscContext]
"""Raises `ServiceGone` while the service is not running."""
