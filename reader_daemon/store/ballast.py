"""A preallocated file that is given up when the disk is full, so that the daemon can still record that it stopped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

BALLAST_BYTES = 8 * 1024 * 1024
ROOM_TO_RENEW = 4
"""Free space, in ballasts, before a reserve that was given up is taken again: it must not fill the disk anew."""
_CHUNK = bytes(64 * 1024)


class Ballast:
    """One file of `size_bytes` in the data directory."""

    def __init__(self, path: Path, size_bytes: int = BALLAST_BYTES) -> None:
        """Name the file; nothing is written yet."""
        self._path = path
        self._size_bytes = size_bytes

    @property
    def held(self) -> bool:
        """Whether the reserve is there in full."""
        return self._path.exists() and self._path.stat().st_size >= self._size_bytes

    def take(self) -> bool:
        """Write the file if it is not there; returns whether the reserve is held (a full disk gives False)."""
        if self.held:
            return True
        try:
            with self._path.open("wb") as file:
                for _ in range(0, self._size_bytes, len(_CHUNK)):
                    file.write(_CHUNK)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.drop()
            return False
        return True

    def renew(self) -> bool:
        """Take the reserve again once the disk has room; returns whether it is held."""
        if self.held:
            return True
        try:
            free = shutil.disk_usage(self._path.parent).free
        except OSError:
            return False
        return free >= self._size_bytes * ROOM_TO_RENEW and self.take()

    def drop(self) -> None:
        """Give the room back."""
        self._path.unlink(missing_ok=True)
