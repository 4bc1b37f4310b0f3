"""A blank DESFire card as the maker delivers it: its master key is a DES key of zeros, and has to become AES first.

The one place where DES is spoken, with two keys that everybody knows (zeros before and after), so no key source is
asked and nothing secret passes. Tries AuthenticateISO (0x1A), then the native method (0x0A), as cards differ. Source:
DESFire EV1 public data sheets; proved against the virtual card only.
"""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from cardcore.desfire.blocks import jamcrc, rotated_left, same, xored
from cardcore.reasons import Reason
from reader_daemon.protocols.card.desfire_channel import DesfireChannel
from reader_daemon.protocols.card.desfire_commands import select_application
from reader_daemon.protocols.card.native import ADDITIONAL_FRAME, DesfireStatus, NativeAnswer, native_frame
from reader_daemon.protocols.card.outcome import CardFailure, Dialogue, TransmitFailed, WriteOutcome

DES_BLOCK_BYTES = 8
CHANGE_KEY = 0xC4
AES_MASTER_KEY = 0x80
"""Key number 0 with the key type AES."""
_ZERO = bytes(DES_BLOCK_BYTES)
_FACTORY = bytes(DES_BLOCK_BYTES)
_NEW_KEY = bytes(16)
_AUTHENTICATE_ISO, _AUTHENTICATE_NATIVE = 0x1A, 0x0A
_CRC16_START = 0x6363
_CRC16_REVERSED = 0x8408


def make_master_aes(rnd_a: bytes) -> Dialogue[WriteOutcome | CardFailure]:
    """Turn a DES master key of zeros into an AES one of zeros; fails as `card_not_genuine` when it is another key.

    `rnd_a` is any 8 bytes: under a key that everybody knows it protects nothing.
    """
    selected = yield from select_application(DesfireChannel(), bytes(3))
    if not isinstance(selected, bytes):
        return CardFailure(Reason.CARD_UNKNOWN_TYPE, f"card level: {selected!r}")
    for instruction in (_AUTHENTICATE_ISO, _AUTHENTICATE_NATIVE):
        key = yield from _authenticate(instruction, rnd_a)
        if isinstance(key, CardFailure):
            return key
        if key is not None:
            return (yield from _change(instruction, key))
    return CardFailure(Reason.CARD_NOT_GENUINE, "the card takes no DES authentication either")


def _authenticate(instruction: int, rnd_a: bytes) -> Dialogue[bytes | CardFailure | None]:
    """Authenticate with eight zeros; returns the session key, or None when the card does not begin."""
    first = yield from native_frame(instruction, b"\0")
    if isinstance(first, CardFailure):
        return first
    if not isinstance(first, NativeAnswer) or first.status != DesfireStatus.MORE or len(first.data) != DES_BLOCK_BYTES:
        return None
    rnd_b = _decrypt(_FACTORY, _ZERO, first.data)
    ours = rnd_a + rotated_left(rnd_b)
    token = _encrypt(_FACTORY, first.data, ours) if instruction == _AUTHENTICATE_ISO else _send(_FACTORY, ours)
    second = yield from native_frame(ADDITIONAL_FRAME, token)
    if isinstance(second, CardFailure):
        return second
    iv = token[-DES_BLOCK_BYTES:] if instruction == _AUTHENTICATE_ISO else _ZERO
    accepted = isinstance(second, NativeAnswer) and second.status == DesfireStatus.DONE
    proof = second.data if isinstance(second, NativeAnswer) else b""
    if not accepted or len(proof) != DES_BLOCK_BYTES or not same(_decrypt(_FACTORY, iv, proof), rotated_left(rnd_a)):
        return CardFailure(Reason.CARD_NOT_GENUINE, "the card's DES master key is not the factory's")
    return rnd_a[:4] + rnd_b[:4]


def _change(instruction: int, session_key: bytes) -> Dialogue[WriteOutcome]:
    """Send ChangeKey with the AES key of zeros, version 0; the card answers without data and the session is over."""
    body = _NEW_KEY + b"\0"
    if instruction == _AUTHENTICATE_ISO:
        body += jamcrc(bytes([CHANGE_KEY, AES_MASTER_KEY]) + body)
        sealed = _encrypt(session_key, _ZERO, _padded(body))
    else:
        sealed = _send(session_key, _padded(body + _crc16(body)))
    try:
        answer = yield from native_frame(CHANGE_KEY, bytes([AES_MASTER_KEY]) + sealed)
    except TransmitFailed:
        return WriteOutcome.UNKNOWN
    if not isinstance(answer, NativeAnswer):
        return WriteOutcome.UNKNOWN
    return WriteOutcome.SUCCEEDED if answer.status == DesfireStatus.DONE else WriteOutcome.REJECTED


def _padded(body: bytes) -> bytes:
    return body + bytes(-len(body) % DES_BLOCK_BYTES)


def _crc16(data: bytes) -> bytes:
    """Return the CRC_A of ISO/IEC 14443-3, low byte first."""
    value = _CRC16_START
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_CRC16_REVERSED if value & 1 else 0)
    return value.to_bytes(2, "little")


def _encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    return Cipher(TripleDES(key * 3), CBC(iv)).encryptor().update(data)


def _decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    return Cipher(TripleDES(key * 3), CBC(iv)).decryptor().update(data)


def _send(key: bytes, data: bytes) -> bytes:
    """Chain as a D40 reader does: each block is mixed with the one before, then *decrypted*."""
    out, before = b"", _ZERO
    for at in range(0, len(data), DES_BLOCK_BYTES):
        before = _decrypt(key, _ZERO, xored(data[at : at + DES_BLOCK_BYTES], before))
        out += before
    return out
