"""Sizes and protections of the chip's commands, by instruction, and which rights a file command needs."""

from __future__ import annotations

from firmware_mocks.virtual_card.desfire.sessions import FULL, MAC, PLAIN

SIZES: dict[int, tuple[int, int, int, int]] = {
    # instruction: header bytes, body bytes, protection of the command, protection of the answer
    0x45: (0, 0, MAC, MAC),
    0x51: (0, 0, MAC, FULL),
    0x54: (0, 1, FULL, MAC),
    0x55: (1, 0, MAC, PLAIN),
    0x56: (2, 0, MAC, MAC),
    0x57: (2, 0, MAC, MAC),
    0x5F: (1, 3, FULL, MAC),
    0x60: (0, 0, MAC, MAC),
    0x64: (1, 0, MAC, MAC),
    0x6A: (0, 0, MAC, MAC),
    0x6E: (0, 0, MAC, MAC),
    0x6F: (0, 0, MAC, MAC),
    0xA7: (0, 0, MAC, MAC),
    0xC0: (10, 0, MAC, MAC),
    0xC1: (10, 0, MAC, MAC),
    0xCB: (7, 0, MAC, MAC),
    0xCC: (17, 0, MAC, MAC),
    0xCD: (7, 0, MAC, MAC),
    0xCE: (5, 17, FULL, MAC),
    0xDA: (3, 0, MAC, MAC),
    0xDF: (1, 0, MAC, MAC),
    0xF5: (1, 0, MAC, MAC),
    0xFC: (0, 0, MAC, MAC),
}
_READ, _WRITE = ("read", "both"), ("write", "both")
FILE_COMMANDS: dict[int, tuple[int, bool, tuple[str, ...], bool]] = {
    # instruction: header bytes, whether the header's length bytes are the body's, rights, whether it answers data
    0xBD: (7, False, _READ, True),
    0xAD: (7, False, _READ, True),
    0xBB: (7, False, _READ, True),
    0xAB: (7, False, _READ, True),
    0x3D: (7, True, _WRITE, False),
    0x8D: (7, True, _WRITE, False),
    0x3B: (7, True, _WRITE, False),
    0x8B: (7, True, _WRITE, False),
    0x6C: (1, False, ("read", "write", "both"), True),
    0x0C: (1, False, ("both",), False),
    0xDC: (1, False, ("read", "write", "both"), False),
    0x1C: (1, False, ("write", "both"), False),
    0xEB: (1, False, ("both",), False),
}
VALUE_MOVES = (0x0C, 0xDC, 0x1C)
WHOLE_ANSWERS = (0xAD, 0xAB)
LISTING = (0x45, 0x6A, 0x6F, 0xF5)
"""Need the master key of the level unless the settings leave listing free."""
