"""Every time limit of the panel, in milliseconds, and how long bytes take on a line. No clock is read here.

Values marked "standard" are from SIA OSDP 2.2; the others are this panel's own.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Moment(NamedTuple):
    """One instant on both clocks of the host: monotonic milliseconds for rules, aware UTC for records."""

    ms: int
    at: datetime


REPLY_TIMEOUT_MS = 200
"""No reply within this time: send the same bytes again (standard)."""
GAP_IN_FRAME_MS = 20
"""Silence inside a frame after which its beginning is given up (standard)."""
POLL_INTERVAL_MS = 40
"""A healthy reader is polled this often, below the 50 ms bar so that a slow neighbour does not break it."""
BUSY_LIMIT_MS = 2_000
"""BUSY is not authenticated: after this long it counts as no reply."""
BUSY_PAUSE_MS = 20
"""Pause before a command is repeated to a busy reader."""
OFFLINE_MS = 8_000
"""Without an authenticated reply for this long a reader is offline (standard)."""
RESEND_LIMIT_MS = 2_000
"""An unanswered poll is repeated this long; then the conversation restarts, in case the reader lost its session."""
QUICK_TRIES = 3
"""Unanswered sends after which a reader no longer gets the bus at once but shares the probe."""
PROBE_INTERVAL_MS = 1_000
"""A bus with a healthy reader spends one failed probe a second on the silent ones: each costs REPLY_TIMEOUT_MS."""
PROBE_INTERVAL_MIN_MS = 250
"""On a bus where nobody answers, the probes of all readers together are never closer than this."""
RECOVERY_WINDOW_MS = 2_000
"""After a wholly silent bus came back, the other readers are probed at the quick rate for this long."""
HANDSHAKE_PAUSE_MS = 1_000
"""Between failed handshakes with one reader. It does not grow: a reader with its key back is used at once."""
SESSION_RENEWAL_MS = 24 * 3_600_000
"""A session is replaced by a new one after this long."""
STALE_GAP_MS = 2_000
"""After a gap longer than this the reader's first events may be old ones from its memory."""
STALE_WINDOW_MS = 500
"""At least this long after such a gap card reads are marked possibly stale."""
PULSE_LIMIT_MS = 1_000
"""A relay pulse is never sent later than this after it was submitted, whatever its deadline says."""
ANSWER_LIMIT_MS = 3_000
"""A command, or a new key, is repeated at most this long, whatever its deadline says."""
INSTALL_MODE_LIMIT_MS = 600_000
"""Install mode closes by itself after at most this long."""
ALARM_REPEAT_MS = 60_000
"""The same alarm of the same reader is raised once in this time."""
NAK_BURST_COUNT = 5
"""So many NAKs about sequence or security within ALARM_REPEAT_MS are an alarm."""

MAX_READERS_ON_BUS = 127
MAX_QUEUED_COMMANDS = 16
"""Commands waiting for one reader."""
MAX_REPOLLS = 4
"""Immediate polls after a reply that carried an event, before the next reader has its turn."""
MAX_COMMANDS_IN_A_ROW = 4
"""Commands sent while a poll of another reader is overdue."""
MAX_RESENDS_AT_ONCE = 4
"""NAK 1 is answered by the same bytes without waiting this often; then the reply time-out paces it."""
MAX_INPUTS = 32
"""Inputs of one reader that are watched; more are ignored."""

_BITS_A_BYTE = 10
_IDLE_CHARACTERS = 2


def air_ms(byte_count: int, baud: int) -> int:
    """Return how long so many bytes take on the line (8N1: ten bits a byte), rounded up to whole ms."""
    return -(-byte_count * _BITS_A_BYTE * 1000 // baud)


def idle_ms(baud: int) -> int:
    """Return the idle time the panel leaves before it sends: two characters (standard), rounded up to whole ms."""
    return air_ms(_IDLE_CHARACTERS, baud)
