"""A reader of the independent `libosdp` wheel on an in-memory line or a pty's master end."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import osdp


class MemoryLine(osdp.Channel):  # type: ignore[misc]
    """Two byte queues; the panel's side is `to_reader` and `from_reader`."""

    def __init__(self) -> None:
        super().__init__()
        self.to_reader = bytearray()
        self.from_reader = bytearray()

    def read(self, max_bytes: int) -> bytes:
        taken = bytes(self.to_reader[:max_bytes])
        del self.to_reader[:max_bytes]
        return taken

    def write(self, buf: bytes) -> int:
        self.from_reader += buf
        return len(buf)

    def flush(self) -> None:
        self.to_reader.clear()


class PtyLine(osdp.Channel):  # type: ignore[misc]
    """The master end of a pseudo terminal."""

    def __init__(self, master: int) -> None:
        super().__init__()
        self.master = master
        os.set_blocking(master, False)

    def read(self, max_bytes: int) -> bytes:
        with suppress(BlockingIOError, OSError):
            return os.read(self.master, max_bytes)
        return b""

    def write(self, buf: bytes) -> int:
        with suppress(BlockingIOError, OSError):
            return os.write(self.master, buf)
        return 0

    def flush(self) -> None:
        """Nothing is kept back here."""


CAPABILITIES = (
    (osdp.Capability.ContactStatusMonitoring, 1, 4),
    (osdp.Capability.OutputControl, 4, 2),
    (osdp.Capability.LEDControl, 4, 1),
    (osdp.Capability.AudibleControl, 1, 1),
    (osdp.Capability.TextOutput, 1, 1),
    (osdp.Capability.CheckCharacter, 1, 0),
    (osdp.Capability.CommunicationSecurity, 1, 0),
)


class WheelReader:
    """`refresh` must be called often; nothing runs by itself."""

    def __init__(self, address: int, line: osdp.Channel, scbk: bytes | None, flags: list[int] | None = None) -> None:
        self.commands: list[dict[str, Any]] = []
        info = osdp.PDInfo(
            address, line, scbk=scbk, flags=flags or [], id=osdp.PdId(1, 2, 0x0A0B0C, 0x11223344, 0x010203)
        )
        self._device = osdp.PeripheralDevice(
            info, osdp.PDCapabilities(list(CAPABILITIES)), log_level=osdp.LogLevel.Emergency, command_handler=self._take
        )

    def _take(self, command: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        self.commands.append(command)
        if command["command"] == osdp.Command.Status:
            return -1, None  # NAK: a reader that cannot report must be no trouble
        return 0, None

    def refresh(self) -> None:
        self._device.ctx.refresh()

    @property
    def is_secure(self) -> bool:
        return bool(self._device.is_sc_active())

    def emit(self, event: dict[str, Any]) -> None:
        assert self._device.ctx.submit_event(event) in {0, True, None}

    def executed(self, command: int) -> list[dict[str, Any]]:
        return [entry for entry in self.commands if entry["command"] == command]


def card(number: bytes) -> dict[str, Any]:
    return {
        "event": osdp.Event.CardRead,
        "reader_no": 0,
        "length": len(number) * 8,
        "direction": 0,
        "format": osdp.CardFormat.Wiegand,
        "data": number,
    }
