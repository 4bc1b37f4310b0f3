"""One command on its way to a reader, until its reply came or it is given up: the bytes never change meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from reader_daemon.protocols.osdp.waiting import WaitingCommand


@dataclass(slots=True)
class Exchange:
    """The unanswered command of one reader. Sent again as the same bytes under the same sequence number."""

    message: bytes
    sequence: int
    first_sent_ms: int
    deadline_ms: int
    """Not sent again at or after this; the conversation restarts instead."""
    code: int
    waiting: WaitingCommand | None = None
    """The use case's command; None for the panel's own (poll, handshake, status)."""
    retry_ms: int = 0
    """When it may be sent again."""
    busy_since_ms: int | None = None
    resent_at_once: int = 0
    met_clear_reply: bool = False
    """A clear-text reply came inside the session: restart instead of repeating."""
