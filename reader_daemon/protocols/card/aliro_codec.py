"""The arithmetic of Aliro 1.0's standard exchange, ahead of a reader that speaks it: keys, sealed answers, signatures.

No reader asks for it yet: phones in express mode expect polling frames that ordinary PC/SC readers do not send. It is
here so that the public vectors hold when a reader does. Source: Aliro 1.0 (CSA), the vectors in tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cardcore.issuer import IssuerKey, SignatureAlgorithm, signed_by
from reader_daemon.protocols.card.apdu import command_apdu
from reader_daemon.protocols.card.tlv import encode_tlv

ALIRO_AID = bytes.fromhex("A000000909ACCE5501")
READER_USAGE = bytes.fromhex("415D9569")
DEVICE_USAGE = bytes.fromhex("4E887B4C")
DERIVED_BYTES = 160
KEY_BYTES = 32
_DEVICE_IV = bytes(7) + b"\x01"
_TAGS = {"reader": 0x4D, "device_key": 0x86, "reader_key": 0x87, "transaction": 0x4C, "usage": 0x93}


def select_command() -> bytes:
    """Return the SELECT of the expedited phase."""
    return command_apdu(bytes.fromhex("00A40400"), ALIRO_AID)


@dataclass(frozen=True, slots=True)
class ExchangeKeys:
    """The keys of both directions after a standard authentication."""

    reader: bytes = field(repr=False)
    device: bytes = field(repr=False)


def exchange_keys(shared: bytes, salt: bytes, device_key_x: bytes) -> ExchangeKeys:
    """Derive them with HKDF-SHA256 over the shared secret's key; `device_key_x` is the ephemeral X coordinate."""
    derived = HKDF(hashes.SHA256(), DERIVED_BYTES, salt, device_key_x).derive(shared)
    return ExchangeKeys(derived[:KEY_BYTES], derived[KEY_BYTES : 2 * KEY_BYTES])


def open_answer(keys: ExchangeKeys, counter: int, sealed: bytes) -> bytes | None:
    """Decrypt the device's answer number `counter`, from 1 (AES-256-GCM); None when its tag is wrong."""
    try:
        return AESGCM(keys.device).decrypt(_DEVICE_IV + counter.to_bytes(4, "big"), sealed, None)
    except InvalidTag:
        return None


def signing_input(reader: bytes, device_key_x: bytes, reader_key_x: bytes, transaction: bytes, usage: bytes) -> bytes:
    """Return what reader (`READER_USAGE`) or device (`DEVICE_USAGE`) signs in AUTH1."""
    values = (reader, device_key_x, reader_key_x, transaction, usage)
    return b"".join(encode_tlv(tag, value) for tag, value in zip(_TAGS.values(), values, strict=True))


def device_proven(point: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether the device's P-256 key signed the input; `signature` is r and s."""
    return signed_by(IssuerKey(bytes(4), SignatureAlgorithm.ECDSA_P256, point), signature, message)
