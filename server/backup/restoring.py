"""Putting a backup in the place of the database, with a new generation and in state *restored*.

Everything is done on a copy beside the data; one rename at the end puts it in place. What was there is set aside, never
deleted. A database of your own is loaded only when it is empty.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from server.backup import cluster_repository, copies, repository, service
from server.backup.manifest import DUMP_FILE, Kind, Manifest
from server.backup.programs import BackupError
from server.database import Database, DatabaseUnavailableError, migrate
from server.embedded import nobody_uses
from server.embedded_cluster import Cluster, EmbeddedPostgresError
from server.settings import Settings
from server.system import System

SCRATCH = "restoring"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did. `set_aside` is the folder of the database that was there before, if any."""

    generation: str
    complete_through: datetime | None
    set_aside: Path | None


def restore(
    settings: Settings, folder: Path, system: System, *, give_up: str = "", wal: Path | None = None
) -> Restored:
    """Restore a backup. `give_up` names the generation that is lost with the database in place, where there is one.

    Raises BackupError, which says what to do.
    """
    about = copies.check(folder)
    if about.kind is Kind.DUMP:
        if wal is not None:
            msg = "a dump cannot be followed by archived log; that is the business of your own PostgreSQL's backups"
            raise BackupError(msg)
        if settings.database_url:
            return _into_own(settings, folder, about, system)
    elif settings.database_url:
        msg = "this is a copy of the embedded database's files: unset ONECARD_DATABASE_URL to restore it"
        raise BackupError(msg)
    with nobody_uses(settings.data_dir) as is_free:
        if not is_free:
            msg = f"{settings.data_dir}/postgres is in use: stop the server (and other onecard commands) first"
            raise BackupError(msg)
        _require_consent(settings.data_dir, give_up)
        return _into_embedded(settings, folder, about, system, wal)


def _into_embedded(settings: Settings, folder: Path, about: Manifest, system: System, wal: Path | None) -> Restored:
    scratch = settings.data_dir / SCRATCH
    with copies.alive(folder, about, scratch, wal) as url:
        migrate(url)
        through, generation = _begin(url, about, system)
    place, aside = settings.data_dir / "postgres", None
    if place.exists():
        aside = place.rename(settings.data_dir / f"postgres.before-{system.clock.now():%Y%m%dT%H%M%SZ}")
    (scratch / "postgres").rename(place)
    shutil.rmtree(scratch, ignore_errors=True)
    return Restored(generation, through, aside)


def _into_own(settings: Settings, folder: Path, about: Manifest, system: System) -> Restored:
    url = settings.database_url
    if not cluster_repository.is_empty(url):
        msg = "the database of ONECARD_DATABASE_URL is not empty: create an empty one and name that"
        raise BackupError(msg)
    copies.load_dump(folder / DUMP_FILE, url)
    migrate(url)
    through, generation = _begin(url, about, system)
    return Restored(generation, through, None)


def _begin(url: str, about: Manifest, system: System) -> tuple[datetime | None, str]:
    with closing(Database(url)) as database:
        through = database.read(repository.newest_change)
        generation = database.write(lambda session: service.begin_restored(session, system, about.made_at))
    return through, generation


def _require_consent(data_dir: Path, give_up: str) -> None:
    """Refuse to replace a database that is there unless its generation was named."""
    if not (data_dir / "postgres" / "PG_VERSION").exists():
        return
    told, generation = _what_is_there(data_dir)
    if not give_up or not generation.startswith(give_up):
        msg = (
            f"there is a database in {data_dir}/postgres: {told}. What it holds beyond the backup is lost to the server"
            f" (daemons send their records again). To set it aside, add: --give-up {generation[:8]}"
        )
        raise BackupError(msg)


def _what_is_there(data_dir: Path) -> tuple[str, str]:
    """Say what the database in place holds, and its generation ('unreadable' when it does not start)."""
    cluster = Cluster(data_dir)
    try:
        cluster.start()
        try:
            with closing(Database(cluster.url)) as database:
                generation = str(database.read(repository.server_facts)["generation"]) or "none"
                newest = database.read(repository.newest_change)
        finally:
            cluster.stop()
    except (EmbeddedPostgresError, DatabaseUnavailableError, SQLAlchemyError, OSError) as error:
        return f"it cannot be read ({str(error).partition(chr(10))[0]})", "unreadable"
    return (
        f"generation {generation[:8]}, newest change {newest:%Y-%m-%d %H:%M:%S} UTC" if newest else "empty",
        generation,
    )
