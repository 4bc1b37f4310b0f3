"""The keys of OSDP readers on this box's disk: one small file for its owner alone, replaced whole or not at all.

A write is durable when `put` returns: a new file is synced, put in the old one's place and the directory is synced. A
cut at any step leaves the old content or the new one. It draws no key and speaks to no reader. Keys are in no repr.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reader_daemon.protocols.osdp.keys import require_strong_key
from reader_daemon.protocols.osdp.replies import Identity
from reader_daemon.store.private_file import replace_private
from reader_daemon.store.sqlite_file import StoreUnusableError, sync_directory

FILE_NAME = "reader-keys.json"
MAX_FILE_BYTES = 1024 * 1024
_FORM = 1


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """What is kept of one reader."""

    current: bytes | None = field(default=None, repr=False)
    """The key that last opened a session; None before the first."""
    pending: bytes | None = field(default=None, repr=False)
    """A key that the reader was, or may have been, given and has not proved yet. The current one is kept until then."""
    identity: Identity | None = None
    """Vendor, model and serial that a session under its key named; another reader is not used (PDID)."""
    heard: bool = False
    """The current key crossed the line in install mode, or under a key that did: whoever listened then may know it."""
    pending_heard: bool = False
    """The same of the pending key."""
    origin: str = ""
    """Mark of the key file that this began with: another file means that a person put another key in by hand."""


class ReaderKeyFile:
    """See the module. One owner at a time."""

    def __init__(self, directory: Path) -> None:
        """Read what is there. Raises StoreUnusableError when it cannot be used as it is."""
        self._path = directory / FILE_NAME
        self._held = _read(self._path)

    def get(self, reader: str) -> HeldKeys | None:
        """Return what is kept of a reader."""
        return self._held.get(reader)

    def put(self, reader: str, held: HeldKeys) -> None:
        """Keep it, durably. Raises OSError: then nothing has changed, here or on the disk."""
        after = {**self._held, reader: held}
        content = json.dumps({"form": _FORM, "readers": {name: _plain(one) for name, one in after.items()}})
        replace_private(self._path, content.encode())
        self._held = after
        sync_directory(self._path.parent)


def _plain(held: HeldKeys) -> dict[str, Any]:
    identity = held.identity
    return {
        "current": None if held.current is None else held.current.hex(),
        "pending": None if held.pending is None else held.pending.hex(),
        "identity": None if identity is None else [identity.vendor, identity.model, identity.version, identity.serial],
        "heard": held.heard,
        "pending_heard": held.pending_heard,
        "origin": held.origin,
    }


def _read(path: Path) -> dict[str, HeldKeys]:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        return {}
    except OSError as error:
        msg = f"{path}: the readers' keys cannot be read: {error}"
        raise StoreUnusableError(msg) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        msg = f"{path}: others may read the readers' keys (mode {mode:o}); run: chmod 600 {path}"
        raise StoreUnusableError(msg)
    try:
        document = json.loads(content)
        if document["form"] != _FORM:
            msg = f"form {document['form']}"
            raise ValueError(msg)  # noqa: TRY301 - told below like every other damage
        return {name: _held(one) for name, one in document["readers"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = (
            f"{path}: damaged ({type(error).__name__}). Put back a copy of this box's data directory; without one, "
            "move the file away, set the readers back to their factory key and give them keys in install mode"
        )
        raise StoreUnusableError(msg) from error


def _held(one: dict[str, Any]) -> HeldKeys:
    identity = one["identity"]
    return HeldKeys(
        _key(one["current"]),
        _key(one["pending"]),
        None if identity is None else _identity([int(number) for number in identity]),
        bool(one["heard"]),
        bool(one["pending_heard"]),
        str(one["origin"]),
    )


def _identity(numbers: list[int]) -> Identity:
    vendor, model, version, serial = numbers
    return Identity(vendor, model, version, serial)


def _key(text: str | None) -> bytes | None:
    return None if text is None else require_strong_key(bytes.fromhex(text))
