"""Logs: one event a line, with keys; the standard library's and uvicorn's go the same way. Nothing secret passes.

Card numbers are masked to their last four characters, passwords and keys are blanked, control characters are escaped,
so that no text of a user can forge a second line (T19). Never reads settings.
"""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import Mapping
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MAX_VALUE_CHARACTERS = 2_000
MAX_TRACE_CHARACTERS = 16_000
MAX_DEPTH = 4
BLANK = "***"
SECRET_KEYS = frozenset(
    {
        "password",
        "passphrase",
        "enrolment_code",
        "token",
        "record_key",
        "secret",
        "private_key",
        "cookie",
        "authorization",
    }
)

_CARD = re.compile(r"\b(pkoc|uid|wiegand|qr|plate):([0-9a-zA-Z\u4e00-\u9fff-]{4,})")
_URL_PASSWORD = re.compile(r"(://[^:/@\s]*):[^@/\s]+@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure_logs(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Route everything to `stream` (standard error) as `json` or `console` lines, from `level` up."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        clean,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=False)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, timestamp_key="at")
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic", "websockets", "sqlalchemy"):
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.propagate = True
        theirs.setLevel(logging.NOTSET if name.startswith("uvicorn") else logging.WARNING)


def clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask, blank, escape and shorten every value of an event."""
    return {
        key: value if key.startswith("_") else _clean_value(key, value, 0)  # an underscore marks structlog's own
        for key, value in event.items()
    }


def clean_text(text: str, limit: int = MAX_VALUE_CHARACTERS) -> str:
    """Return a text fit for a log line."""
    masked = _CARD.sub(lambda found: f"{found[1]}:…{found[2][-4:]}", text)
    masked = _URL_PASSWORD.sub(rf"\1:{BLANK}@", masked)
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), masked)[:limit]


def _clean_value(key: str, value: object, depth: int) -> object:
    if key.lower() in SECRET_KEYS:
        return BLANK
    match value:
        case bool() | int() | float() | None:
            return value
        case str():
            return clean_text(value, MAX_TRACE_CHARACTERS if key == "exception" else MAX_VALUE_CHARACTERS)
        case bytes():
            return f"<{len(value)} bytes>"
        case Mapping() if depth < MAX_DEPTH:
            return {str(inner): _clean_value(str(inner), part, depth + 1) for inner, part in value.items()}
        case list() | tuple() | set() | frozenset() if depth < MAX_DEPTH:
            return [_clean_value(key, part, depth + 1) for part in value]
        case _:
            return clean_text(str(value))
