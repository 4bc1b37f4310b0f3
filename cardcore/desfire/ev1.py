"""EV1 secure messaging with AES (0xAA): one session key, and an IV that every command and every answer moves.

Source: AN0945 tables in the vectors. Forgetting one CMAC, also of a plain command, breaks the next exchange.
"""

from __future__ import annotations

from cardcore.card_keys.asks import CardMethod, CommandToSeal, CommMode, SessionKeys
from cardcore.card_keys.custody import CardKey
from cardcore.desfire.blocks import (
    BLOCK_BYTES,
    CRC_BYTES,
    MAC_BYTES,
    ZERO_BLOCK,
    cbc_decrypt,
    cbc_encrypt,
    doubled,
    encrypt_block,
    jamcrc,
    pad80,
    pad_zero,
    rotated_left,
    same,
    xored,
)
from cardcore.desfire.ev2 import CHANGE_KEY


def begin(key: CardKey, challenge: bytes, rnd_a: bytes) -> tuple[bytes, bytes]:
    """Return (RndB, token); the IV of the token is the card's challenge."""
    rnd_b = key.decrypt(ZERO_BLOCK, challenge)
    return rnd_b, key.encrypt(challenge, rnd_a + rotated_left(rnd_b))


def finish(key: CardKey, rnd_a: bytes, rnd_b: bytes, token: bytes, proof: bytes) -> SessionKeys | None:
    """Check E(RndA rotated), whose IV is the last block of the token; None when the card did not know the key."""
    if not same(key.decrypt(token[-BLOCK_BYTES:], proof), rotated_left(rnd_a)):
        return None
    return SessionKeys(CardMethod.EV1_AES, rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:], b"")


class Ev1Session:
    """One authenticated session; commands and answers must alternate."""

    def __init__(self, keys: SessionKeys) -> None:
        """Begin with the zero IV that follows an authentication."""
        self._key = keys.encryption
        self._iv = ZERO_BLOCK
        self._answer = CommandToSeal(0)
        self._bare_answer = False
        self.alive = True

    @property
    def keys(self) -> SessionKeys:
        """The session key; EV1 has no authentication inside a session."""
        return SessionKeys(CardMethod.EV1_AES, self._key, b"")

    def seal(self, command: CommandToSeal) -> bytes | None:
        """Return the data field of the command. Without data only the IV moves: no MAC is sent."""
        if not self.alive:
            return None
        self._answer, self._bare_answer = command, False
        head = bytes([command.instruction]) + command.header
        if command.mode is CommMode.FULL and command.data:
            return command.header + self._encrypt(command.data + jamcrc(head + command.data))
        mac = self._chained_mac(head + command.data)
        sent = mac if command.mode is CommMode.MAC and command.data else b""
        return command.header + command.data + sent

    def seal_key_change(
        self, number: int, new: bytes, version: int, *, old: bytes | None, key_set: int | None = None
    ) -> bytes | None:
        """Return the data field of ChangeKey; None for a key set, which EV1 has not. `old` None: this session's key."""
        if not self.alive or key_set is not None:
            return None
        head = bytes([CHANGE_KEY, number])
        body = (new if old is None else xored(new, old)) + bytes([version])
        body += jamcrc(head + body) + (b"" if old is None else jamcrc(new))
        self._answer, self._bare_answer = CommandToSeal(CHANGE_KEY), old is None
        return bytes([number]) + self._encrypt(body)

    def open(self, status: int, data: bytes) -> bytes | None:
        """Return the answer in clear; None, and the session is over, for any status but 00 and any wrong byte."""
        opened = self._open(status, data) if self.alive and status == 0 else None
        self.alive = self.alive and opened is not None
        return opened

    def _open(self, status: int, data: bytes) -> bytes | None:
        if self._bare_answer:
            self.alive = False
            return data
        if self._answer.answer_mode is CommMode.FULL:
            return self._open_encrypted(status, data, self._answer.answer_bytes)
        body, mac = data[:-MAC_BYTES], data[-MAC_BYTES:]
        expected = self._chained_mac(body + bytes([status]))
        return body if same(mac, expected) else None

    def _open_encrypted(self, status: int, data: bytes, clear_bytes: int | None) -> bytes | None:
        """Decrypt and check: the clear length must be known, since zero padding does not tell it."""
        if not data or len(data) % BLOCK_BYTES or clear_bytes is None:
            return None
        clear = cbc_decrypt(self._key, self._iv, data)
        self._iv = data[-BLOCK_BYTES:]
        end = clear_bytes + CRC_BYTES
        body, checksum, rest = clear[:clear_bytes], clear[clear_bytes:end], clear[end:]
        fits = 0 <= len(clear) - end < BLOCK_BYTES and not any(rest)
        return body if fits and same(checksum, jamcrc(body + bytes([status]))) else None

    def _encrypt(self, body: bytes) -> bytes:
        sealed = cbc_encrypt(self._key, self._iv, pad_zero(body))
        self._iv = sealed[-BLOCK_BYTES:]
        return sealed

    def _chained_mac(self, data: bytes) -> bytes:
        """Return the first 8 bytes of the CMAC that starts from the session's IV; the whole CMAC is the new IV."""
        subkey = doubled(encrypt_block(self._key, ZERO_BLOCK))
        if not data or len(data) % BLOCK_BYTES:
            data, subkey = pad80(data), doubled(subkey)
        message = data[:-BLOCK_BYTES] + xored(data[-BLOCK_BYTES:], subkey)
        self._iv = cbc_encrypt(self._key, self._iv, message)[-BLOCK_BYTES:]
        return self._iv[:MAC_BYTES]
