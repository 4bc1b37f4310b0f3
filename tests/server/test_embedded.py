"""The embedded PostgreSQL on real processes: durable settings, kill -9 of everything, several users, a clean end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from server.embedded import EmbeddedSupervisor, embedded_postgres, embedded_postgres_url
from server.embedded_cluster import MAX_SOCKET_PATH_BYTES, Cluster, EmbeddedPostgresError

DEADLINE_SECONDS = 60


def kill(processes: Iterable[int]) -> None:
    """Kill processes; one that ended by itself meanwhile is as good."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Return a fresh data folder with a short path."""
    path = Path(tempfile.mkdtemp(prefix="onecard-e"))
    yield path
    kill(Cluster(path).processes())
    shutil.rmtree(path, ignore_errors=True)


def answer(url: str, statement: str) -> object:
    with psycopg.connect(url, connect_timeout=5) as connection:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None


def keeps(supervisor: EmbeddedSupervisor) -> bool:
    return supervisor.is_keeper


def test_a_commit_is_durable_whatever_the_files_say(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
        found = [answer(url, f"show {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]
        assert found == ["on", "on", "on"]
        assert answer(url, "show data_checksums") == "on"
        assert answer(url, "show listen_addresses") == ""
        assert answer(url, "show server_encoding") == "UTF8"


def test_nobody_else_may_connect_or_read(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as url:
        cluster = Cluster(data_dir)
        assert cluster.folder.stat().st_mode & 0o077 == 0
        assert (cluster.folder / ".s.PGSQL.5432").stat().st_mode & 0o077 == 0
        assert url == embedded_postgres_url(data_dir)


def test_comes_back_after_every_process_was_killed(data_dir: Path) -> None:
    back = threading.Event()
    supervisor = EmbeddedSupervisor(data_dir, on_restart=back.set)
    url = supervisor.start()
    try:
        with psycopg.connect(url) as connection:
            connection.execute("create table mark (number int)")
            connection.execute("insert into mark values (7)")
        for _ in range(2):
            back.clear()
            kill(Cluster(data_dir).processes())
            assert back.wait(DEADLINE_SECONDS)
            assert answer(url, "select number from mark") == 7
        assert supervisor.restarts == 2
    finally:
        supervisor.stop()


def test_comes_back_when_it_is_killed_again_while_it_comes_back(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = threading.Event()
    supervisor = EmbeddedSupervisor(data_dir, on_restart=back.set)
    url = supervisor.start()
    really, tries = psycopg.connect, iter((True, False))

    def connect(url: str, *, autocommit: bool = False, connect_timeout: int = 5) -> psycopg.Connection:
        if threading.current_thread().name == "embedded-postgres" and next(tries, False):
            kill(Cluster(data_dir).processes())
        return really(url, autocommit=autocommit, connect_timeout=connect_timeout)

    monkeypatch.setattr(psycopg, "connect", connect)
    try:
        kill(Cluster(data_dir).processes())
        assert back.wait(DEADLINE_SECONDS)
        assert answer(url, "select 7") == 7
    finally:
        supervisor.stop()


def test_a_second_process_attaches_takes_over_and_stops_last(data_dir: Path) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", KEEPER, str(data_dir)], stdout=pipe, stdin=pipe, text=True) as keeper:
        assert keeper.stdout is not None
        assert any(line == "keeper: True\n" for line in keeper.stdout)
        outlives_its_keeper(data_dir, keeper)


def outlives_its_keeper(data_dir: Path, keeper: subprocess.Popen[str]) -> None:
    back = threading.Event()
    second = EmbeddedSupervisor(data_dir, on_restart=back.set)
    url = second.start()
    assert not keeps(second)
    keeper.kill()
    keeper.wait()
    assert answer(url, "select 1") == 1  # the cluster outlives the process that started it
    kill(Cluster(data_dir).processes())
    assert back.wait(DEADLINE_SECONDS)
    assert keeps(second)
    assert answer(url, "select 1") == 1
    second.stop()
    assert Cluster(data_dir).processes() == []


def test_the_first_to_leave_does_not_stop_it_for_the_other(data_dir: Path) -> None:
    first, second = EmbeddedSupervisor(data_dir), EmbeddedSupervisor(data_dir)
    url = first.start()
    second.start()
    first.stop()
    assert answer(url, "select 1") == 1
    second.stop()
    assert Cluster(data_dir).postmaster() is None


def test_a_pid_file_whose_number_belongs_to_a_stranger_does_not_block_the_start(data_dir: Path) -> None:
    with embedded_postgres(data_dir):
        pid_file = Cluster(data_dir).folder / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        lock_file = pid_file.with_name(".s.PGSQL.5432.lock")
        lock_lines = lock_file.read_text().splitlines()
    stranger = subprocess.Popen(["sleep", "600"], user=pid_file.parent.stat().st_uid)
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        lock_file.write_text("\n".join([str(stranger.pid), *lock_lines[1:]]) + "\n")
        with embedded_postgres(data_dir) as url:
            assert answer(url, "select 1") == 1
    finally:
        stranger.kill()
        stranger.wait()


def test_a_half_made_cluster_is_made_again(data_dir: Path) -> None:
    (data_dir / "postgres.new").mkdir()
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18\n")
    with embedded_postgres(data_dir) as url:
        assert answer(url, "select 1") == 1


def test_a_long_path_still_gets_a_socket(data_dir: Path) -> None:
    deep = data_dir / ("long-" * 20)
    with embedded_postgres(deep) as url:
        assert answer(url, "select 1") == 1
        socket_folder = str(answer(url, "show unix_socket_directories"))
        assert len(socket_folder) + len("/.s.PGSQL.5432") <= MAX_SOCKET_PATH_BYTES
        assert Path(socket_folder).stat().st_mode & 0o077 == 0
    Path(socket_folder).rmdir()


def test_a_cluster_that_cannot_start_says_where_its_log_is(data_dir: Path) -> None:
    with embedded_postgres(data_dir):
        pass
    (data_dir / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedPostgresError, match=r"postgres/log"), embedded_postgres(data_dir):
        pass


KEEPER = """
import sys
from pathlib import Path
from server.embedded import EmbeddedSupervisor
supervisor = EmbeddedSupervisor(Path(sys.argv[1]))
supervisor.start()
print("keeper:", supervisor.is_keeper, flush=True)
sys.stdin.read()
"""
