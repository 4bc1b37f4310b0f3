"""What a backup says of itself: a folder with `onecard-backup.json`, and `verified.json` once it was tried."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from server.backup.programs import BackupError

FORMAT = 1
MANIFEST_FILE = "onecard-backup.json"
VERIFIED_FILE = "verified.json"
BASE_FOLDER = "base"
DUMP_FILE = "onecard.dump"
UNFINISHED = ".part"
MAX_BACKUPS = 1_000
MAX_MANIFEST_BYTES = 1024 * 1024
_CHUNK_BYTES = 1024 * 1024


class Kind(StrEnum):
    """How the database was copied."""

    BASE = "base"
    """The embedded cluster's files, by pg_basebackup."""
    DUMP = "dump"
    """A database of your own, by pg_dump."""


class SiteFacts(Struct, frozen=True):
    """How much a site holds, for a person to recognise it and for the test restore to compare."""

    slug: str
    people: int
    cards: int
    records: int
    transfers: int
    policy_version: int


class Manifest(Struct, frozen=True):
    """See the module. Counts are of the moment before the copy: the copy holds at least these."""

    name: str
    kind: Kind
    made_at: datetime
    software: str
    schema: str
    postgres: str
    generation: str
    sites: tuple[SiteFacts, ...]
    size_bytes: int
    hash: str
    """SHA-256 of pg_basebackup's own manifest (which has one of each file), or of the dump."""
    wal_start: str = ""
    """First piece of the log that a replay needs."""
    format: int = FORMAT


class Verified(Struct, frozen=True):
    """When a backup was restored on trial, and what was wrong; no problems = it can be relied on."""

    at: datetime
    problems: tuple[str, ...] = ()


def write(folder: Path, name: str, content: Struct) -> None:
    """Write a small file durably."""
    path = folder / f"{name}{UNFINISHED}"
    with path.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(content)))
        file.flush()
        os.fsync(file.fileno())
    path.rename(folder / name)


def read(folder: Path) -> Manifest:
    """Read a backup's manifest. Raises BackupError when the folder is no backup of ours."""
    try:
        with (folder / MANIFEST_FILE).open("rb") as file:
            found = msgspec.json.decode(file.read(MAX_MANIFEST_BYTES), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        msg = f"{folder} is no backup: {error}. See: onecard backup list"
        raise BackupError(msg) from error
    if found.format > FORMAT:
        msg = f"{folder} was made by a newer version ({found.software}); restore it with that version"
        raise BackupError(msg)
    return found


def verified(folder: Path) -> Verified | None:
    """Return when a backup was tried last, or None."""
    try:
        with (folder / VERIFIED_FILE).open("rb") as file:
            return msgspec.json.decode(file.read(MAX_MANIFEST_BYTES), type=Verified)
    except (OSError, msgspec.MsgspecError):
        return None


def listed(folder: Path) -> list[Path]:
    """Return the finished backups in a folder, oldest first."""
    if not folder.is_dir():
        return []
    found = [path.parent for path in folder.glob(f"*/{MANIFEST_FILE}") if not path.parent.name.endswith(UNFINISHED)]
    return sorted(found)[-MAX_BACKUPS:]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def hashed_file(folder: Path, kind: Kind) -> Path:
    """Return the file whose hash the manifest holds."""
    return folder / BASE_FOLDER / "backup_manifest" if kind is Kind.BASE else folder / DUMP_FILE


def newest_made_at(folder: Path) -> datetime | None:
    """Return when the newest backup was made; None when there is none that can be read."""
    found = listed(folder)
    try:
        return read(found[-1]).made_at if found else None
    except BackupError:
        return None
