"""Backups of a real embedded cluster: tried, found damaged, retired, restored only with consent, followed by log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from server.backup import manifest, restoring, taking, trying
from server.backup.copies import SEGMENT_NAME
from server.backup.programs import BackupError
from server.database import Database
from server.embedded import embedded_postgres
from server.settings import Settings
from tests.server.backup.conftest import Machine
from tests.server.reports.lunch import Lunch


def asked(settings: Settings, query: str) -> list[tuple[object, ...]]:
    """Ask the database in place."""
    with embedded_postgres(settings.data_dir, settings.wal_archive_dir) as url, psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def flip(path: Path) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_backup_counts_once_it_was_restored_on_trial_and_damage_is_found(machine: Machine) -> None:
    folder = machine.first
    about = manifest.read(folder)
    assert about.sites[0].records > 0
    assert manifest.verified(folder) is None
    assert trying.verify(folder, machine.system).problems == ()
    assert manifest.verified(folder) == manifest.Verified(machine.clock.at)
    assert not (folder.parent / trying.SCRATCH).exists()

    table = next(
        path for path in (folder / "base" / "base").rglob("*") if path.is_file() and path.stat().st_size > 8192
    )
    flip(table)
    with pytest.raises(BackupError, match="damaged or changed"):
        trying.verify(folder, machine.system)
    tried = manifest.verified(folder)
    assert tried is not None
    assert "damaged or changed" in tried.problems[0]
    flip(table)
    stray = folder / "base" / "stray"
    stray.write_text("x")
    with pytest.raises(BackupError, match="not part of the copy"):
        trying.verify(folder, machine.system)
    stray.unlink()
    flip(folder / "base" / "backup_manifest")
    with pytest.raises(BackupError, match="not the file that was backed up"):
        trying.verify(folder, machine.system)


def test_books_that_do_not_balance_are_a_problem_of_the_backup(machine: Machine) -> None:
    with embedded_postgres(machine.settings.data_dir) as url, psycopg.connect(url) as connection:
        connection.execute("update purse set balance_fen = balance_fen + 1 where kind = 'cash'")
    problems = trying.verify(machine.backup(), machine.system).problems
    assert problems
    assert all(problem.startswith("i02_balances_equal_postings") for problem in problems)


def test_a_restore_replaces_only_what_it_was_told_to_give_up(machine: Machine) -> None:
    folder = machine.first
    taps = asked(machine.settings, "select count(*) from record")
    with pytest.raises(BackupError, match="--give-up none"):
        restoring.restore(machine.settings, folder, machine.system)
    with embedded_postgres(machine.settings.data_dir), pytest.raises(BackupError, match="in use"):
        restoring.restore(machine.settings, folder, machine.system, give_up="none")

    done = restoring.restore(machine.settings, folder, machine.system, give_up="none")
    assert done.set_aside is not None
    assert (done.set_aside / "PG_VERSION").exists()
    assert asked(machine.settings, "select generation from installation") == [(done.generation,)]
    assert asked(machine.settings, "select count(*) from record") == taps
    assert asked(machine.settings, "select kind, detail ->> 'missing_until' from finding where kind = 'restored'") == [
        ("restored", machine.clock.at.isoformat())
    ]
    assert asked(machine.settings, "select action from audit order by at desc limit 1") == [("installation_restored",)]
    with pytest.raises(BackupError, match=f"--give-up {done.generation[:8]}"):
        restoring.restore(machine.settings, folder, machine.system, give_up="none")
    machine.clock.at += timedelta(hours=1)
    again = restoring.restore(machine.settings, folder, machine.system, give_up=done.generation[:8])
    assert again.generation != done.generation


def test_a_lost_cluster_is_restored_without_a_question(machine: Machine) -> None:
    folder = machine.first
    (machine.settings.data_dir / "postgres").rename(machine.home / "lost")
    assert restoring.restore(machine.settings, folder, machine.system).set_aside is None


def test_the_archived_log_brings_back_what_came_after_the_backup(machine: Machine) -> None:
    folder = machine.first
    settings = machine.settings
    with embedded_postgres(settings.data_dir, settings.wal_archive_dir) as url:
        with psycopg.connect(url) as connection:
            connection.execute("update person set name = 'after the backup'")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("select pg_switch_wal()")
    (settings.data_dir / "postgres").rename(machine.home / "lost")
    archive = settings.wal_archive_dir
    assert archive is not None
    piece = sorted(path for path in archive.glob("*.gz") if SEGMENT_NAME.fullmatch(path.stem))[-2]
    hidden = piece.rename(machine.home / piece.name)
    with pytest.raises(BackupError, match="missing or damaged"):
        restoring.restore(settings, folder, machine.system, wal=archive)
    hidden.rename(piece)
    restoring.restore(settings, folder, machine.system, wal=archive)
    assert asked(settings, "select distinct name from person") == [("after the backup",)]
    assert asked(settings, "select timeline_id from pg_control_checkpoint()") == [(2,)]
    generation = str(asked(settings, "select generation from installation")[0][0])
    machine.clock.at += timedelta(hours=1)
    restoring.restore(settings, folder, machine.system, give_up=generation[:8])
    assert asked(settings, "select count(*) from person where name = 'after the backup'") == [(0,)]


def test_old_backups_and_their_log_go_but_the_last_good_one_stays(machine: Machine) -> None:
    first = machine.first
    trying.verify(first, machine.system)
    second, third, fourth = machine.backup(), machine.backup(), machine.backup()
    assert manifest.listed(machine.settings.backups) == [first, third, fourth]
    trying.verify(fourth, machine.system)
    fifth = machine.backup()
    assert manifest.listed(machine.settings.backups) == [fourth, fifth]
    assert not second.exists()
    archive = machine.settings.wal_archive_dir
    assert archive is not None
    kept = [path.name for path in archive.glob("*.gz") if SEGMENT_NAME.match(path.name)]
    assert kept
    assert min(kept) >= manifest.read(fourth).wal_start


def test_a_disk_without_room_is_refused_before_anything_is_written(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "ROOM_NEEDED", 10**9)
    with pytest.raises(BackupError, match="MiB free"):
        machine.backup()
    assert manifest.listed(machine.settings.backups) == [machine.first]


def test_a_database_of_your_own_is_dumped_and_loaded_into_an_empty_one(
    machine: Machine, database: Database, empty_postgres_url: str
) -> None:
    lunch = Lunch(database)
    lunch.play()
    lunch.taps.close()
    own = machine.settings.replaced(database_url=database.url)
    folder = taking.take(own, database.url, database, machine.system)
    assert trying.verify(folder, machine.system).problems == ()
    with pytest.raises(BackupError, match="not empty"):
        restoring.restore(own, folder, machine.system)
    done = restoring.restore(own.replaced(database_url=empty_postgres_url), folder, machine.system)
    with psycopg.connect(empty_postgres_url) as connection:
        assert connection.execute("select generation from installation").fetchone() == (done.generation,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update charge set amount_fen = 1")
    flip(folder / manifest.DUMP_FILE)
    with pytest.raises(BackupError, match="not the file that was backed up"):
        trying.verify(folder, machine.system)
