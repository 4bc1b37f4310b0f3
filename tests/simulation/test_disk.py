"""The simulated disk keeps what was synced, loses what was not, fills up, fails, and comes back as an older image."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from tests.simulation.disk import SimulatedDisk

PATH = Path("journal.db")
TABLE = "CREATE TABLE record (epoch, seq, at_ms, body)"
INSERT = "INSERT INTO record VALUES (?, ?, ?, ?)"


@pytest.fixture
def disk() -> SimulatedDisk:
    disk = SimulatedDisk(random.Random(1))
    disk.connect(PATH).executescript(TABLE)
    return disk


def write(disk: SimulatedDisk, seq: int, *, synchronous: str = "FULL") -> None:
    connection = disk.connect(PATH)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"INSERT INTO record {INSERT.removeprefix('INSERT INTO record ')}", (7, seq, 0, b"body"))
    connection.execute("COMMIT")


def rows(disk: SimulatedDisk) -> list[int]:
    return [row[0] for row in disk.connect(PATH).execute("SELECT seq FROM record ORDER BY seq")]


def test_a_full_commit_is_durable_at_once(disk: SimulatedDisk) -> None:
    write(disk, 1)
    disk.power_cut()
    assert rows(disk) == [1]
    assert disk.files[PATH.name].durable == {(7, 1): b"body"}


def test_a_commit_without_a_sync_is_lost_with_the_power(disk: SimulatedDisk) -> None:
    write(disk, 1)
    write(disk, 2, synchronous="OFF")
    assert rows(disk) == [1, 2]
    assert list(disk.files[PATH.name].durable) == [(7, 1)]
    disk.power_cut()
    assert rows(disk) == [1]


def test_what_was_not_committed_is_gone(disk: SimulatedDisk) -> None:
    connection = disk.connect(PATH)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO record VALUES (?, ?, ?, ?)", (7, 1, 0, b"body"))
    connection.close()
    assert rows(disk) == []


def test_a_full_disk_says_so_and_keeps_nothing(disk: SimulatedDisk) -> None:
    disk.full = 1.0
    with pytest.raises(sqlite3.OperationalError, match="full"):
        write(disk, 1)
    disk.connect(PATH).close()
    disk.full = 0.0
    write(disk, 2)
    assert rows(disk) == [2]


def test_a_commit_that_failed_is_there_or_not_and_nobody_knows(disk: SimulatedDisk) -> None:
    disk.failing = 1.0
    for seq in range(1, 21):
        with pytest.raises(sqlite3.OperationalError, match="I/O"):
            write(disk, seq)
        disk.connect(PATH).close()
        disk.power_cut()
    assert 0 < len(rows(disk)) < 20
    assert disk.failed == 20


def test_an_image_comes_back_as_it_was(disk: SimulatedDisk) -> None:
    write(disk, 1)
    image = disk.image()
    write(disk, 2)
    disk.restore(image)
    assert rows(disk) == [1]
    write(disk, 3)
    assert rows(disk) == [1, 3]
    assert list(disk.files[PATH.name].durable) == [(7, 1), (7, 3)]
