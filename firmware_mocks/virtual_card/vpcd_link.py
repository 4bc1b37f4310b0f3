"""Carries a virtual card to the virtual PC/SC reader (vsmartcard-vpcd): TCP, the card is the client.

Connecting inserts the card, closing removes it. A message is two length bytes, big-endian, and that many bytes; one
byte alone is a control code. Two facts of the driver shape this file: it sends length and body separately and waits
for an acknowledgement the kernel would hold back for 40 ms, and it has no time-out, so this end closes on any fault.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from firmware_mocks.virtual_card.card import STATUS_WRONG_LENGTH, CardGone, VirtualCard

DEFAULT_PORT = 35_963
"""0x8C7B, the first slot of the packaged configuration; the second slot is one higher."""
CONNECT_TIMEOUT_SECONDS = 5.0
REMOVAL_TIMEOUT_SECONDS = 2.0
LONGEST_ANSWER_BYTES = 0xFFFF
_LENGTH_BYTES = 2

Connect = Callable[[], socket.socket]


def connect_to(host: str, port: int) -> Connect:
    """Return how to reach the virtual reader at `host`:`port`; the call raises OSError when nobody listens."""
    return lambda: socket.create_connection((host, port), CONNECT_TIMEOUT_SECONDS)


class VpcdLink:
    """One insertion of one card. `run` serves in the calling thread, `insert` in a thread of its own."""

    def __init__(self, card: VirtualCard, connect: Connect) -> None:
        """Nothing is connected before `insert` or `run`."""
        self._card = card
        self._connect = connect
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.commands = 0
        """Commands that reached the card so far."""

    def insert(self) -> None:
        """Connect, then serve in a thread. Raises OSError when the reader cannot be reached."""
        self._socket = self._connect()
        self._thread = threading.Thread(target=self._serve, args=(self._socket,), name="virtual-card", daemon=True)
        self._thread.start()

    def remove(self) -> None:
        """Take the card away; safe when it is gone already."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the other end may have closed first
                self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(REMOVAL_TIMEOUT_SECONDS)
        self._socket = self._thread = None

    def run(self) -> None:
        """Connect and serve until the card is torn away or the reader closes."""
        self._serve(self._connect())

    def _serve(self, connection: socket.socket) -> None:
        """Answer until the connection ends; whatever happens, it is closed, or the driver would wait for ever."""
        with connection, contextlib.suppress(CardGone, OSError):
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._card.power_on()
            while (message := _message(connection)) is not None:
                answer = self._handle(message)
                if answer is not None:
                    # one buffer: a second send would wait for the acknowledgement of the first
                    connection.sendall(len(answer).to_bytes(_LENGTH_BYTES, "big") + answer)

    def _handle(self, message: bytes) -> bytes | None:
        if len(message) > 1:
            self.commands += 1
            answer = self._card.answer(message)
            return None if answer is None else answer[:LONGEST_ANSWER_BYTES]
        match message:
            case b"\x00":  # power off
                return None
            case b"\x01" | b"\x02":  # power on, reset
                self._card.power_on()
                return None
            case b"\x04":
                return self._card.atr
        # a command of one byte looks like a control code; unanswered, it would hang the reader
        return STATUS_WRONG_LENGTH


def _message(connection: socket.socket) -> bytes | None:
    """Return the next message, None when the reader has closed."""
    head = _exactly(connection, _LENGTH_BYTES)
    return None if head is None else _exactly(connection, int.from_bytes(head, "big"))


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    received = b""
    while len(received) < count:
        # the kernel forgets this setting, so it is made before every receive
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        part = connection.recv(count - len(received))
        if not part:
            return None
        received += part
    return received
