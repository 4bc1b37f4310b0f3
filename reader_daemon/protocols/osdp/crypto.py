"""The OSDP secure channel: key derivation, cryptograms, MAC chain, padding and encryption (SIA OSDP 2.2 annex D).

Stateless functions, and `SecureSession` which holds the session keys and the two running MACs for either side.
It draws no randomness and decides nothing: which key may be used, and when, is the panel's policy.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from enum import Enum

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from reader_daemon.protocols.osdp.codes import SecurityBlock
from reader_daemon.protocols.osdp.frames import MAC_BYTES, Frame, authenticated_part

BLOCK_BYTES = 16
KEY_BYTES = 16
NONCE_BYTES = 8
DEFAULT_KEY = bytes(range(0x30, 0x40))
"""SCBK-D. Public: it protects nothing."""

_PADDING = b"\x80"
_NONCE_BYTES_IN_KEYS = 6


class SecurityFaultError(Exception):
    """A frame that passed its CRC and cannot be trusted: wrong block type, MAC or padding."""


class Role(Enum):
    """Which end of the line holds a `SecureSession`."""

    PANEL = "panel"
    READER = "reader"


@dataclass(frozen=True, slots=True, repr=False)
class SessionKeys:
    """The three keys of one session, 16 bytes each. Has no repr, so that no log shows them."""

    encryption: bytes
    mac_1: bytes
    mac_2: bytes


def _encrypt_block(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(AES128(key), ECB()).encryptor()  # noqa: S305 - the standard's derivation is ECB
    return encryptor.update(block) + encryptor.finalize()


def _encrypt_chain(key: bytes, initial: bytes, blocks: bytes) -> bytes:
    encryptor = Cipher(AES128(key), CBC(initial)).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


def derive_session_keys(scbk: bytes, rnd_a: bytes) -> SessionKeys:
    """Derive S-ENC, S-MAC1 and S-MAC2 from the 16-byte SCBK and the panel's 8-byte RND.A."""

    def derive(constant: int) -> bytes:
        seed = bytes((0x01, constant)) + rnd_a[:_NONCE_BYTES_IN_KEYS]
        return _encrypt_block(scbk, seed.ljust(BLOCK_BYTES, b"\0"))

    return SessionKeys(encryption=derive(0x82), mac_1=derive(0x01), mac_2=derive(0x02))


def client_cryptogram(keys: SessionKeys, rnd_a: bytes, rnd_b: bytes) -> bytes:
    """Return the 16 bytes by which the reader proves that it knows the key."""
    return _encrypt_block(keys.encryption, rnd_a + rnd_b)


def server_cryptogram(keys: SessionKeys, rnd_a: bytes, rnd_b: bytes) -> bytes:
    """Return the 16 bytes by which the panel proves that it knows the key."""
    return _encrypt_block(keys.encryption, rnd_b + rnd_a)


def initial_r_mac(keys: SessionKeys, cryptogram_of_server: bytes) -> bytes:
    """Return R-MAC0, which the reader sends in RMAC_I and the panel must compute and compare."""
    return _encrypt_block(keys.mac_2, _encrypt_block(keys.mac_1, cryptogram_of_server))


