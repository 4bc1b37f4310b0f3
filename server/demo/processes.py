"""Child processes of the demo, restarted when they die as systemd would, each with a log file of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

RESTART_PAUSE_SECONDS = 0.5
STOP_SECONDS = 8.0
"""How long a child may take to end before it is killed."""
MAX_RESTARTS = 60
"""A child that dies more often than this has a fault that restarting does not mend."""
TAIL_BYTES = 2_000


class ChildFailedError(RuntimeError):
    """A child cannot be kept alive; carries the end of its log."""


class Child:
    """One supervised process."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log_path: Path) -> None:
        """Take what to run; nothing starts before `start`."""
        self.name = name
        self.log_path = log_path
        self.command = tuple(command)
        """What is run, from the next start on."""
        self.environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._held = asyncio.Event()
        self._held.set()
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The running process's number, None between two lives."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process and keep it running."""
        await self._spawn()
        self._watch = asyncio.create_task(self._keep(), name=f"keep-{self.name}")

    async def stop(self) -> None:
        """End the process and stop restarting it."""
        if self._watch is not None:
            self._watch.cancel()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            log.warning("child_killed", name=self.name)
            process.kill()
            await process.wait()

    def kill(self) -> None:
        """Kill the process without warning (kill -9); it is started again."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    def hold(self) -> None:
        """Kill the process and leave it down until `release`."""
        self._held.clear()
        self.kill()

    def release(self) -> None:
        """Let a held process start again."""
        self._held.set()

    def tail(self) -> str:
        """Return the end of the log, for an error message."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            return file.read().decode(errors="replace")

    def check(self) -> None:
        """Raise ChildFailedError when the process is beyond restarting."""
        if self._watch is not None and self._watch.done() and not self._watch.cancelled():
            msg = f"{self.name} keeps dying; the end of {self.log_path}:\n{self.tail()}"
            raise ChildFailedError(msg)

    async def _spawn(self) -> None:
        with self.log_path.open("ab") as file:
            self._process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file, env=self.environment,
                start_new_session=True,
            )  # fmt: skip

    async def _keep(self) -> None:
        while self._process is not None and self.restarts < MAX_RESTARTS:
            code = await self._process.wait()
            log.info("child_died", name=self.name, code=code)
            await asyncio.sleep(RESTART_PAUSE_SECONDS)
            await self._held.wait()
            self.restarts += 1
            await self._spawn()
