"""A serial line as a file descriptor: open by path, read what is there, write without blocking.

The only importer of pyserial. Real adapters are named by `/dev/serial/by-id/...`, never by the order in which they were
plugged in. It knows no protocol, and it never waits: the owner selects on `fileno`.
"""

from __future__ import annotations

import os
import termios
from contextlib import suppress

import serial

READ_BYTES = 4_096
"""Most bytes taken in one read."""


class PortGoneError(Exception):
    """The port cannot be opened, or is there no more. The message is the operating system's."""


class SerialPort:
    """One open port, 8N1, for this process alone."""

    def __init__(self, path: str, baud: int) -> None:
        """Open `path` at `baud` bits a second; a pseudo terminal will do. Raises PortGoneError."""
        try:
            self._serial = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
        except (OSError, ValueError, termios.error) as error:
            # serial.SerialException is an OSError; some drivers let termios.error through.
            raise PortGoneError(str(error)) from error
        with suppress(OSError, ValueError, NotImplementedError):  # a pseudo terminal and some drivers have no such mode
            # FTDI adapters hold received bytes back for 16 ms otherwise: two of them in every tap.
            self._serial.set_low_latency_mode(True)

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return int(self._serial.fileno())

    def read(self) -> bytes:
        """Return the bytes that wait; call it when `fileno` is readable. Raises PortGoneError when unplugged."""
        try:
            received = os.read(self.fileno(), READ_BYTES)
        except BlockingIOError:
            return b""
        except (OSError, serial.SerialException) as error:
            raise PortGoneError(str(error)) from error
        if not received:
            msg = "readable without data: unplugged"
            raise PortGoneError(msg)
        return received

    def write(self, message: bytes) -> bool:
        """Write a whole message, dropping first what the driver still holds of an earlier one: its time is over.

        Returns False if the port took less: on a half-duplex line that is a lost message, not one to complete later.
        Raises PortGoneError.
        """
        try:
            termios.tcflush(self.fileno(), termios.TCOFLUSH)
            return os.write(self.fileno(), message) == len(message)
        except BlockingIOError:
            return False
        except (OSError, termios.error, serial.SerialException) as error:
            raise PortGoneError(str(error)) from error

    def close(self) -> None:
        """Close it; what is not sent is dropped, so that closing cannot hang on a stalled line."""
        with suppress(OSError, termios.error, serial.SerialException):  # a port that is gone has nothing to flush
            termios.tcflush(self.fileno(), termios.TCIOFLUSH)
        self._serial.close()
