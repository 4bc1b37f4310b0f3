"""A disk under SQLite's own feet: a VFS that tells of every write, sync, truncation and deletion, and can refuse them.

It is the host's default VFS with five calls replaced, found with ctypes in the very library that the `sqlite3` module
uses. So the store runs unchanged, on real files, with real locks and shared memory.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import sqlite3
from enum import Enum
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import quote

OK = 0
FULL = 13
IOERR_SHORT_WRITE = 10 | 3 << 8
"""SQLITE_IOERR_WRITE: what the host's VFS answers when fewer bytes than asked reached the file."""
BUSY_SECONDS = 2.0


class Call(Enum):
    """What the store asks of a disk, and what it is told when that fails (sqlite3.h, extended result codes)."""

    OPEN = 14  # SQLITE_CANTOPEN
    WRITE = 10 | 3 << 8
    SYNC = 10 | 4 << 8
    TRUNCATE = 10 | 6 << 8
    DELETE = 10 | 10 << 8


class Refusal(Enum):
    """How a call fails."""

    EIO = "eio"
    ENOSPC = "enospc"
    """Only writes: a sync that runs out of room is an I/O error to SQLite."""
    SHORT = "short"
    """Half of the bytes reach the file."""


class Disk(Protocol):
    """Who is told, and who may refuse. `file` is a name without its folder."""

    def refuses(self, call: Call) -> Refusal | None:
        """Say before a call whether it fails."""
        ...

    def wrote(self, file: str, offset: int, data: bytes) -> None:
        """Take what reached the file, not necessarily the platter."""
        ...

    def truncated(self, file: str, size: int) -> None:
        """Take a new length."""
        ...

    def synced(self, file: str, *, well: bool) -> None:
        """Take a sync; one that did not go well leaves everything before it in doubt for ever."""
        ...

    def deleted(self, file: str) -> None:
        """Take a deletion."""
        ...


_File = ctypes.c_void_p
_Name = ctypes.c_void_p
"""SQLite's own pointer, never a copy: the host's VFS keeps it for as long as the file is open."""
_OPEN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, _Name, _File, ctypes.c_int, ctypes.c_void_p)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, _Name, ctypes.c_int)
_CLOSE = ctypes.CFUNCTYPE(ctypes.c_int, _File)
_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, _File, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, _File, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, _File, ctypes.c_int)


_LEFT_OPEN: list[WatchedVfs] = []


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 3; what is not replaced is carried over as it is."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("close", _CLOSE),
        ("read", ctypes.c_void_p),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("others", ctypes.c_void_p * 13),
    )


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_bytes", ctypes.c_int),
        ("path_bytes", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("others", ctypes.c_void_p * 14),
    )


class WatchedVfs:
    """See the module. Use it in a `with`: SQLite keeps pointers to it until the end of the block."""

    def __init__(self, name: str, disk: Disk) -> None:
        """Register beside the default VFS, which stays the default."""
        self.disk = disk
        self._library = ctypes.CDLL(_sqlite3.__file__)
        self._library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._host: _Vfs = self._library.sqlite3_vfs_find(None).contents
        self._vfs = _Vfs.from_buffer_copy(self._host)
        self._name = name
        self._vfs.name, self._vfs.next = name.encode(), None
        self._vfs.open, self._vfs.delete = _OPEN(self._open), _DELETE(self._delete)
        self._files: dict[int, str] = {}
        self._methods: dict[int, tuple[_Methods, _Methods]] = {}
        self._of_file: dict[int, _Methods] = {}
        if self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 0) != OK:
            msg = f"SQLite does not register the VFS {name}"
            raise RuntimeError(msg)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))
        if self._files:  # a test failed: SQLite still calls us when the connections are collected
            _LEFT_OPEN.append(self)

    def connect(self, path: Path, factory: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
        """Open a file as the store does, through this VFS."""
        return sqlite3.connect(
            f"file:{quote(str(path))}?vfs={self._name}",
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
            factory=factory,
        )

    # --- the replaced calls: (file, ...) -> result code. Exceptions must not cross into C: nothing here raises -------

    def _open(self, _vfs: int, path: int | None, file: int, flags: int, out: int | None) -> int:
        if self.disk.refuses(Call.OPEN):
            ctypes.c_void_p.from_address(file).value = None
            return Call.OPEN.value
        code: int = self._host.open(ctypes.addressof(self._host), path, file, flags, out)
        table = ctypes.c_void_p.from_address(file)
        if code == OK and table.value and path is not None:
            host, ours = self._tables(table.value)
            self._files[file], self._of_file[file] = _name(path), host
            table.value = ctypes.addressof(ours)
        return code

    def _tables(self, address: int) -> tuple[_Methods, _Methods]:
        """Return the host's table of methods, and ours for files of that kind."""
        if address not in self._methods:
            host = _Methods.from_address(address)
            ours = _Methods.from_buffer_copy(host)
            ours.close, ours.write = _CLOSE(self._close), _WRITE(self._write)
            ours.truncate, ours.sync = _TRUNCATE(self._truncate), _SYNC(self._sync)
            self._methods[address] = host, ours
        return self._methods[address]

    def _close(self, file: int) -> int:
        code: int = self._of_file.pop(file).close(file)
        del self._files[file]
        return code

    def _write(self, file: int, data: int, count: int, offset: int) -> int:
        refusal = self.disk.refuses(Call.WRITE)
        if refusal is Refusal.ENOSPC:
            return FULL
        if refusal is Refusal.EIO:
            return Call.WRITE.value
        count = count // 2 if refusal is Refusal.SHORT else count
        code: int = self._of_file[file].write(file, data, count, offset)
        if code == OK:
            self.disk.wrote(self._files[file], offset, ctypes.string_at(data, count))
        return IOERR_SHORT_WRITE if refusal is Refusal.SHORT and code == OK else code

    def _truncate(self, file: int, size: int) -> int:
        if self.disk.refuses(Call.TRUNCATE):
            return Call.TRUNCATE.value
        code: int = self._of_file[file].truncate(file, size)
        if code == OK:
            self.disk.truncated(self._files[file], size)
        return code

    def _sync(self, file: int, flags: int) -> int:
        refused = self.disk.refuses(Call.SYNC) is not None
        code: int = Call.SYNC.value if refused else self._of_file[file].sync(file, flags)
        self.disk.synced(self._files[file], well=code == OK)
        return code

    def _delete(self, _vfs: int, path: int, sync_folder: int) -> int:
        if self.disk.refuses(Call.DELETE):
            return Call.DELETE.value
        code: int = self._host.delete(ctypes.addressof(self._host), path, sync_folder)
        if code == OK:
            self.disk.deleted(_name(path))
        return code


def _name(path: int) -> str:
    return ctypes.string_at(path).decode().rpartition("/")[2]
