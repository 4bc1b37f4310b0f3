"""Commands of OSDP 2.2 as frozen dataclasses, to data bytes and back (SIA OSDP 2.2 annex A, commands).

Pure codec, both ways, so that a mock reader can read what the panel wrote. Policy (what may be sent when) is not here.
Multi-byte numbers are little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from reader_daemon.protocols.osdp.codes import CommandCode
from reader_daemon.protocols.osdp.lamps import LED_RECORD_BYTES, LedRecord, led_bytes, led_record

_OUT_RECORD_BYTES = 4
_BUZZER_BYTES = 5
_TEXT_HEADER_BYTES = 6
_COMSET_BYTES = 5
_KEYSET_HEADER_BYTES = 2
_NONCE_BYTES = 8
_CRYPTOGRAM_BYTES = 16
_VENDOR_BYTES = 3
_KEY_TYPE_SCBK = 1
_TWO_BYTES = 2
MAX_TEXT_CHARACTERS = 32


class MalformedDataError(ValueError):
    """Data bytes that do not fit the code they came with. A reader answers NAK 2 to such a command."""


@dataclass(frozen=True, slots=True)
class Poll:
    """POLL: anything new."""

    code: ClassVar[int] = CommandCode.POLL


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """ID: who are you. Answer PDID."""

    code: ClassVar[int] = CommandCode.ID


@dataclass(frozen=True, slots=True)
class RequestCapabilities:
    """CAP: what can you do. Answer PDCAP."""

    code: ClassVar[int] = CommandCode.CAP


@dataclass(frozen=True, slots=True)
class RequestLocalStatus:
    """LSTAT: tamper and power. Answer LSTATR."""

    code: ClassVar[int] = CommandCode.LSTAT


@dataclass(frozen=True, slots=True)
class RequestInputs:
    """ISTAT: all inputs. Answer ISTATR."""

    code: ClassVar[int] = CommandCode.ISTAT


@dataclass(frozen=True, slots=True)
class RequestOutputs:
    """OSTAT: all outputs. Answer OSTATR."""

    code: ClassVar[int] = CommandCode.OSTAT


@dataclass(frozen=True, slots=True)
class RequestReaders:
    """RSTAT: all readers behind the device. Answer RSTATR."""

    code: ClassVar[int] = CommandCode.RSTAT


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One output: number, `codes.OutputControl`, timer in units of 100 ms (0..65535)."""

    output: int
    control: int
    timer_100ms: int = 0


@dataclass(frozen=True, slots=True)
class SetOutputs:
    """OUT: relays. Answer ACK or OSTATR."""

    code: ClassVar[int] = CommandCode.OUT
    records: tuple[OutputRecord, ...]


@dataclass(frozen=True, slots=True)
class SetLeds:
    """LED: lamps."""

    code: ClassVar[int] = CommandCode.LED
    records: tuple[LedRecord, ...]


@dataclass(frozen=True, slots=True)
class SetBuzzer:
    """BUZ: `codes.BuzzerTone`; times in 100 ms. Count 0 sounds for ever."""

    code: ClassVar[int] = CommandCode.BUZ
    reader: int
    tone: int
    on_100ms: int
    off_100ms: int
    count: int


@dataclass(frozen=True, slots=True)
class ShowText:
    """TEXT: `codes.TextMode`; row and column count from 1; ASCII."""

    code: ClassVar[int] = CommandCode.TEXT
    reader: int
    mode: int
    temporary_seconds: int
    row: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class SetLine:
    """COMSET: new address and baud rate. Answer COM at the old settings, then both switch."""

    code: ClassVar[int] = CommandCode.COMSET
    address: int
    baud: int


@dataclass(frozen=True, slots=True)
class SetKey:
    """KEYSET: a new 16-byte SCBK."""

    code: ClassVar[int] = CommandCode.KEYSET
    scbk: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """CHLNG: RND.A, 8 bytes, under SCS_11."""

    code: ClassVar[int] = CommandCode.CHLNG
    rnd_a: bytes


@dataclass(frozen=True, slots=True)
class ServerCryptogram:
    """SCRYPT: 16 bytes, under SCS_13."""

    code: ClassVar[int] = CommandCode.SCRYPT
    cryptogram: bytes


@dataclass(frozen=True, slots=True)
class SetReceiveSize:
    """ACURXSIZE: the largest frame the panel takes, bytes."""

    code: ClassVar[int] = CommandCode.ACURXSIZE
    size_bytes: int


@dataclass(frozen=True, slots=True)
class KeepActive:
    """KEEPACTIVE: keep the reader's field on for this long."""

    code: ClassVar[int] = CommandCode.KEEPACTIVE
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Abort:
    """ABORT: stop what you are doing."""

    code: ClassVar[int] = CommandCode.ABORT


@dataclass(frozen=True, slots=True)
class VendorCommand:
    """MFG: free content for one vendor (3-byte code)."""

    code: ClassVar[int] = CommandCode.MFG
    vendor: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class OtherCommand:
    """A command this codec has no layout for; its data is kept as it came."""

    code: int
    data: bytes


