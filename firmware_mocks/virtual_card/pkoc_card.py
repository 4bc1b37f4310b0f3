"""A PKOC card, secure element V1: a P-256 key that never leaves it and one application.

Source: PSIA Public Key Open Credential 2.0.1, NFC card specification 1.1. The key is derived from a seed, so that a
test or a demo site can know the public key of every card without asking it.
"""

from __future__ import annotations

import hashlib
from enum import Enum

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

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

APPLICATION = bytes.fromhex("A000000898000001")
VERSION = bytes.fromhex("0100")
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
TRANSACTION_BYTES = range(16, 66)
READER_BYTES = 32
_SELECT = bytes.fromhex("00A40400")
_AUTHENTICATE = bytes.fromhex("80800001")
_PARAMETERS = 2


class Forgery(Enum):
    """Ways in which a card's proof can be wrong."""

    OTHER_MESSAGE = "other_message"
    OTHER_KEY = "other_key"
    ZERO_SIGNATURE = "zero_signature"
    POINT_OFF_CURVE = "point_off_curve"
    REPLAYED = "replayed"
    """The proof of an earlier dialogue, word for word."""


def private_key(seed: int) -> ec.EllipticCurvePrivateKey:
    """Return the key of the card numbered `seed`: SHA-256 of a label and the number, reduced to 1..n-1."""
    digest = hashlib.sha256(b"onecard virtual PKOC card" + seed.to_bytes(8, "big")).digest()
    return ec.derive_private_key(int.from_bytes(digest, "big") % (P256_ORDER - 1) + 1, ec.SECP256R1())


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key as an uncompressed point, 65 bytes."""
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def signature(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return r and s, 32 bytes each, of ECDSA with SHA-256; deterministic (RFC 6979), so a replayed run is the same."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class PkocCard:
    """A card with its own key. `forgery` makes it lie, each time, in the given way."""

    def __init__(self, seed: int, *, forgery: Forgery | None = None) -> None:
        """`seed` 0..2**64-1 decides the key."""
        self._key = private_key(seed)
        self._other_key = private_key(seed ^ 1)
        self._forgery = forgery
        self._selected = False
        self.atr = ATR_14443_4

    @property
    def credential(self) -> str:
        """The credential key a reader must find: `pkoc:` and the X coordinate."""
        return f"pkoc:{public_point(self._key)[1:33].hex()}"

    def power_on(self) -> None:
        """Nothing is selected after a reset."""
        self._selected = False

    def answer(self, command: bytes) -> bytes:
        """Answer SELECT and AUTHENTICATE; everything else with the status word a JavaCard gives."""
        if len(command) < SHORTEST_COMMAND_BYTES:
            return STATUS_WRONG_LENGTH
        match command[:4]:
            case head if head == _SELECT:
                return self._select(command[5:-1])
            case head if head == _AUTHENTICATE:
                return self._authenticate(command[5:-1]) if self._selected else STATUS_CONDITIONS
        return STATUS_INSTRUCTION if command[0] in (0x00, 0x80) else STATUS_CLASS

    def _select(self, name: bytes) -> bytes:
        self._selected = name == APPLICATION
        return bytes([0x5C, len(VERSION)]) + VERSION + STATUS_OK if self._selected else STATUS_NOT_FOUND

    def _authenticate(self, request: bytes) -> bytes:
        fields = _fields(request)
        transaction, reader = fields.get(0x4C, b""), fields.get(0x4D, b"")
        if fields.get(0x5C) != VERSION or len(transaction) not in TRANSACTION_BYTES or len(reader) != READER_BYTES:
            return STATUS_WRONG_DATA
        point, proof = self._proof(transaction)
        return bytes([0x5A, len(point)]) + point + bytes([0x9E, len(proof)]) + proof + STATUS_OK

    def _proof(self, transaction: bytes) -> tuple[bytes, bytes]:
        point = public_point(self._key)
        match self._forgery:
            case None:
                return point, signature(self._key, transaction)
            case Forgery.OTHER_MESSAGE:
                return point, signature(self._key, transaction + b"\0")
            case Forgery.OTHER_KEY:
                return point, signature(self._other_key, transaction)
            case Forgery.ZERO_SIGNATURE:
                return point, bytes(64)
            case Forgery.POINT_OFF_CURVE:
                return point[:-1] + bytes([point[-1] ^ 1]), signature(self._key, transaction)
            case Forgery.REPLAYED:
                return point, signature(self._key, bytes(32))


def _fields(request: bytes) -> dict[int, bytes]:
    """Read tag, length, value triples of one byte each; what does not fit is left out, as a small card would."""
    fields: dict[int, bytes] = {}
    at = 0
    while at + _PARAMETERS <= len(request):
        size = request[at + 1]
        fields[request[at]] = request[at + _PARAMETERS : at + _PARAMETERS + size]
        at += _PARAMETERS + size
    return fields
