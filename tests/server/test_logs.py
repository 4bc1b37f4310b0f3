"""Logs: one line an event whatever a user typed, nothing secret in it, the standard library's lines too."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from server.logs import configure_logs


@pytest.fixture(autouse=True)
def logs_put_back() -> Iterator[None]:
    """Undo what the tests do to the logging of this process."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_one_event_is_one_line_and_holds_no_secret(log_format: str) -> None:
    out = io.StringIO()
    configure_logs("info", log_format, out)
    try:
        raise LookupError("a\nb")  # noqa: EM101, TRY003, TRY301 - only to be logged
    except LookupError:
        structlog.get_logger().exception(
            "tap_decided",
            name='x\n{"event": "forged"}\r\x1b[2J\u2028',
            card="uid:04a1b2c3d4e5f6",
            nested={"cards": ["wiegand:26-0123458a"]},
            password="hunter22",
            url="postgresql://onecard:hunter22@db/onecard",
        )
    logging.getLogger("uvicorn.error").warning("theirs %s", "a\nb")
    text = out.getvalue()
    # The console puts the trace, escaped, on a line of its own.
    assert len(text.splitlines()) == (2 if log_format == "json" else 3)
    assert [word for word in ("04a1b2c3d4e5f6", "0123458a", "hunter22", "\x1b", "\u2028") if word in text] == []
    assert "uid:…e5f6" in text


def test_json_lines_are_json_with_level_time_and_context() -> None:
    out = io.StringIO()
    configure_logs("info", "json", out)
    with structlog.contextvars.bound_contextvars(request="r1"):
        structlog.get_logger("server.x").info("port_reopened", port="COM1")
        structlog.get_logger("server.x").debug("too_fine")
    (line,) = map(json.loads, out.getvalue().splitlines())
    assert line.pop("at").endswith("Z")
    assert line == {"event": "port_reopened", "port": "COM1", "request": "r1", "level": "info"}
