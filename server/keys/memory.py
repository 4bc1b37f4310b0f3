"""Where key bytes lie in memory: on one page that is never swapped and never dumped, wiped at the end.

Python and OpenSSL make short-lived copies all the same, so this shortens the time a key can be found, and no more.
"""

from __future__ import annotations

import ctypes
import mmap
import resource

PAGE_BYTES = 64 * 1024
"""All masters of an installation: 4,096 keys of 16 bytes."""


class KeyMemoryFullError(RuntimeError):
    """More masters than one service holds."""


class LockedPage:
    """Bytes that the system neither swaps nor writes into a core dump; `repr` shows none of them."""

    def __init__(self) -> None:
        """Reserve the page. Where locking is not permitted the page is still kept out of dumps."""
        self._page = mmap.mmap(-1, PAGE_BYTES)
        if hasattr(mmap, "MADV_DONTDUMP"):
            self._page.madvise(mmap.MADV_DONTDUMP)
        self.is_locked = _locked(self._page)
        self._used = 0
        self._views: list[memoryview] = []

    def hold(self, value: bytes) -> memoryview:
        """Copy a key onto the page and return the view of it."""
        if self._used + len(value) > PAGE_BYTES:
            msg = f"one key service holds {PAGE_BYTES} bytes of keys; retire old epochs"
            raise KeyMemoryFullError(msg)
        start = self._used
        self._page[start : start + len(value)] = value
        self._used += len(value)
        view = memoryview(self._page)[start : start + len(value)]
        self._views.append(view)
        return view

    def wipe(self) -> None:
        """Overwrite everything with zeros and let go of it."""
        self._page[: self._used] = bytes(self._used)
        for view in self._views:
            view.release()
        self._views.clear()
        self._used = 0


def forbid_core_dumps() -> None:
    """Let this process, and what it starts, never write a core dump."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _locked(page: mmap.mmap) -> bool:
    address = ctypes.c_char.from_buffer(page)
    done: int = ctypes.CDLL(None).mlock(ctypes.byref(address), ctypes.c_size_t(PAGE_BYTES))
    del address  # else the page could not be closed
    return done == 0
