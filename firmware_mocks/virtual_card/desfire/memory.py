"""What stays on the card when the field goes: applications, keys and their sets, files. No command, no session."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field
from typing import Any

FACTORY_SETTINGS = 0x0F
KEY_SET_LIMIT = 16
FREE = 14


class CardError(Exception):
    """The command fails with this status byte."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:02X}")
        self.status = status


@dataclass
class Key:
    """Sixteen bytes and a version."""

    value: bytes = bytes(16)
    version: int = 0


@dataclass
class File:
    """One file of any kind: 0 standard, 1 backup, 2 value, 3 linear, 4 cyclic records, 5 transaction MAC."""

    kind: int
    mode: int
    rights: int
    size: int = 0
    data: bytearray = field(default_factory=bytearray)
    lower: int = 0
    upper: int = 0
    value: int = 0
    limited: int = 0
    most_records: int = 0
    records: list[bytes] = field(default_factory=list)
    key: Key = field(default_factory=Key)
    counter: int = 0
    last_mac: bytes = bytes(8)

    @property
    def transactional(self) -> bool:
        """Whether changes wait for the commit."""
        return self.kind in {1, 2, 3, 4}

    def right(self, which: str) -> int:
        """Return the key number (or 14 free, 15 never) of read, write, both or change."""
        return self.rights >> {"read": 12, "write": 8, "both": 4, "change": 0}[which] & 15

    def settings(self) -> bytes:
        """Return what GetFileSettings says."""
        head = bytes([self.kind, self.mode]) + self.rights.to_bytes(2, "little")
        match self.kind:
            case 0 | 1:
                return head + self.size.to_bytes(3, "little")
            case 2:
                limits = (self.lower, self.upper, self.limited)
                return head + b"".join(each.to_bytes(4, "little", signed=True) for each in limits) + b"\0"
            case 5:
                return head + bytes([2, self.key.version])
            case _:
                numbers = (self.size, self.most_records, len(self.records))
                return head + b"".join(each.to_bytes(3, "little") for each in numbers)


@dataclass
class Application:
    """Keys in one or more sets, and files."""

    settings: int = FACTORY_SETTINGS
    key_sets: list[list[Key]] = field(default_factory=lambda: [[Key()]])
    set_versions: list[int] = field(default_factory=lambda: [0])
    most_sets: int = 1
    active: int = 0
    roll_key: int = 0
    files: dict[int, File] = field(default_factory=dict)

    @property
    def keys(self) -> list[Key]:
        """The active set."""
        return self.key_sets[self.active]

    def key(self, number: int) -> Key:
        """Return a key of the active set."""
        if number >= len(self.keys):
            raise CardError(0x40)
        return self.keys[number]

    def file(self, number: int) -> File:
        """Return a file."""
        if number not in self.files:
            raise CardError(0xF0)
        return self.files[number]

    def add_file(self, number: int, made: File) -> None:
        """Keep a new file."""
        if number in self.files:
            raise CardError(0xDE)
        if number > 31:  # noqa: PLR2004 - five bits name a file
            raise CardError(0x9E)
        self.files[number] = made

    def copy_of_files(self) -> dict[int, File]:
        """Return copies to write into until the commit."""
        return {number: copy.deepcopy(each) for number, each in self.files.items()}


def to_document(applications: dict[bytes, Application]) -> dict[str, object]:
    """Return the whole memory as JSON: virtual cards keep their keys in clear, they protect nothing."""
    return {aid.hex(): _plain(dataclasses.asdict(application)) for aid, application in applications.items()}


def from_document(document: dict[str, Any]) -> dict[bytes, Application]:
    """Read what `to_document` wrote; raises KeyError, TypeError or ValueError for anything else."""
    return {bytes.fromhex(aid): _application(each) for aid, each in document.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return value


def _application(each: dict[str, Any]) -> Application:
    sets = [[_key(key) for key in keys] for keys in each["key_sets"]]
    files = {int(number): _file(file) for number, file in each["files"].items()}
    return Application(**(each | {"key_sets": sets, "files": files}))


def _key(each: dict[str, Any]) -> Key:
    return Key(bytes.fromhex(each["value"]), each["version"])


def _file(each: dict[str, Any]) -> File:
    parts = {
        "data": bytearray.fromhex(each["data"]),
        "records": [bytes.fromhex(record) for record in each["records"]],
        "key": _key(each["key"]),
        "last_mac": bytes.fromhex(each["last_mac"]),
    }
    return File(**(each | parts))
