"""Settings of the pages and every limit they keep. Read once, at start; reads no environment itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

MAX_BODY_BYTES = 16_384
"""A form of ours is far below; whatever is longer is no form of ours."""
MAX_FORM_FIELDS = 128
MAX_UPLOAD_BYTES = 20 * 1_048_576
"""Of a file that a page takes: a list of a site's people with their photos in bulk."""
MAX_SEARCH_CHARACTERS = 64
MAX_LOGIN_CHARACTERS = 128
MAX_PASSWORD_CHARACTERS = 256
"""ASVS 6.2.9 asks for at least 64; above this only hashing time is spent."""
MAX_TOKEN_CHARACTERS = 128


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Limits of the live stream. Tests shorten the times."""

    max_clients: int = 256
    gather_ms: int = 250
    """Events that come within this time after others are sent together: an answer a moment later costs a guard nothing,
    and 200 monitors are written to four times a second instead of forty."""
    queue_parcels: int = 64
    """A client that lags further is cut off; it reconnects and resumes by event id."""
    replay_events: int = 500
    session_check_ms: int = 5_000
    """ASVS 7.4.1: a stream is gone at most 5 s after sign-out."""
    heartbeat_ms: int = 15_000
    retry_first_ms: int = 500
    retry_max_ms: int = 30_000
    """Wait between tries when the feed is lost."""


@dataclass(frozen=True, slots=True)
class PageSettings:
    """What differs from site to site."""

    site_name: str
    zone: ZoneInfo
    day_starts_at: time = time(0, 0)
    """Local time at which a business day begins."""
    live: LiveLimits = LiveLimits()
