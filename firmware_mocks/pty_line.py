"""A serial line as a pseudo terminal in raw mode, reachable at a stable path.

The mock holds both ends, so that the line outlives the panel's open and close; bytes nobody reads are dropped as on
a wire. It knows nothing of what the bytes mean.
"""

from __future__ import annotations

import contextlib
import os
import pty
import termios
import tty
from pathlib import Path

READ_BYTES = 4_096


class PtyLine:
    """One line: `master` is the mock's file descriptor, `link` the path a panel opens."""

    def __init__(self, link: Path) -> None:
        """Open a fresh pseudo terminal and point `link` at it, replacing an older link (never a real file)."""
        self.link = link
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        link.parent.mkdir(parents=True, exist_ok=True)
        fresh = link.with_name(f".{link.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._slave))
        if link.exists() and not link.is_symlink():
            self._close_ends()
            fresh.unlink()
            msg = f"{link} exists and is no link: remove it or choose another state_dir"
            raise FileExistsError(msg)
        fresh.replace(link)

    def read(self) -> bytes:
        """Return what the panel has sent, b"" when there is nothing."""
        try:
            return os.read(self.master, READ_BYTES)
        except (BlockingIOError, OSError):
            return b""

    def write(self, data: bytes) -> int:
        """Put bytes on the line; returns how many were taken. What a full buffer refuses is lost."""
        try:
            return os.write(self.master, data)
        except (BlockingIOError, OSError):
            return 0

    def drop_unread(self) -> None:
        """Forget what stands unread in both directions."""
        termios.tcflush(self._slave, termios.TCIOFLUSH)

    def close(self) -> None:
        """Take the line away: the panel's open port fails, the path is gone."""
        self._close_ends()
        with contextlib.suppress(FileNotFoundError):
            self.link.unlink()

    def _close_ends(self) -> None:
        os.close(self.master)
        os.close(self._slave)
