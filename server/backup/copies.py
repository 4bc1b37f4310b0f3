"""Bringing a backup to life in a folder of its own: checked, copied, started. The original is never started."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.backup import cluster_repository, manifest
from server.backup.checking import check_base
from server.backup.manifest import BASE_FOLDER, DUMP_FILE, Kind, Manifest
from server.backup.programs import BackupError, run_program
from server.embedded_cluster import Cluster, hand_over

REPLAY_SECONDS = 6 * 3600
"""How long a replay of archived log may take."""
LOOK_MS = 200
SEGMENT_NAME = re.compile(r"[0-9A-F]{24}")
UNKNOWN_BEFORE_17 = b"SET transaction_timeout"
"""What the programs of PostgreSQL 18 say to any server, and an older one does not understand."""
AUTO_SETTINGS = "postgresql.auto.conf"


def check(folder: Path) -> Manifest:
    """Hold a backup's files against their hashes. Raises BackupError naming what differs."""
    about = manifest.read(folder)
    hashed = manifest.hashed_file(folder, about.kind)
    if not hashed.is_file() or manifest.file_hash(hashed) != about.hash:
        msg = f"{hashed} is not the file that was backed up: it is damaged or was changed. Take another backup"
        raise BackupError(msg)
    if about.kind is Kind.BASE:
        check_base(folder / BASE_FOLDER)
    return about


@contextmanager
def alive(folder: Path, about: Manifest, scratch: Path, wal: Path | None = None) -> Iterator[str]:
    """Copy a checked backup into `scratch`, run it there for the body and yield its address; it is stopped afterwards.

    `wal` names a folder of archived log to replay to its end. The cluster is left in `scratch`/postgres.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700, parents=True)
    cluster = Cluster(scratch)
    if about.kind is Kind.BASE:
        shutil.copytree(folder / BASE_FOLDER, cluster.folder)
        cluster.folder.chmod(0o700)
        cluster.log_file.unlink(missing_ok=True)
        _recover(cluster.folder, wal)
        if wal is not None:
            hand_over(wal)
        hand_over(cluster.folder)
    try:
        cluster.start()
        if about.kind is Kind.DUMP:
            load_dump(folder / DUMP_FILE, cluster.url)
        else:
            _wait_for_replay(cluster)
            _require_all_replayed(cluster, wal)
            _forget_replay(cluster.folder)
        yield cluster.url
    finally:
        cluster.stop()


def load_dump(dump: Path, url: str) -> None:
    """Load a dump into an empty database, all or nothing."""
    cluster_repository.make_app_role(url)
    with tempfile.TemporaryDirectory(dir=dump.parent) as folder:
        script, usable = Path(folder) / "all.sql", Path(folder) / "usable.sql"
        run_program("pg_restore", "--no-owner", "--file", str(script), str(dump))
        with script.open("rb") as lines, usable.open("wb") as kept:
            kept.writelines(line for line in lines if not line.startswith(UNKNOWN_BEFORE_17))
        run_program(
            "psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set", "ON_ERROR_STOP=1", "--no-password",
            "--dbname", url, "--file", str(usable),
        )  # fmt: skip


def _recover(folder: Path, wal: Path | None) -> None:
    """Write how far to recover: to the end of the archived log, or only until the copy is whole.

    Either way the copy goes on in a new timeline, so that its log never takes the names of the lost one's.
    """
    lines = ["restore_command = 'false'", "recovery_target = 'immediate'"]
    if wal is not None:
        quoted = str(wal).replace("'", "''").replace("%", "%%")
        lines = [f'restore_command = \'gzip -dc "{quoted}/%f.gz" > "%p"\'']
    lines += ["recovery_target_action = 'promote'", "recovery_target_timeline = 'latest'"]
    with (folder / AUTO_SETTINGS).open("a", encoding="utf-8") as file:
        file.write("\n".join(["", *lines, ""]))
    (folder / "recovery.signal").touch()


def _forget_replay(folder: Path) -> None:
    """Take the settings of the recovery out again: the next start must not look for more log."""
    path = folder / AUTO_SETTINGS
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("restore_command", "recovery_target"))]
    path.write_text("\n".join([*kept, ""]), encoding="utf-8")


def _wait_for_replay(cluster: Cluster) -> None:
    for _ in range(REPLAY_SECONDS * 1000 // LOOK_MS):
        if not cluster_repository.is_recovering(cluster.url):
            return
        threading.Event().wait(LOOK_MS / 1000)
    msg = "the replay of the archived log does not end"
    raise BackupError(msg)


def _require_all_replayed(cluster: Cluster, wal: Path | None) -> None:
    """Refuse a replay that ended before the archive does: to PostgreSQL a piece it cannot read is the end."""
    pieces = [path.name[8:24] for path in wal.glob("*.gz") if SEGMENT_NAME.match(path.name)] if wal is not None else []
    reached = cluster_repository.last_segment(cluster.url)[8:]
    if pieces and reached < max(pieces):
        msg = f"the replay ended at {reached} although {wal} goes on to {max(pieces)}: a piece is missing or damaged"
        raise BackupError(msg)
