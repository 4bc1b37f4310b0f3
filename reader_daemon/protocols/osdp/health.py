"""What the panel knows about a reader's condition: counters, alarms, and the frozen picture for doctor and pages.

It counts and it raises alarms, each kind at most once in ALARM_REPEAT_MS, so that an attacker fills no log.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from reader_daemon.messages import PortEvent, SecurityAlarm
from reader_daemon.protocols.osdp.replies import Identity
from reader_daemon.protocols.osdp.timing import ALARM_REPEAT_MS, NAK_BURST_COUNT, Moment


class AlarmKind(StrEnum):
    """Alarms of the panel beside those of `handshake.HandshakeFault`."""

    CLEAR_CARD = "cleartext_card"
    """Card data or digits without encryption while a key is configured. Dropped."""
    CLEAR_REPLY = "cleartext_reply"
    """Another reply in clear text inside a session. Dropped."""
    BAD_MAC = "bad_mac"
    IDENTITY_CHANGED = "identity_changed"
    CAPABILITIES_CHANGED = "capabilities_changed"
    """PDCAP in clear text and in the session differ: somebody rewrites the line."""
    NO_ENCRYPTION = "no_encryption_claimed"
    """PDCAP in clear text denies AES. The handshake is tried all the same, nothing else."""
    NAK_BURST = "nak_burst"


@dataclass(frozen=True, slots=True)
class KeyRolled:
    """A new key was tried on the reader. `promoted`: it is the key now and the old one is dead; else the old stays."""

    reader: str
    promoted: bool


@dataclass(frozen=True, slots=True)
class InstallModeClosed:
    """Install mode of the reader ended: a key was sent (`key_sent`), or the time ran out."""

    reader: str
    key_sent: bool


@dataclass(frozen=True, slots=True)
class ReaderIdentified:
    """A session under the reader's own key named it for the first time: from now on another is not used."""

    reader: str
    identity: Identity


KeyEvent = KeyRolled | InstallModeClosed | ReaderIdentified
PanelEvent = PortEvent | KeyEvent
Emit = Callable[[PanelEvent], None]


@dataclass(frozen=True, slots=True)
class ReaderHealth:
    """One reader at one instant. Ages in ms, None where there was nothing yet."""

    reader: str
    online: bool
    secure: bool
    detail: str
    last_reply_age_ms: int | None
    session_age_ms: int | None
    counters: dict[str, int]
    """`retries`, `broken_frames`, `sequence_errors`, `mac_failures`, `clear_replies`, `malformed`, `nak_<reason>` .."""
    identity: Identity | None
    installing: bool


class Condition:
    """Counters and alarm limits of one reader."""

    def __init__(self, reader: str, emit: Emit) -> None:
        """Report alarms through `emit`."""
        self.counters: Counter[str] = Counter()
        self.detail = "silent"
        self._reader = reader
        self._emit = emit
        self._alarmed_ms: dict[str, int] = {}
        self._naks_ms: deque[int] = deque(maxlen=NAK_BURST_COUNT)

    def alarm(self, kind: str, detail: str, now: Moment) -> None:
        """Raise an alarm unless the same kind was raised in the last ALARM_REPEAT_MS; count it in any case."""
        self.counters[f"alarm_{kind}"] += 1
        last = self._alarmed_ms.get(kind)
        if last is None or now.ms - last >= ALARM_REPEAT_MS:
            self._alarmed_ms[kind] = now.ms
            self._emit(SecurityAlarm(self._reader, kind, detail, now.at))

    def nak(self, reason: int, now: Moment, *, suspicious: bool) -> None:
        """Count a NAK; many suspicious ones in a short time are an alarm."""
        self.counters[f"nak_{reason}"] += 1
        if not suspicious:
            return
        self._naks_ms.append(now.ms)
        if len(self._naks_ms) == NAK_BURST_COUNT and now.ms - self._naks_ms[0] < ALARM_REPEAT_MS:
            self.alarm(AlarmKind.NAK_BURST, f"{NAK_BURST_COUNT} NAKs, last reason {reason}", now)
