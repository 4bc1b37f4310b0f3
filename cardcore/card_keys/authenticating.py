"""One authentication with a card as its three numbers: challenge, token, proof. The table of all methods.

`begin` answers a challenge, `finish` checks the proof. Nothing is remembered here; `answering` keeps the sessions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from cardcore.card_keys.asks import CardMethod, SessionKeys
from cardcore.card_keys.custody import CardKey, KeyCipher
from cardcore.card_keys.software import Sm4CardKey
from cardcore.desfire import ev1, ev2, lrp
from cardcore.desfire.blocks import BLOCK_BYTES, ZERO_BLOCK, same

SM4_READER_LABEL = b"\x01" * BLOCK_BYTES
SM4_CARD_LABEL = b"\x02" * BLOCK_BYTES
"""An SM4 card proves under another key than the reader, so that a cryptogram can never be sent back as a proof."""

CIPHERS = {CardMethod.SM4: KeyCipher.SM4}
"""Every other method is AES."""
CHALLENGE_BYTES = 16
PROOF_BYTES = {
    CardMethod.EV2_FIRST: 32,
    CardMethod.EV2_NEXT: 16,
    CardMethod.EV1_AES: 16,
    CardMethod.LRP_FIRST: 32,
    CardMethod.LRP_NEXT: 16,
    CardMethod.SM4: 16,
}
INSIDE = frozenset({CardMethod.EV2_NEXT, CardMethod.LRP_NEXT})
"""Methods that go on inside another session."""


@dataclass(frozen=True, slots=True)
class OpenAuthentication:
    """What must be kept between challenge and proof. Holds secrets: shown nowhere."""

    method: CardMethod
    key: CardKey = field(repr=False)
    rnd_a: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    """RndB; for LRP RndB and the session master."""
    token: bytes = field(repr=False)


def begin(method: CardMethod, key: CardKey, challenge: bytes, rnd_a: bytes) -> OpenAuthentication:
    """Answer a challenge of 16 bytes; `rnd_a` is 16 fresh random bytes."""
    match method:
        case CardMethod.EV2_FIRST | CardMethod.EV2_NEXT:
            secret, token = ev2.begin(key, challenge, rnd_a)
        case CardMethod.EV1_AES:
            secret, token = ev1.begin(key, challenge, rnd_a)
        case CardMethod.LRP_FIRST | CardMethod.LRP_NEXT:
            master, token = lrp.begin(key, challenge, rnd_a)
            secret = challenge + master
        case CardMethod.SM4:
            secret, token = challenge, _sm4(key, SM4_READER_LABEL, challenge) + rnd_a
        case _:
            assert_never(method)
    return OpenAuthentication(method, key, rnd_a, secret, token)


def finish(opened: OpenAuthentication, proof: bytes, before: SessionKeys | None) -> SessionKeys | None:
    """Check a proof of the method's length; None when the card did not know the key.

    `before` is the session a NonFirst method goes on in; without one such a method fails.
    """
    key, rnd_a, secret = opened.key, opened.rnd_a, opened.secret
    match opened.method:
        case CardMethod.EV2_FIRST:
            return ev2.finish_first(key, rnd_a, secret, proof)
        case CardMethod.EV1_AES:
            return ev1.finish(key, rnd_a, secret, opened.token, proof)
        case CardMethod.LRP_FIRST:
            return lrp.finish_first(secret[BLOCK_BYTES:], rnd_a, secret[:BLOCK_BYTES], proof)
        case CardMethod.SM4:
            proven = same(proof, _sm4(key, SM4_CARD_LABEL, rnd_a))
            return SessionKeys(CardMethod.SM4, b"", b"") if proven else None
        case _ if before is None:
            return None
        case CardMethod.EV2_NEXT:
            return ev2.finish_next(key, rnd_a, secret, proof, before)
        case CardMethod.LRP_NEXT:
            return lrp.finish_next(secret[BLOCK_BYTES:], rnd_a, secret[:BLOCK_BYTES], proof, before)


def _sm4(key: CardKey, label: bytes, challenge: bytes) -> bytes:
    return Sm4CardKey(key.encrypt(ZERO_BLOCK, label)).encrypt(ZERO_BLOCK, challenge)
