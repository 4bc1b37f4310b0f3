"""A storage card with a serial number and nothing a PC/SC reader may ask besides.

The reader answers the pseudo-APDU itself on real hardware; the virtual reader passes it through, so the card answers.
"""

from __future__ import annotations

from firmware_mocks.virtual_card.card import (
    ATR_STORAGE,
    SHORTEST_COMMAND_BYTES,
    STATUS_CLASS,
    STATUS_NOT_FOUND,
    STATUS_OK,
    STATUS_WRONG_LENGTH,
)

SIZES_BYTES = (4, 7, 10)
_GET_UID = bytes.fromhex("FFCA000000")
_SELECT = bytes.fromhex("00A404")


class UidCard:
    """Shows `uid`; finds no application."""

    def __init__(self, uid: bytes) -> None:
        """Raise ValueError when `uid` is not 4, 7 or 10 bytes (ISO/IEC 14443-3)."""
        if len(uid) not in SIZES_BYTES:
            msg = f"a serial number has 4, 7 or 10 bytes, not {len(uid)}"
            raise ValueError(msg)
        self.uid = uid
        self.atr = ATR_STORAGE

    @property
    def credential(self) -> str:
        """The credential key a reader that admits low assurance must find."""
        return f"uid:{self.uid.hex()}"

    def power_on(self) -> None:
        """There is nothing volatile."""

    def answer(self, command: bytes) -> bytes:
        """Answer GET UID; refuse the rest."""
        if len(command) < SHORTEST_COMMAND_BYTES:
            return STATUS_WRONG_LENGTH
        if command == _GET_UID:
            return self.uid + STATUS_OK
        return STATUS_NOT_FOUND if command.startswith(_SELECT) else STATUS_CLASS
