"""`onecard serve` as a process of its own: it serves, outlives kill -9 of its PostgreSQL, and ends cleanly."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from server.embedded_cluster import Cluster

TRIES = 600
WAIT_SECONDS = 0.1
COMMAND = [sys.executable, "-c", "import sys; from server.cli import main; sys.exit(main(['serve']))"]


def kill(processes: Iterable[int]) -> None:
    """Kill processes; one that ended by itself meanwhile is as good."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Return a fresh data folder with a short path."""
    path = Path(tempfile.mkdtemp(prefix="onecard-s"))
    yield path
    kill(Cluster(path).processes())
    shutil.rmtree(path, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def readiness(port: int) -> dict[str, str]:
    """Return what `/readyz` says, 503 or not; empty while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        return dict(json.load(error))
    except OSError:
        return {}


def until(holds: Callable[[], bool]) -> None:
    for _ in range(TRIES):
        if holds():
            return
        threading.Event().wait(WAIT_SECONDS)
    pytest.fail("it did not come about in time")


def test_serves_recovers_and_ends_cleanly(data_dir: Path) -> None:
    port = free_port()
    environment = {**os.environ, "ONECARD_DATA_DIR": str(data_dir), "ONECARD_PORT": str(port)}
    environment.pop("ONECARD_DATABASE_URL", None)
    with subprocess.Popen(COMMAND, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            until(lambda: readiness(port).get("status") == "ready")
            before = set(Cluster(data_dir).processes())
            kill(before)
            until(lambda: readiness(port).get("status") == "ready" and not before & set(Cluster(data_dir).processes()))
        finally:
            server.terminate()
        assert server.stderr is not None
        said = [json.loads(line)["event"] for line in server.stderr]
    assert "embedded_postgres_restarted" in said
    assert Cluster(data_dir).processes() == []
    assert (data_dir / "server.key").stat().st_mode & 0o777 == 0o600


def test_refuses_to_start_on_a_secret_that_others_may_read(data_dir: Path) -> None:
    (data_dir / "server.key").write_bytes(os.urandom(32))
    (data_dir / "server.key").chmod(0o644)
    environment = {**os.environ, "ONECARD_DATA_DIR": str(data_dir), "ONECARD_PORT": str(free_port())}
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "chmod 600" in done.stderr
