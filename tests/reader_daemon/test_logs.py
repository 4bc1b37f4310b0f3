"""A traceback in the daemon's log names the fault and shows no value of a variable: keys are among them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from reader_daemon.logs import set_up_logs


@pytest.fixture(autouse=True)
def restored_logs() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_a_traceback_shows_no_local_variable(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("info")
    record_key = "5ec4e7" * 5
    try:
        _fail(record_key)
    except RuntimeError:
        structlog.get_logger().exception("store_failed")
    said = capsys.readouterr().err
    assert "no such table" in said
    assert "test_logs.py" in said
    assert record_key not in said


def _fail(record_key: str) -> None:
    msg = "no such table"
    raise RuntimeError(msg if record_key else "")
