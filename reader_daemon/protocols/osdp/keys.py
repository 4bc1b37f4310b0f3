"""Which keys the panel may use with a reader: weak ones refused, the pending one tried first, install mode bounded.

Policy only; it computes no cryptogram and draws no key. Keys never appear in a repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from reader_daemon.protocols.osdp.codes import KEY_DEFAULT, KEY_OWN
from reader_daemon.protocols.osdp.crypto import DEFAULT_KEY, KEY_BYTES
from reader_daemon.protocols.osdp.timing import INSTALL_MODE_LIMIT_MS

_PUBLISHED = frozenset(
    bytes.fromhex(text)
    for text in (
        "0123456789ABCDEFFEDCBA9876543210",
        "2B7E151628AED2A6ABF7158809CF4F3C",
        "000102030405060708090A0B0C0D0E0F",
    )
)
_LONGEST_REPEAT_BYTES = 8


class WeakKeyError(ValueError):
    """A key that public tools try first. The message says which rule it breaks, never the key."""


def require_strong_key(scbk: bytes) -> bytes:
    """Return `scbk` unchanged, or raise WeakKeyError.

    Refused: another length than 16 bytes, SCBK-D, any constant step from byte to byte (one repeated byte and
    counting sequences among them), a pattern repeated to fill the key, published samples.
    """
    if len(scbk) != KEY_BYTES:
        msg = f"a reader key has {KEY_BYTES} bytes, this one {len(scbk)}"
        raise WeakKeyError(msg)
    if scbk == DEFAULT_KEY:
        msg = "the public default key SCBK-D protects nothing"
        raise WeakKeyError(msg)
    if len({(after - before) % 256 for before, after in pairwise(scbk)}) == 1:
        msg = "the key is a repeated byte or a counting sequence"
        raise WeakKeyError(msg)
    for period in (2, 4, _LONGEST_REPEAT_BYTES):
        if scbk == scbk[:period] * (KEY_BYTES // period):
            msg = f"the key repeats a pattern of {period} bytes"
            raise WeakKeyError(msg)
    if scbk in _PUBLISHED:
        msg = "the key is a published sample"
        raise WeakKeyError(msg)
    return scbk


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """One key to try in a handshake. `kind` is the SCB data byte: `codes.KEY_OWN` or `codes.KEY_DEFAULT`."""

    key: bytes = field(repr=False)
    kind: int
    is_pending: bool = False


class KeyRing:
    """The keys of one reader. Exactly one of them is tried in each handshake."""

    def __init__(self, current: bytes | None, pending: bytes | None) -> None:
        """Raise WeakKeyError if one of the keys must not be used. `current` None: only install mode can help."""
        self.current = require_strong_key(current) if current is not None else None
        self.pending = require_strong_key(pending) if pending is not None else None
        self._install_until_ms: int | None = None
        self._turn = 0

    def holds(self, scbk: bytes) -> bool:
        """Whether the reader uses, or is about to use, this key."""
        return scbk in {self.current, self.pending}

    def set_pending(self, new_key: bytes) -> None:
        """Note the key that is about to be sent. Raises WeakKeyError, or ValueError if the reader has it already."""
        if new_key == self.current:
            msg = "the new key is the present one"
            raise ValueError(msg)
        self.pending = require_strong_key(new_key)

    def open_install_mode(self, new_key: bytes, now_ms: int, duration_ms: int) -> None:
        """Let one handshake run on SCBK-D, to give the reader `new_key`. Raises ValueError on a bad key or time."""
        if not 0 < duration_ms <= INSTALL_MODE_LIMIT_MS:
            msg = f"install mode lasts 1..{INSTALL_MODE_LIMIT_MS} ms, not {duration_ms}"
            raise ValueError(msg)
        self.pending = require_strong_key(new_key)
        self._install_until_ms = now_ms + duration_ms

    def close_install_mode(self) -> None:
        """Never use SCBK-D again until a person opens install mode anew."""
        self._install_until_ms = None

    def install_mode_ended(self, now_ms: int) -> bool:
        """Return True once, when the time of an open install mode has run out."""
        if self._install_until_ms is not None and now_ms >= self._install_until_ms:
            self._install_until_ms = None
            return True
        return False

    @property
    def installing(self) -> bool:
        """Whether install mode is open."""
        return self._install_until_ms is not None

    @property
    def has_any(self) -> bool:
        """Whether there is a key to try now."""
        return self.current is not None or self.pending is not None or self.installing

    def choices(self) -> list[KeyChoice]:
        """Return the keys that may be tried: in install mode SCBK-D alone, else the pending key, then the current."""
        if self.installing:
            return [KeyChoice(DEFAULT_KEY, KEY_DEFAULT)]
        keys = [KeyChoice(self.pending, KEY_OWN, is_pending=True)] if self.pending is not None else []
        if self.current is not None:
            keys.append(KeyChoice(self.current, KEY_OWN))
        return keys

    def next_choice(self) -> KeyChoice | None:
        """Return the key whose turn it is, or None without any."""
        choices = self.choices()
        return choices[self._turn % len(choices)] if choices else None

    def failed(self) -> bool:
        """Note that the key in turn did not open a session; return whether all keys have now been tried."""
        self._turn += 1
        if self._turn >= len(self.choices()):
            self._turn = 0
            return True
        return False

    def opened(self, choice: KeyChoice) -> bool | None:
        """Note which key opened a session. True: the pending one is promoted; False: it is dropped; None: no change."""
        self._turn = 0
        if choice.kind == KEY_DEFAULT or self.pending is None:
            return None
        if choice.is_pending:
            self.current = self.pending
        self.pending = None
        return choice.is_pending
