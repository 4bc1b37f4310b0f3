"""EV2 and EV3 secure messaging: mutual authentication with AES, session keys, MAC and encryption of commands.

Source: AN12343 and AN12196 (the rules), the vectors in tests. A session that sees one wrong byte is over.
"""

from __future__ import annotations

from cardcore.card_keys.asks import CardMethod, CommandToSeal, CommMode, SessionKeys
from cardcore.card_keys.custody import CardKey
from cardcore.desfire.blocks import (
    BLOCK_BYTES,
    MAC_BYTES,
    ZERO_BLOCK,
    cbc_decrypt,
    cbc_encrypt,
    cmac,
    encrypt_block,
    every_second,
    jamcrc,
    pad80,
    rotated_left,
    same,
    unpad80,
    xored,
)

TRANSACTION_BYTES = 4
FIRST_PROOF_BYTES = 32
LAST_COUNTER = 0xFFFF
"""A session whose counter stands here takes no more commands."""
CHANGE_KEY = 0xC4
CHANGE_KEY_EV2 = 0xC6
_ENCRYPTION_LABEL = bytes.fromhex("A55A00010080")
_MAC_LABEL = bytes.fromhex("5AA500010080")


def begin(key: CardKey, challenge: bytes, rnd_a: bytes) -> tuple[bytes, bytes]:
    """Return (RndB, token) for the card's encrypted challenge: the token is E(RndA | RndB rotated), zero IV."""
    rnd_b = key.decrypt(ZERO_BLOCK, challenge)
    return rnd_b, key.encrypt(ZERO_BLOCK, rnd_a + rotated_left(rnd_b))


def session_vector(rnd_a: bytes, rnd_b: bytes) -> bytes:
    """Return the 26 bytes both session keys are derived from, after their labels."""
    return rnd_a[:2] + xored(rnd_a[2:8], rnd_b[:6]) + rnd_b[6:] + rnd_a[8:]


def session_keys(key: CardKey, rnd_a: bytes, rnd_b: bytes) -> tuple[bytes, bytes]:
    """Return S-ENC and S-MAC."""
    vector = session_vector(rnd_a, rnd_b)
    return key.cmac(_ENCRYPTION_LABEL + vector), key.cmac(_MAC_LABEL + vector)


def finish_first(key: CardKey, rnd_a: bytes, rnd_b: bytes, proof: bytes) -> SessionKeys | None:
    """Check E(TI 4 | RndA rotated 16 | PDcap 6 | PCDcap 6); None when the card did not know the key."""
    opened = key.decrypt(ZERO_BLOCK, proof)
    transaction, rotated = opened[:TRANSACTION_BYTES], opened[TRANSACTION_BYTES : TRANSACTION_BYTES + BLOCK_BYTES]
    if not same(rotated, rotated_left(rnd_a)):
        return None
    return SessionKeys(CardMethod.EV2_FIRST, *session_keys(key, rnd_a, rnd_b), transaction, 0)


def finish_next(key: CardKey, rnd_a: bytes, rnd_b: bytes, proof: bytes, before: SessionKeys) -> SessionKeys | None:
    """Check E(RndA rotated): NonFirst goes on with the transaction and the counter of the session before."""
    if not same(key.decrypt(ZERO_BLOCK, proof), rotated_left(rnd_a)):
        return None
    keys = session_keys(key, rnd_a, rnd_b)
    return SessionKeys(CardMethod.EV2_NEXT, *keys, before.transaction, before.counter)


class Ev2Session:
    """One authenticated session: `seal` a command, send it, `open` its answer, in turn."""

    def __init__(self, keys: SessionKeys) -> None:
        """Begin where the authentication ended."""
        self._encryption = keys.encryption
        self._authentication = keys.authentication
        self._transaction = keys.transaction
        self._counter = keys.counter
        self._method = keys.method
        self._instruction = 0
        self._answer_mode = CommMode.PLAIN
        self._last = False
        self.alive = True

    @property
    def keys(self) -> SessionKeys:
        """The session as it stands, for a NonFirst authentication."""
        return SessionKeys(self._method, self._encryption, self._authentication, self._transaction, self._counter)

    def seal(self, command: CommandToSeal) -> bytes | None:
        """Return the data field of the command; None when the session takes no more."""
        if not self.alive or self._counter >= LAST_COUNTER:
            self.alive = False
            return None
        self._last = False
        self._answer_mode = command.answer_mode
        if command.mode is CommMode.PLAIN:
            return command.header + command.data
        data = command.data
        if command.mode is CommMode.FULL and data:
            data = self._encrypt(pad80(data))
        return command.header + data + self._command_mac(command.instruction, command.header + data)

    def seal_key_change(
        self, number: int, new: bytes, version: int, *, old: bytes | None, key_set: int | None = None
    ) -> bytes | None:
        """Return the data field of ChangeKey (or, with `key_set`, ChangeKeyEV2). `old` None: this session's own key.

        After a change of the session's own key the card answers without MAC and the session is over.
        """
        body = new + bytes([version]) if old is None else xored(new, old) + bytes([version]) + jamcrc(new)
        header = bytes([number]) if key_set is None else bytes([key_set, number])
        instruction = CHANGE_KEY if key_set is None else CHANGE_KEY_EV2
        answer_mode = CommMode.PLAIN if old is None else CommMode.MAC
        sealed = self.seal(CommandToSeal(instruction, header, body, CommMode.FULL, answer_mode))
        self._last = old is None
        return sealed

    def open(self, status: int, data: bytes) -> bytes | None:
        """Return the answer in clear; None, and the session is over, for any status but 00 and any wrong byte."""
        opened = self._open(status, data) if self.alive else None
        self.alive = self.alive and opened is not None and not self._last
        return opened

    def _open(self, status: int, data: bytes) -> bytes | None:
        if status != 0:
            return None
        self._counter += 1
        if self._answer_mode is CommMode.PLAIN:
            return data
        if len(data) < MAC_BYTES:
            return None
        body, mac = data[:-MAC_BYTES], data[-MAC_BYTES:]
        if not same(mac, self._answer_mac(status, body)):
            return None
        if self._answer_mode is CommMode.MAC or not body:
            return body
        return None if len(body) % BLOCK_BYTES else unpad80(self._decrypt(body))

    def _counted(self) -> bytes:
        return self._counter.to_bytes(2, "little")

    def _command_mac(self, instruction: int, data: bytes) -> bytes:
        return self._mac(bytes([instruction]) + self._counted() + self._transaction + data)

    def _answer_mac(self, status: int, data: bytes) -> bytes:
        return self._mac(bytes([status]) + self._counted() + self._transaction + data)

    def _mac(self, data: bytes) -> bytes:
        return every_second(cmac(self._authentication, data))

    def _iv(self, label: str) -> bytes:
        return encrypt_block(
            self._encryption, bytes.fromhex(label) + self._transaction + self._counted() + bytes(MAC_BYTES)
        )

    def _encrypt(self, data: bytes) -> bytes:
        return cbc_encrypt(self._encryption, self._iv("A55A"), data)

    def _decrypt(self, data: bytes) -> bytes:
        return cbc_decrypt(self._encryption, self._iv("5AA5"), data)
