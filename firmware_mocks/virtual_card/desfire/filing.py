"""File commands of the chip: who may, data, values, records, and the transaction that holds them together."""

from __future__ import annotations

from firmware_mocks.virtual_card.desfire.arithmetic import mac8, mac16
from firmware_mocks.virtual_card.desfire.memory import FREE, Application, CardError, File
from firmware_mocks.virtual_card.desfire.sessions import PLAIN, CardSession

DENIED = 0x9D
NOT_AUTHENTICATED = 0xAE
BOUNDARY = 0xBE
PARAMETER = 0x9E


def mode_for(file: File, session: CardSession | None, *rights: str) -> int:
    """Return how a command on a file is protected; raises 9D or AE when none of `rights` lets the asker in."""
    allowed = {file.right(which) for which in rights}
    if session is not None and session.key_number in allowed:
        return file.mode
    if FREE in allowed:
        return PLAIN
    raise CardError(NOT_AUTHENTICATED if session is None else DENIED)


def number(raw: bytes) -> int:
    """Read a number, low byte first."""
    return int.from_bytes(raw, "little")


class Transaction:
    """Changes that wait for the commit, and the record of commands that the transaction MAC covers."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._files: dict[int, File] | None = None
        self._covered = b""

    def changing(self, file_number: int) -> File:
        """Return the file to write into: a copy where the kind waits for the commit."""
        file = self._application.file(file_number)
        if not file.transactional:
            return file
        if self._files is None:
            self._files = self._application.copy_of_files()
        return self._files[file_number]

    def covers(self, instruction: int, header: bytes, body: bytes) -> None:
        """Remember a command, header and body each filled up to blocks with zeros."""
        head = bytes([instruction]) + header
        for part in (head, body):
            self._covered += part + bytes(-len(part) % 16)

    def abort(self) -> None:
        """Forget everything since the last commit."""
        self._files, self._covered = None, b""

    def commit(self, uid: bytes) -> bytes:
        """Put all changes in force at once; returns counter and MAC where the application has such a file."""
        if self._files is None:
            raise CardError(0x0C)
        for file_number, changed in self._files.items():
            if changed.transactional:
                self._application.files[file_number] = changed
        out = b""
        for file in self._application.files.values():
            if file.kind == 5:  # noqa: PLR2004 - transaction MAC
                out = self._seal(file, uid)
        self.abort()
        return out

    def _seal(self, file: File, uid: bytes) -> bytes:
        file.counter += 1
        counter = file.counter.to_bytes(4, "little")
        key = mac16(file.key.value, bytes([0x5A, 0, 1, 0, 0x80]) + counter + uid)
        file.last_mac = mac8(key, self._covered)
        return counter + file.last_mac


def create(instruction: int, header: bytes) -> File:
    """Make a file from the header of its creating command, without the file number."""
    mode, rights, rest = header[1], number(header[2:4]), header[4:]
    if mode not in (0, 1, 3):
        raise CardError(PARAMETER)
    match instruction:
        case 0xCD | 0xCB:
            size = number(rest[:3])
            return File(0 if instruction == 0xCD else 1, mode, rights, size, bytearray(size))  # noqa: PLR2004
        case 0xCC:
            lower, upper, value = (int.from_bytes(rest[at : at + 4], "little", signed=True) for at in (0, 4, 8))
            if not lower <= value <= upper:
                raise CardError(BOUNDARY)
            return File(2, mode, rights, lower=lower, upper=upper, value=value)
        case _:
            kind = 4 if instruction == 0xC0 else 3  # noqa: PLR2004
            return File(kind, mode, rights, number(rest[:3]), most_records=number(rest[3:6]))


def read(file: File, offset: int, length: int) -> bytes:
    """Read data; length 0 is all from the offset."""
    if file.kind == 5:  # noqa: PLR2004 - transaction MAC
        return file.counter.to_bytes(4, "little") + file.last_mac
    if file.kind not in (0, 1):
        raise CardError(0x9E)
    end = offset + (length or file.size - offset)
    if offset > file.size or end > file.size:
        raise CardError(BOUNDARY)
    return bytes(file.data[offset:end])


def write(file: File, offset: int, data: bytes) -> None:
    """Write data."""
    if file.kind not in (0, 1):
        raise CardError(0x9E)
    if offset + len(data) > file.size:
        raise CardError(BOUNDARY)
    file.data[offset : offset + len(data)] = data


def move(file: File, instruction: int, amount: int) -> None:
    """Credit (0C), debit (DC) or credit within the limit (1C)."""
    if file.kind != 2 or amount < 0:  # noqa: PLR2004 - value
        raise CardError(PARAMETER)
    changed = file.value - amount if instruction == 0xDC else file.value + amount  # noqa: PLR2004
    if not file.lower <= changed <= file.upper or (instruction == 0x1C and amount > file.limited):  # noqa: PLR2004
        raise CardError(BOUNDARY)
    file.value = changed


def add_record(file: File, offset: int, data: bytes) -> None:
    """Add a record; a cyclic file forgets its oldest, one place being kept for writing."""
    if file.kind not in (3, 4) or offset + len(data) > file.size:
        raise CardError(BOUNDARY)
    if file.kind == 4:  # noqa: PLR2004 - cyclic
        file.records = file.records[-(file.most_records - 2) :] if file.most_records > 2 else []  # noqa: PLR2004
    elif len(file.records) >= file.most_records:
        raise CardError(BOUNDARY)
    file.records.append((bytes(offset) + data).ljust(file.size, b"\0"))


def read_records(file: File, newest: int, count: int) -> bytes:
    """Read `count` records up to number `newest`, 0 the newest; 0 of them is all."""
    last = len(file.records) - newest
    first = last - (count or last)
    if file.kind not in (3, 4) or first < 0 or last <= first:
        raise CardError(BOUNDARY)
    return b"".join(file.records[first:last])
