"""The card's end of mutual authentication: EV1 AES, EV2 and LRP, first and following; chance comes from a seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from firmware_mocks.virtual_card.desfire.arithmetic import ZERO, Leakproof, decipher, encipher
from firmware_mocks.virtual_card.desfire.memory import CardError
from firmware_mocks.virtual_card.desfire.sessions import (
    CardSession,
    CountedSession,
    Ev1CardSession,
    Ev2CardSession,
    LrpCardSession,
    mixed_randoms,
)

WRONG_KEY = 0xAE
PROOF_BYTES = 32
CAPABILITIES = bytes(12)


class Chance:
    """Reproducible numbers: the n-th draw of a seed is always the same."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._draws = 0

    def draw(self, count: int) -> bytes:
        """Return `count` bytes."""
        self._draws += 1
        return hashlib.shake_256(self._seed + self._draws.to_bytes(8, "big")).digest(count)


@dataclass
class Proving:
    """An authentication between its two frames. `before` is the session it goes on in, if it is a following one."""

    method: str
    number: int
    key: bytes
    mine: bytes
    challenge: bytes
    before: CountedSession | None

    @classmethod
    def begin(
        cls, method: str, number: int, key: bytes, chance: Chance, before: CountedSession | None = None
    ) -> Proving:
        """Draw RndB; `challenge` is what the card sends."""
        mine = chance.draw(16)
        challenge = b"\x01" + mine if method == "lrp" else encipher(key, ZERO, mine)
        return cls(method, number, key, mine, challenge, before)

    def finish(self, token: bytes, chance: Chance) -> tuple[bytes, CardSession]:
        """Check the reader's proof; returns ours and the session, or raises AE."""
        if len(token) != PROOF_BYTES:
            raise CardError(0x7E)
        if self.method == "lrp":
            return self._finish_lrp(token, chance)
        clear = decipher(self.key, self.challenge if self.method == "ev1" else ZERO, token)
        theirs, rotated = clear[:16], clear[16:]
        if rotated != self.mine[1:] + self.mine[:1]:
            raise CardError(WRONG_KEY)
        answer = theirs[1:] + theirs[:1]
        if self.method == "ev1":
            session_key = theirs[:4] + self.mine[:4] + theirs[12:] + self.mine[12:]
            return encipher(self.key, token[-16:], answer), Ev1CardSession(self.number, session_key)
        if self.before is not None:
            transaction, counter, proof = self.before.transaction, self.before.counter, answer
        else:
            transaction, counter = chance.draw(4), 0
            proof = transaction + answer + CAPABILITIES
        session = Ev2CardSession(self.number, self.key, (self.mine, theirs), transaction, counter)
        return encipher(self.key, ZERO, proof), session

    def _finish_lrp(self, token: bytes, chance: Chance) -> tuple[bytes, CardSession]:
        theirs, mac = token[:16], token[16:]
        vector = bytes([0, 1, 0, 0x80]) + mixed_randoms(self.mine, theirs) + bytes([0x96, 0x69])
        machine = Leakproof(Leakproof(self.key).mac(vector))
        if mac != machine.mac(theirs + self.mine):
            raise CardError(WRONG_KEY)
        if self.before is not None:
            session = LrpCardSession(self.number, machine, self.before.transaction, self.before.counter, 0)
            return machine.mac(self.mine + theirs), session
        transaction = chance.draw(4)
        sealed = machine.crypt(0, transaction + CAPABILITIES, encrypting=True)
        proof = sealed + machine.mac(self.mine + theirs + sealed)
        return proof, LrpCardSession(self.number, machine, transaction, 0, 1)
