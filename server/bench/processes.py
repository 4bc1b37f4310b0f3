"""The processes of a run: a server under load, started as `python -m server.bench.serving`, and the load process.

Each is started by its own command and ended by its own handle.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from server.bench.orders import Order, Outcome

HOST = "127.0.0.1"
BACKLOG = 512
STOP_SECONDS = 15.0

_encoder = msgspec.json.Encoder()
_outcomes = msgspec.json.Decoder(Outcome)


class BenchError(Exception):
    """A run that cannot go on; says why."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A server process and where it listens."""

    process: int
    port: int


@contextmanager
def serving(kind: str, arguments: Mapping[str, str], log: Path) -> Iterator[Serving]:
    """Run `server.bench.serving` for the body. It inherits a listening socket, so no port is ever guessed."""
    with socket.create_server((HOST, 0), backlog=BACKLOG) as listening, log.open("ab") as output:
        port = listening.getsockname()[1]
        command = [sys.executable, "-m", "server.bench.serving", kind, "--fd", str(listening.fileno())]
        command += [part for name, value in arguments.items() for part in (f"--{name}", value)]
        process = subprocess.Popen(
            command, pass_fds=[listening.fileno()], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield Serving(process.pid, port)
    finally:
        stop(process)


class LoadProcess:
    """The load process; give it orders one at a time."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def give(self, order: Order) -> Outcome:
        """Give an order and wait for its outcome. Raises BenchError when it could not be carried out."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(_encoder.encode(order) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            msg = f"the load process ended: {self._log.read_text(errors='replace')[-2000:]}"
            raise BenchError(msg)
        outcome = _outcomes.decode(line)
        if outcome.problem:
            logs = "".join(log.read_text(errors="replace")[-1500:] for log in self._log.parent.glob("*.log"))
            msg = f"{type(order).__name__} failed: {outcome.problem}\n{logs}".rstrip()
            raise BenchError(msg)
        return outcome


@contextmanager
def load_process(log: Path) -> Iterator[LoadProcess]:
    """Run the load process for the body."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
    try:
        yield LoadProcess(process, log)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process we started, asking first."""
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