def full_mac(keys: SessionKeys, initial: bytes, message: bytes) -> bytes:
    """Return all 16 bytes of the MAC; the first 4 go on the wire, all 16 are the next frame's start value."""
    if len(message) % BLOCK_BYTES:
        message = (message + _PADDING).ljust(-(-(len(message) + 1) // BLOCK_BYTES) * BLOCK_BYTES, b"\0")
    head, last = message[:-BLOCK_BYTES], message[-BLOCK_BYTES:]
    if head:
        initial = _encrypt_chain(keys.mac_1, initial, head)[-BLOCK_BYTES:]
    return _encrypt_chain(keys.mac_2, initial, last)


def _complement(block: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in block)


def encrypt_data(keys: SessionKeys, last_mac_of_peer: bytes, data: bytes) -> bytes:
    """Pad with 80 00.. to whole blocks (always at least one byte) and encrypt, as the standard does for any data."""
    padded = (data + _PADDING).ljust((len(data) // BLOCK_BYTES + 1) * BLOCK_BYTES, b"\0")
    return _encrypt_chain(keys.encryption, _complement(last_mac_of_peer), padded)


def decrypt_data(keys: SessionKeys, last_mac_of_peer: bytes, cipher_text: bytes) -> bytes:
    """Undo `encrypt_data`; empty gives empty (some readers send so).

    Raises SecurityFaultError on wrong length or padding.
    """
    if not cipher_text:
        return b""
    if len(cipher_text) % BLOCK_BYTES:
        msg = f"cipher text of {len(cipher_text)} bytes"
        raise SecurityFaultError(msg)
    decryptor = Cipher(AES128(keys.encryption), CBC(_complement(last_mac_of_peer))).decryptor()
    data = (decryptor.update(cipher_text) + decryptor.finalize()).rstrip(b"\0")
    if not data.endswith(_PADDING):
        msg = "padding"
        raise SecurityFaultError(msg)
    return data[:-1]


def same(one: bytes, other: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one, other)


class SecureSession:
    """The keys and the MAC chain of one session, seen from one end.

    `seal` protects a frame this end sends, `unseal` checks one it received; each moves the chain once. A frame
    that is sent again must be sent as the same bytes, and a repeated command must not be unsealed again.
    """

    def __init__(self, role: Role, keys: SessionKeys, r_mac: bytes) -> None:
        """Begin after the handshake with `r_mac` = R-MAC0."""
        self._role = role
        self._keys = keys
        self._r_mac = r_mac
        self._c_mac = bytes(BLOCK_BYTES)

    @property
    def c_mac(self) -> bytes:
        """MAC of the last command, 16 bytes."""
        return self._c_mac

    @property
    def r_mac(self) -> bytes:
        """MAC of the last reply, 16 bytes."""
        return self._r_mac

    def seal(self, frame: Frame) -> Frame:
        """Return the clear frame encrypted (if it has data) and with its MAC, and move the chain."""
        replying = self._role is Role.READER
        peer_mac = self._c_mac if replying else self._r_mac
        if frame.data:
            block = SecurityBlock.SCS_18 if replying else SecurityBlock.SCS_17
            frame = replace(frame, block_type=block, data=encrypt_data(self._keys, peer_mac, frame.data))
        else:
            frame = replace(frame, block_type=SecurityBlock.SCS_16 if replying else SecurityBlock.SCS_15)
        mac = full_mac(self._keys, peer_mac, authenticated_part(frame))
        self._move(mac, of_reply=replying)
        return replace(frame, mac=mac[:MAC_BYTES])

    def unseal(self, frame: Frame) -> Frame:
        """Check the MAC of a received frame and return it with clear data; raises SecurityFaultError, state untouched.

        Data that came under SCS_15/16 stays as it is and `block_type` tells so: whether to believe it is policy.
        """
        replied = self._role is Role.PANEL
        plain = SecurityBlock.SCS_16 if replied else SecurityBlock.SCS_15
        encrypted = SecurityBlock.SCS_18 if replied else SecurityBlock.SCS_17
        if frame.block_type not in {plain, encrypted} or frame.is_reply is not replied:
            msg = f"security block {frame.block_type}"
            raise SecurityFaultError(msg)
        peer_mac = self._c_mac if replied else self._r_mac
        mac = full_mac(self._keys, peer_mac, authenticated_part(frame))
        if not same(mac[:MAC_BYTES], frame.mac):
            msg = "MAC"
            raise SecurityFaultError(msg)
        data = frame.data
        if frame.block_type == encrypted:
            data = decrypt_data(self._keys, peer_mac, data)
        self._move(mac, of_reply=replied)
        return replace(frame, data=data)

    def _move(self, mac: bytes, *, of_reply: bool) -> None:
        if of_reply:
            self._r_mac = mac
        else:
            self._c_mac = mac
