"""Telling systemd that the daemon is ready, alive or stopping (sd_notify(3)); silent where there is no systemd."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Sends to the socket named in NOTIFY_SOCKET; without one every call does nothing."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read NOTIFY_SOCKET and WATCHDOG_USEC."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environment.get("WATCHDOG_USEC", "")
        self.watchdog_seconds = int(microseconds) / 1_000_000 if microseconds.isdigit() else None
        """How often systemd wants a sign of life, or None."""

    def ready(self, status: str) -> None:
        """Say that the daemon serves taps."""
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        """Say that the event loop turns. Call it from the loop itself: a hung loop must stay silent."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the daemon ends on purpose."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)  # noqa: FBT003 - the standard library takes it so
                channel.sendto(text.encode(), self._address)
        except OSError:
            return  # systemd's loss: no reason to disturb a lane
