"""The three kinds of DESFire session behind one shape, made from the keys an authentication ended in."""

from __future__ import annotations

from typing import Protocol

from cardcore.card_keys.asks import CardMethod, CommandToSeal, SessionKeys
from cardcore.desfire.ev1 import Ev1Session
from cardcore.desfire.ev2 import Ev2Session
from cardcore.desfire.lrp import LrpSession


class SecureSession(Protocol):
    """Seal a command, send it, open its answer, in turn; `alive` turns False at the first thing that is wrong."""

    alive: bool

    @property
    def keys(self) -> SessionKeys:
        """The session as it stands."""
        ...

    def seal(self, command: CommandToSeal) -> bytes | None:
        """Return the data field of the command; None when the session takes no more."""
        ...

    def seal_key_change(
        self, number: int, new: bytes, version: int, *, old: bytes | None, key_set: int | None = None
    ) -> bytes | None:
        """Return the data field of a key change; `old` None changes the session's own key."""
        ...

    def open(self, status: int, data: bytes) -> bytes | None:
        """Return the answer in clear, or None."""
        ...


def secure_session(keys: SessionKeys) -> SecureSession:
    """Make the session of these keys; raises ValueError for SM4, which has none."""
    match keys.method:
        case CardMethod.EV2_FIRST | CardMethod.EV2_NEXT:
            return Ev2Session(keys)
        case CardMethod.EV1_AES:
            return Ev1Session(keys)
        case CardMethod.LRP_FIRST | CardMethod.LRP_NEXT:
            return LrpSession(keys)
        case CardMethod.SM4:
            msg = "SM4 cards have no session to go on in"
            raise ValueError(msg)
