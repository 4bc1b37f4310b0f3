"""LRP, the leakage resilient primitive of EV2/EV3: its tables, encryption, CMAC, and the session built on them.

Source: AN12304 (primitive), AN12321 and AN12343 (session).
"""

from __future__ import annotations

from cardcore.card_keys.asks import CardMethod, CommandToSeal, CommMode, SessionKeys
from cardcore.card_keys.custody import CardKey
from cardcore.desfire.blocks import (
    BLOCK_BYTES,
    MAC_BYTES,
    ZERO_BLOCK,
    cbc_decrypt,
    doubled,
    encrypt_block,
    every_second,
    jamcrc,
    pad80,
    same,
    unpad80,
    xored,
)
from cardcore.desfire.ev2 import CHANGE_KEY, CHANGE_KEY_EV2, LAST_COUNTER, TRANSACTION_BYTES, session_vector

PLAINTEXTS = 16
UPDATED_KEYS = 2
"""0 for MACs, 1 for encryption."""
COUNTER_BYTES = 4
_FIVES = b"\x55" * BLOCK_BYTES
_TENS = b"\xaa" * BLOCK_BYTES


class LrpTables:
    """The secret plaintexts and updated keys of one key (AN12304, 2.2)."""

    def __init__(self, fives: bytes, tens: bytes) -> None:
        """Take E(K, 55..) and E(K, AA..): all that is ever asked of the key itself."""
        self.plaintexts: list[bytes] = []
        for _ in range(PLAINTEXTS):
            self.plaintexts.append(encrypt_block(fives, _TENS))
            fives = encrypt_block(fives, _FIVES)
        self._next_key = tens
        self._updated: list[bytes] = []

    @classmethod
    def of(cls, key: bytes) -> LrpTables:
        """Return the tables of a key held as bytes."""
        return cls(encrypt_block(key, _FIVES), encrypt_block(key, _TENS))

    @classmethod
    def of_card_key(cls, key: CardKey) -> LrpTables:
        """Return the tables of a card's key."""
        return cls(key.encrypt(ZERO_BLOCK, _FIVES), key.encrypt(ZERO_BLOCK, _TENS))

    def updated_key(self, number: int) -> bytes:
        """Return an updated key, by its number from 0."""
        while len(self._updated) <= number:
            self._updated.append(encrypt_block(self._next_key, _TENS))
            self._next_key = encrypt_block(self._next_key, _FIVES)
        return self._updated[number]

    def evaluate(self, number: int, data: bytes, *, final: bool = True) -> bytes:
        """Evaluate over the nibbles of `data`, high nibble first (AN12304, 2.3)."""
        return self.evaluate_nibbles(number, [part for byte in data for part in (byte >> 4, byte & 0xF)], final=final)

    def evaluate_nibbles(self, number: int, nibbles: list[int], *, final: bool = True) -> bytes:
        """Evaluate over nibbles 0..15."""
        state = self.updated_key(number)
        for nibble in nibbles:
            state = encrypt_block(state, self.plaintexts[nibble])
        return encrypt_block(state, ZERO_BLOCK) if final else state

    def cmac(self, data: bytes) -> bytes:
        """Return the 16-byte LRP-CMAC (AN12304, 2.5)."""
        subkey = doubled(self.evaluate(0, ZERO_BLOCK))
        if not data or len(data) % BLOCK_BYTES:
            data, subkey = pad80(data), doubled(subkey)
        state = ZERO_BLOCK
        for at in range(0, len(data) - BLOCK_BYTES, BLOCK_BYTES):
            state = self.evaluate(0, xored(state, data[at : at + BLOCK_BYTES]))
        return self.evaluate(0, xored(xored(state, data[-BLOCK_BYTES:]), subkey))

    def encrypt(self, number: int, counter: int, data: bytes, counter_bytes: int = COUNTER_BYTES) -> bytes:
        """Encrypt whole blocks in indexed codebook mode, the counter one higher a block (AN12304, 2.4)."""
        return b"".join(
            encrypt_block(self._block_key(number, counter, at, counter_bytes), data[at : at + BLOCK_BYTES])
            for at in range(0, len(data), BLOCK_BYTES)
        )

    def decrypt(self, number: int, counter: int, data: bytes, counter_bytes: int = COUNTER_BYTES) -> bytes:
        """Undo `encrypt`."""
        return b"".join(
            cbc_decrypt(self._block_key(number, counter, at, counter_bytes), ZERO_BLOCK, data[at : at + BLOCK_BYTES])
            for at in range(0, len(data), BLOCK_BYTES)
        )

    def _block_key(self, number: int, counter: int, at: int, counter_bytes: int) -> bytes:
        index = (counter + at // BLOCK_BYTES) % (1 << 8 * counter_bytes)
        return self.evaluate(number, index.to_bytes(counter_bytes, "big"))


def session_master(tables: LrpTables, rnd_a: bytes, rnd_b: bytes) -> bytes:
    """Return the session master: LRP-CMAC over 00 01 00 80 | the vector of EV2 | 96 69."""
    return tables.cmac(bytes.fromhex("00010080") + session_vector(rnd_a, rnd_b) + bytes.fromhex("9669"))


def begin(key: CardKey, rnd_b: bytes, rnd_a: bytes) -> tuple[bytes, bytes]:
    """Return (session master, token); the token is RndA | MAC(RndA | RndB), 32 bytes."""
    master = session_master(LrpTables.of_card_key(key), rnd_a, rnd_b)
    return master, rnd_a + LrpTables.of(master).cmac(rnd_a + rnd_b)


def finish_first(master: bytes, rnd_a: bytes, rnd_b: bytes, proof: bytes) -> SessionKeys | None:
    """Check PICCData 16 | MAC(RndB | RndA | PICCData) 16; PICCData is TI 4 | PDcap 6 | PCDcap 6, encrypted at 0."""
    tables = LrpTables.of(master)
    sealed, mac = proof[:BLOCK_BYTES], proof[BLOCK_BYTES:]
    if not same(mac, tables.cmac(rnd_b + rnd_a + sealed)):
        return None
    transaction = tables.decrypt(1, 0, sealed)[:TRANSACTION_BYTES]
    return SessionKeys(CardMethod.LRP_FIRST, master, (1).to_bytes(COUNTER_BYTES, "big"), transaction, 0)


def finish_next(master: bytes, rnd_a: bytes, rnd_b: bytes, proof: bytes, before: SessionKeys) -> SessionKeys | None:
    """Check MAC(RndB | RndA); transaction and counter go on, the encryption counter starts at 0 under the new key."""
    if not same(proof, LrpTables.of(master).cmac(rnd_b + rnd_a)):
        return None
    return SessionKeys(CardMethod.LRP_NEXT, master, bytes(COUNTER_BYTES), before.transaction, before.counter)


class LrpSession:
    """As `Ev2Session`, with LRP below. `SessionKeys.authentication` carries the encryption counter, big-endian."""

    def __init__(self, keys: SessionKeys) -> None:
        """Begin where the authentication ended."""
        self._master = keys.encryption
        self._tables = LrpTables.of(keys.encryption)
        self._encryptions = int.from_bytes(keys.authentication, "big")
        self._transaction = keys.transaction
        self._counter = keys.counter
        self._method = keys.method
        self._answer_mode = CommMode.PLAIN
        self._last = False
        self.alive = True

    @property
    def keys(self) -> SessionKeys:
        """The session as it stands."""
        encryptions = self._encryptions.to_bytes(COUNTER_BYTES, "big")
        return SessionKeys(self._method, self._master, encryptions, self._transaction, self._counter)

    def seal(self, command: CommandToSeal) -> bytes | None:
        """See `Ev2Session.seal`."""
        if not self.alive or self._counter >= LAST_COUNTER:
            self.alive = False
            return None
        self._last = False
        self._answer_mode = command.answer_mode
        if command.mode is CommMode.PLAIN:
            return command.header + command.data
        data = command.data
        if command.mode is CommMode.FULL and data:
            padded = pad80(data)
            data = self._tables.encrypt(1, self._encryptions, padded)
            self._encryptions += len(padded) // BLOCK_BYTES
        body = command.header + data
        return body + self._mac(bytes([command.instruction]) + self._counted() + self._transaction + body)

    def seal_key_change(
        self, number: int, new: bytes, version: int, *, old: bytes | None, key_set: int | None = None
    ) -> bytes | None:
        """See `Ev2Session.seal_key_change`."""
        body = new + bytes([version]) if old is None else xored(new, old) + bytes([version]) + jamcrc(new)
        header = bytes([number]) if key_set is None else bytes([key_set, number])
        instruction = CHANGE_KEY if key_set is None else CHANGE_KEY_EV2
        answer_mode = CommMode.PLAIN if old is None else CommMode.MAC
        sealed = self.seal(CommandToSeal(instruction, header, body, CommMode.FULL, answer_mode))
        self._last = old is None
        return sealed

    def open(self, status: int, data: bytes) -> bytes | None:
        """See `Ev2Session.open`."""
        opened = self._open(data) if self.alive and status == 0 else None
        self.alive = self.alive and opened is not None and not self._last
        return opened

    def _open(self, data: bytes) -> bytes | None:
        self._counter += 1
        if self._answer_mode is CommMode.PLAIN:
            return data
        body, mac = data[:-MAC_BYTES], data[-MAC_BYTES:]
        if not same(mac, self._mac(b"\0" + self._counted() + self._transaction + body)):
            return None
        if self._answer_mode is CommMode.MAC or not body:
            return body
        if len(body) % BLOCK_BYTES:
            return None
        clear = unpad80(self._tables.decrypt(1, self._encryptions, body))
        self._encryptions += len(body) // BLOCK_BYTES
        return clear

    def _counted(self) -> bytes:
        return self._counter.to_bytes(2, "little")

    def _mac(self, data: bytes) -> bytes:
        return every_second(self._tables.cmac(data))
