"""Holding a copied cluster against pg_basebackup's manifest: every file's size and SHA-256, and the log that it needs.

The same as pg_verifybackup, which the wheel of PostgreSQL 18.4 carries but which crashes there at once. Format:
PostgreSQL documentation, "Backup Manifest Format", version 2.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from msgspec import Struct

from server.backup.manifest import file_hash
from server.backup.programs import BackupError, run_program

MANIFEST = "backup_manifest"
MAX_MANIFEST_BYTES = 256 * 1024 * 1024
NOT_LISTED = {MANIFEST, "postgresql.auto.conf"}
"""What the manifest does not cover; the log in pg_wal is checked by reading it."""
_CHECKSUM_LINE = b'"Manifest-Checksum"'


class _File(Struct):
    path: str = msgspec.field(default="", name="Path")
    size: int = msgspec.field(default=0, name="Size")
    algorithm: str = msgspec.field(default="", name="Checksum-Algorithm")
    checksum: str = msgspec.field(default="", name="Checksum")
    encoded: str = msgspec.field(default="", name="Encoded-Path")


class _Range(Struct):
    timeline: int = msgspec.field(name="Timeline")
    start: str = msgspec.field(name="Start-LSN")
    end: str = msgspec.field(name="End-LSN")


class _Manifest(Struct):
    files: list[_File] = msgspec.field(name="Files")
    ranges: list[_Range] = msgspec.field(name="WAL-Ranges")
    checksum: str = msgspec.field(name="Manifest-Checksum")


def check_base(folder: Path) -> None:
    """Check a copied cluster. Raises BackupError naming the first file that is wrong."""
    listed = _read(folder / MANIFEST)
    known = set()
    for file in listed.files:
        name = bytes.fromhex(file.encoded).decode() if file.encoded else file.path
        known.add(name)
        path = folder / name
        if not path.is_file():
            msg = f"{path} is missing; take another backup"
            raise BackupError(msg)
        if path.stat().st_size != file.size or file_hash(path) != file.checksum:
            msg = f"{path} is not what was copied: damaged or changed; take another backup"
            raise BackupError(msg)
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in known and name not in NOT_LISTED and not name.startswith("pg_wal/"):
            msg = f"{path} was not part of the copy; take another backup"
            raise BackupError(msg)
    for part in listed.ranges:
        run_program(
            "pg_waldump", "--quiet", "--path", str(folder / "pg_wal"), "--timeline", str(part.timeline),
            "--start", part.start, "--end", part.end,
        )  # fmt: skip


def _read(path: Path) -> _Manifest:
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            msg = f"{path} is larger than {MAX_MANIFEST_BYTES} bytes"
            raise BackupError(msg)
        content = path.read_bytes()
        found = msgspec.json.decode(content, type=_Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        msg = f"{path} cannot be read: {error}; take another backup"
        raise BackupError(msg) from error
    before = content[: content.rindex(_CHECKSUM_LINE)]
    if hashlib.sha256(before).hexdigest() != found.checksum:
        msg = f"{path} was changed; take another backup"
        raise BackupError(msg)
    return found