Command = (
    Poll
    | RequestIdentity
    | RequestCapabilities
    | RequestLocalStatus
    | RequestInputs
    | RequestOutputs
    | RequestReaders
    | SetOutputs
    | SetLeds
    | SetBuzzer
    | ShowText
    | SetLine
    | SetKey
    | Challenge
    | ServerCryptogram
    | SetReceiveSize
    | KeepActive
    | Abort
    | VendorCommand
    | OtherCommand
)

_WITHOUT_DATA: dict[int, Command] = {
    command.code: command
    for command in (Poll(), RequestLocalStatus(), RequestInputs(), RequestOutputs(), RequestReaders(), Abort())
}


def encode_data(command: Command) -> bytes:  # noqa: C901, PLR0911 - one case a command
    """Return the data bytes behind the command's code. Raises OverflowError/ValueError if a field is out of range."""
    match command:
        case RequestIdentity() | RequestCapabilities():
            return b"\0"
        case SetOutputs(records):
            return b"".join(bytes((r.output, r.control)) + r.timer_100ms.to_bytes(2, "little") for r in records)
        case SetLeds(records):
            return b"".join(led_bytes(record) for record in records)
        case SetBuzzer(reader, tone, on_100ms, off_100ms, count):
            return bytes((reader, tone, on_100ms, off_100ms, count))
        case ShowText(reader, mode, seconds, row, column, text):
            characters = text.encode("ascii", "replace")
            return bytes((reader, mode, seconds, row, column, len(characters))) + characters
        case SetLine(address, baud):
            return bytes((address,)) + baud.to_bytes(4, "little")
        case SetKey(scbk):
            return bytes((_KEY_TYPE_SCBK, len(scbk))) + scbk
        case Challenge(rnd_a):
            return rnd_a
        case ServerCryptogram(cryptogram):
            return cryptogram
        case SetReceiveSize(number) | KeepActive(number):
            return number.to_bytes(2, "little")
        case VendorCommand(vendor, content):
            return vendor + content
        case OtherCommand(_, data):
            return data
        case _:
            return b""


def _require(fits: bool, code: int, data: bytes) -> None:  # noqa: FBT001 - reads as an assertion
    if not fits:
        msg = f"command 0x{code:02X} with {len(data)} data bytes"
        raise MalformedDataError(msg)


def _records(code: int, data: bytes, record_bytes: int) -> list[bytes]:
    _require(bool(data) and len(data) % record_bytes == 0, code, data)
    return [data[start : start + record_bytes] for start in range(0, len(data), record_bytes)]


def decode_command(code: int, data: bytes) -> Command:  # noqa: C901, PLR0911 - one case a command
    """Read a command from its code and clear data bytes. Raises MalformedDataError if they do not fit."""
    match code:
        case _ if code in _WITHOUT_DATA:
            _require(not data, code, data)
            return _WITHOUT_DATA[code]
        case CommandCode.ID:
            _require(len(data) == 1, code, data)
            return RequestIdentity()
        case CommandCode.CAP:
            _require(len(data) == 1, code, data)
            return RequestCapabilities()
        case CommandCode.OUT:
            outs = _records(code, data, _OUT_RECORD_BYTES)
            return SetOutputs(tuple(OutputRecord(r[0], r[1], int.from_bytes(r[2:], "little")) for r in outs))
        case CommandCode.LED:
            return SetLeds(tuple(led_record(record) for record in _records(code, data, LED_RECORD_BYTES)))
        case CommandCode.BUZ:
            _require(len(data) == _BUZZER_BYTES, code, data)
            return SetBuzzer(*data)
        case CommandCode.TEXT:
            header, characters = data[:_TEXT_HEADER_BYTES], data[_TEXT_HEADER_BYTES:]
            _require(len(header) == _TEXT_HEADER_BYTES and header[-1] == len(characters), code, data)
            reader, mode, seconds, row, column, _ = header
            return ShowText(reader, mode, seconds, row, column, characters.decode("ascii", "replace"))
        case CommandCode.COMSET:
            _require(len(data) == _COMSET_BYTES, code, data)
            return SetLine(data[0], int.from_bytes(data[1:], "little"))
        case CommandCode.KEYSET:
            key = data[_KEYSET_HEADER_BYTES:]
            _require(tuple(data[:_KEYSET_HEADER_BYTES]) == (_KEY_TYPE_SCBK, len(key)), code, data)
            _require(len(key) == _CRYPTOGRAM_BYTES, code, data)
            return SetKey(key)
        case CommandCode.CHLNG:
            _require(len(data) == _NONCE_BYTES, code, data)
            return Challenge(data)
        case CommandCode.SCRYPT:
            _require(len(data) == _CRYPTOGRAM_BYTES, code, data)
            return ServerCryptogram(data)
        case CommandCode.ACURXSIZE | CommandCode.KEEPACTIVE:
            _require(len(data) == _TWO_BYTES, code, data)
            number = int.from_bytes(data, "little")
            return SetReceiveSize(number) if code == CommandCode.ACURXSIZE else KeepActive(number)
        case CommandCode.MFG:
            _require(len(data) >= _VENDOR_BYTES, code, data)
            return VendorCommand(data[:_VENDOR_BYTES], data[_VENDOR_BYTES:])
        case _:
            return OtherCommand(code, data)
