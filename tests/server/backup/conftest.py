"""A machine of its own: an embedded cluster with a noon in its books, a folder for backups and one for the log."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from server.backup import manifest, taking
from server.database import Database, migrate
from server.embedded import embedded_postgres
from server.embedded_cluster import hand_over
from server.settings import Settings
from server.system import System
from tests.server.conftest import CountedIds, StillClock
from tests.server.reports.lunch import Lunch

MEMORY = Path("/dev/shm")  # noqa: S108 - folders of our own are made in it
"""Whole clusters are copied about here, and no test cuts the power."""


@dataclass
class Machine:
    """Settings of a server with its own PostgreSQL, and a clock that stands still."""

    home: Path
    settings: Settings
    clock: StillClock
    system: System

    @property
    def first(self) -> Path:
        """The backup that was taken after the noon."""
        return manifest.listed(self.settings.backups)[0]

    def backup(self, *, play: bool = False) -> Path:
        """Take a backup; an hour passes."""
        with embedded_postgres(self.settings.data_dir, self.settings.wal_archive_dir) as url:
            migrate(url)
            with closing(Database(url)) as database:
                if play:
                    lunch = Lunch(database)
                    lunch.play()
                    lunch.taps.close()
                folder = taking.take(self.settings, url, database, self.system)
        self.clock.at += timedelta(hours=1)
        return folder


def made(home: Path) -> Machine:
    """Return a machine in a folder."""
    home.chmod(0o755)
    clock = StillClock()
    settings = Settings(
        data_dir=home / "data",
        backup_dir=home / "backups",
        wal_archive_dir=home / "wal",
        backups_kept=2,
        database_url="",
    )
    return Machine(home, settings, clock, System(clock, CountedIds(clock)))


@pytest.fixture(scope="session")
def played() -> Iterator[Path]:
    """Return the folder of a machine that had its noon and took one backup; to be copied."""
    home = Path(tempfile.mkdtemp(prefix="onecard-p", dir=MEMORY if MEMORY.is_dir() else None))
    made(home).backup(play=True)
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def machine(played: Path) -> Iterator[Machine]:
    """Return a copy of that machine, an hour later."""
    home = Path(tempfile.mkdtemp(prefix="onecard-b", dir=MEMORY if MEMORY.is_dir() else None))
    for part in played.iterdir():
        shutil.copytree(part, home / part.name)
    machine = made(home)
    hand_over(machine.settings.data_dir / "postgres")
    machine.clock.at += timedelta(hours=1)
    machine.system.ids.random_bytes(1)
    yield machine
    shutil.rmtree(home, ignore_errors=True)
