"""What the driver needs of a transport: whole frames in order, or the news that the link is gone."""

from __future__ import annotations

from typing import Protocol


class LinkClosedError(Exception):
    """The link is gone, or could not be made; the message says why."""


class Connection(Protocol):
    """One open link."""

    async def send(self, frame: bytes) -> None:
        """Send one frame and wait until the transport took it; raises LinkClosedError."""
        ...

    async def receive(self) -> bytes:
        """Return the next frame; raises LinkClosedError."""
        ...

    async def close(self) -> None:
        """Close; never raises."""
        ...


class Connector(Protocol):
    """Makes links to the one server of this daemon."""

    async def connect(self) -> Connection:
        """Open a link; raises LinkClosedError."""
        ...
