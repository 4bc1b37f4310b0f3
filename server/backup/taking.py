"""Making a backup: the copy, its manifest, and the retention of older ones and of the archived log."""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from server.backup import manifest, repository
from server.backup.copies import SEGMENT_NAME
from server.backup.manifest import BASE_FOLDER, DUMP_FILE, UNFINISHED, Kind, Manifest
from server.backup.programs import BackupError, run_program
from server.database import Database, schema_version
from server.settings import Settings
from server.system import System

ROOM_NEEDED = 1.2
"""Free space before a backup, in sizes of the database."""
ALWAYS_KEPT = 2
"""Backups that retention leaves whatever the setting says: the newest may be the broken one."""
MAX_DELETED = 100
"""Backups that one run of retention deletes at most."""
MAX_SEGMENTS_DELETED = 100_000
_START_SEGMENT = re.compile(r"START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)")
LOCK_FILE = ".lock"


def take(settings: Settings, url: str, database: Database, system: System) -> Path:
    """Make a backup of the running database and return its folder; older ones beyond the limit go.

    The embedded cluster is copied whole by pg_basebackup. A database of your own is dumped by pg_dump: its files, its
    log and its standbys belong to whoever runs it. Raises BackupError.
    """
    folder = settings.backups
    with _alone(folder):
        kind = Kind.DUMP if settings.database_url else Kind.BASE
        server = database.read(repository.server_facts)
        _require_room(folder, int(server["size_bytes"]))
        name = f"{system.clock.now():%Y-%m-%dT%H%M%SZ}-{system.ids.random_bytes(2).hex()}"
        unfinished = folder / f"{name}{UNFINISHED}"
        unfinished.mkdir(mode=0o700)
        made_at, sites = system.clock.now(), database.read(repository.site_facts)
        try:
            _copy(kind, url, unfinished)
            hashed = manifest.hashed_file(unfinished, kind)
            about = Manifest(
                name=name,
                kind=kind,
                made_at=made_at,
                software=metadata.version("onecard"),
                schema=database.read(schema_version),
                postgres=server["postgres"],
                generation=server["generation"],
                sites=sites,
                size_bytes=sum(path.stat().st_size for path in unfinished.rglob("*") if path.is_file()),
                hash=manifest.file_hash(hashed),
                wal_start=_wal_start(unfinished) if kind is Kind.BASE else "",
            )
            manifest.write(unfinished, manifest.MANIFEST_FILE, about)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        done = unfinished.rename(folder / name)
        _retire(folder, settings.backups_kept, settings.wal_archive_dir)
        return done


def _copy(kind: Kind, url: str, target: Path) -> None:
    if kind is Kind.BASE:
        run_program(
            "pg_basebackup", "--dbname", url, "--pgdata", str(target / BASE_FOLDER), "--checkpoint", "fast",
            "--wal-method", "stream", "--manifest-checksums", "SHA256", "--no-password",
        )  # fmt: skip
    else:
        # No owners: the restored database may belong to another role. Rights are kept: they make the books append-only.
        run_program(
            "pg_dump", "--dbname", url, "--format", "custom", "--no-owner", "--no-password",
            "--file", str(target / DUMP_FILE),
        )  # fmt: skip


def _wal_start(target: Path) -> str:
    label = (target / BASE_FOLDER / "backup_label").read_text(encoding="utf-8")
    found = _START_SEGMENT.search(label)
    return found.group(1) if found else ""


def _require_room(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size_bytes * ROOM_NEEDED:
        msg = (
            f"{folder} has {free // 1024**2} MiB free and the database has {size_bytes // 1024**2} MiB: free some "
            "space, lower ONECARD_BACKUPS_KEPT, or set ONECARD_BACKUP_DIR to another disk"
        )
        raise BackupError(msg)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"another backup is writing to {folder}; wait for it"
            raise BackupError(msg) from None
        for left in folder.glob(f"*{UNFINISHED}"):  # of a backup that was killed
            shutil.rmtree(left, ignore_errors=True)
        yield


def _retire(folder: Path, kept: int, wal_archive: Path | None) -> None:
    """Delete the oldest backups beyond the limit, but never the newest one that was tried and found good."""
    backups = manifest.listed(folder)
    good = [path for path in backups if (tried := manifest.verified(path)) is not None and not tried.problems]
    for path in backups[: -max(kept, ALWAYS_KEPT)][:MAX_DELETED]:
        if path != (good[-1] if good else None):
            shutil.rmtree(path)
    if wal_archive is not None and wal_archive.is_dir():
        starts = [start for path in manifest.listed(folder) if (start := manifest.read(path).wal_start)]
        if starts:
            _retire_log(wal_archive, min(start[8:] for start in starts))


def _retire_log(archive: Path, oldest_needed: str) -> None:
    """Delete archived pieces of the log from before the oldest kept backup; the first 8 digits are the timeline."""
    pieces = [path for path in archive.glob("*.gz") if SEGMENT_NAME.match(path.name)]
    for path in sorted(pieces)[:MAX_SEGMENTS_DELETED]:
        if path.name[8:24] < oldest_needed:
            path.unlink(missing_ok=True)
