"""Keeps the product's log quiet during runs, and remembers what it called an error that no fault explains."""

from __future__ import annotations

import logging

import structlog
from structlog.typing import EventDict, WrappedLogger

EXPLAINED = frozenset(
    {
        "store_failed",
        "records_quarantined",
        "deny_list_not_stored",
        "state_not_stored",
        "ages_not_stored",
        "link_refused",
        "batch_failed",
        "forged_challenge",
    }
)
"""Errors that a simulated fault leads to."""

_unexpected: list[str] = []


def _note(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if event.get("event") not in EXPLAINED:
        _unexpected.append(f"{event.get('event')}: {event.get('exc_info') or event}"[:400])
    raise structlog.DropEvent


def silence() -> None:
    """Let nothing below an error through, and keep the errors."""
    structlog.configure(
        processors=[_note],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=False,
    )


def unexpected_errors() -> list[str]:
    """Return the unexplained errors since the last call."""
    found = list(_unexpected)
    _unexpected.clear()
    return found
