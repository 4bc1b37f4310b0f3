"""Signed notes (C2SP signed-note): a text of lines, an empty line, and one line a signature. Ed25519.

A signature line is `— NAME BASE64`, the base64 of a 4-byte key id and the 64-byte signature over the text. The text
ends with a line feed and names what it is in its first line, so that a signature for one purpose never serves another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.wire.signing import sign, verified

MAX_NOTE_BYTES = 16 * 1024
MAX_SIGNATURES = 64
_DASH = "\u2014"
_ID_BYTES = 4
_ED25519 = b"\x01"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and who signed it: (name, key id and signature)."""

    text: str
    signatures: tuple[tuple[str, bytes], ...] = ()

    def document(self) -> str:
        """Return the note as it travels."""
        lines = (f"{_DASH} {name} {base64.b64encode(value).decode()}\n" for name, value in self.signatures)
        return f"{self.text}\n{''.join(lines)}"

    def signed(self, name: str, key: Ed25519PrivateKey) -> Note:
        """Return the note with one more signature."""
        public = key.public_key().public_bytes_raw()
        value = _key_id(name, public) + sign(key, self.text.encode())
        return Note(self.text, (*self.signatures, (name, value)))

    def is_signed_by(self, name: str, public_key: bytes) -> bool:
        """Tell whether the holder of a key signed this text under a name."""
        key_id, data = _key_id(name, public_key), self.text.encode()
        return any(
            signer == name and value[:_ID_BYTES] == key_id and verified(public_key, value[_ID_BYTES:], data)
            for signer, value in self.signatures
        )


def parse_note(document: str) -> Note | None:
    """Read a note; None for anything else. Only one form of a note is read: what `document` writes."""
    if len(document) > MAX_NOTE_BYTES:
        return None
    text, separator, tail = document.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        return None
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        return None
    signatures = tuple(found for line in lines if (found := _signature(line)) is not None)
    note = Note(text + "\n", signatures)
    return note if note.document() == document else None


def _signature(line: str) -> tuple[str, bytes] | None:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != _DASH or not name:
        return None
    try:
        return name, base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def _key_id(name: str, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_ID_BYTES]
