"""A Redis server of one test process's own, on a unix socket. Test support."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import redis

STOP_TIMEOUT_S = 10


class PrivateRedis:
    """One Redis that keeps nothing on disk; `folder` holds its socket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "redis.sock"
        self._process: subprocess.Popen[str] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        """Start it and return once it answers; it is empty."""
        program = shutil.which("redis-server")
        if program is None:
            msg = "redis-server is missing; type: apt-get install redis-server (or run `make setup-test`)"
            raise FileNotFoundError(msg)
        self._folder.mkdir(exist_ok=True)
        command = [program, "--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.PIPE, text=True)
        if self._process.stdout is None:
            msg = "redis-server has no output to read"
            raise RuntimeError(msg)
        said: list[str] = []
        for line in self._process.stdout:
            said.append(line)
            if "ready to accept connections" in line.lower():
                return
        msg = "redis-server ended at its start:\n" + "".join(said)
        raise RuntimeError(msg)

    def stop(self) -> None:
        """Stop it; what it held is gone."""
        if self._process is None:
            return
        with self._process as process:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
        self._process = None

    @property
    def process(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def flush(self) -> None:
        """Empty it."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
