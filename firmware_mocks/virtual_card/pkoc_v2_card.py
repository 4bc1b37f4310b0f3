"""A PKOC card, secure element V2: a certificate that an issuer signed, and a proof over a challenge.

Source: PSIA Public Key Open Credential 2.0.1. The certificate is built here from the rules of the card-verifiable
certificate, with keys that come from seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_mocks.virtual_card.card import (
    ATR_14443_4,
    SHORTEST_COMMAND_BYTES,
    STATUS_CLASS,
    STATUS_CONDITIONS,
    STATUS_INSTRUCTION,
    STATUS_NOT_FOUND,
    STATUS_OK,
    STATUS_WRONG_DATA,
    STATUS_WRONG_LENGTH,
)
from firmware_mocks.virtual_card.pkoc_card import APPLICATION, private_key, public_point, signature

ISSUER_SEED = 77_000
ISSUER_REFERENCE = b"VIRTUALISSUER-01"
CHALLENGE_BYTES = 32
PART_BYTES = 240
_CURVE = bytes.fromhex("2A8648CE3D030107")
_UID_OID = bytes.fromhex("2B0601040183D2250803")


@dataclass(frozen=True)
class Lifetime:
    """Validity as the certificate writes it: YYMMDD, one digit a byte."""

    begins: str = "260101"
    ends: str = "360101"


def element(tag: str, *parts: bytes) -> bytes:
    """Write one element."""
    value = b"".join(parts)
    size = len(value)
    prefix = b"" if size < 0x80 else b"\x81" if size < 0x100 else b"\x82"  # noqa: PLR2004 - how lengths are written
    length = prefix + size.to_bytes(2 if prefix == b"\x82" else 1, "big")
    return bytes.fromhex(tag) + length + value


def certificate(seed: int, life: Lifetime = Lifetime(), uid: bytes = b"", issuer_seed: int = ISSUER_SEED) -> bytes:
    """Return the certificate of the card numbered `seed`; `uid` adds a serial number that the issuer vouches for."""
    body = element(
        "7F4E",
        element("5F29", b"\0"),
        element("42", ISSUER_REFERENCE),
        element("7F49", element("06", _CURVE), element("86", public_point(private_key(seed)))),
        element("5F20", f"CARD{seed:012d}".encode()),
        element("5F25", bytes(int(digit) for digit in life.begins)),
        element("5F24", bytes(int(digit) for digit in life.ends)),
        element("65", element("73", element("06", _UID_OID), element("53", uid))) if uid else b"",
    )
    return element("7F21", body, element("5F37", signature(private_key(issuer_seed), body)))


class PkocV2Card:
    """Answers SELECT, GET DATA and INTERNAL AUTHENTICATE; long answers come in parts (61xx)."""

    def __init__(self, seed: int, shown: bytes | None = None, *, proves_with: int | None = None) -> None:
        """`shown` is another certificate than its own, `proves_with` another card's key: both are forgeries."""
        self._key = private_key(seed if proves_with is None else proves_with)
        self._certificate = certificate(seed) if shown is None else shown
        self._point = public_point(private_key(seed))
        self.atr = ATR_14443_4
        self.power_on()

    @property
    def credential(self) -> str:
        """The credential key a reader must find."""
        return f"pkoc:{self._point[1:33].hex()}"

    def power_on(self) -> None:
        """Select nothing."""
        self._selected = False
        self._left = b""

    def answer(self, command: bytes) -> bytes:
        """Answer an APDU."""
        if len(command) < SHORTEST_COMMAND_BYTES:
            return STATUS_WRONG_LENGTH
        if command[0]:
            return STATUS_CLASS
        match command[1:4].hex():
            case "a40400":
                self._selected = command[5:13] == APPLICATION
                return bytes.fromhex("5C020200") + STATUS_OK if self._selected else STATUS_NOT_FOUND
            case _ if not self._selected:
                return STATUS_CONDITIONS
            case "ca7f63":
                return bytes.fromhex("7F63045C020200") + STATUS_OK
            case "ca7f21":
                self._left = self._certificate
                return self._part()
            case "c00000":
                return self._part()
            case "880000":
                challenge = command[5 : 5 + command[4]]
                if len(challenge) != CHALLENGE_BYTES:
                    return STATUS_WRONG_DATA
                return element("9E", signature(self._key, challenge)) + STATUS_OK
        return STATUS_INSTRUCTION

    def _part(self) -> bytes:
        part, self._left = self._left[:PART_BYTES], self._left[PART_BYTES:]
        return part + (bytes([0x61, min(len(self._left), 255)]) if self._left else STATUS_OK)
