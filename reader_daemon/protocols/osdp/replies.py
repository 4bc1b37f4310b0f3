"""Replies of OSDP 2.2 as frozen dataclasses, to data bytes and back (SIA OSDP 2.2 annex A, replies).

Pure codec, both ways, so that a mock reader can write what the panel reads. It believes nothing: whether a reply may
be acted on is the panel's policy. Multi-byte numbers are little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from reader_daemon.protocols.osdp.codes import ReplyCode
from reader_daemon.protocols.osdp.commands import MalformedDataError

_IDENTITY_BYTES = 12
_CAPABILITY_BYTES = 3
_LOCAL_STATUS_BYTES = 2
_RAW_HEADER_BYTES = 4
_FORMATTED_HEADER_BYTES = 3
_KEYPAD_HEADER_BYTES = 2
_LINE_BYTES = 5
_NONCE_BYTES = 8
_CRYPTOGRAM_BYTES = 16
_VENDOR_BYTES = 3


@dataclass(frozen=True, slots=True)
class Ack:
    """Done, nothing new."""

    code: ClassVar[int] = ReplyCode.ACK


@dataclass(frozen=True, slots=True)
class Nak:
    """Refused; `codes.NakReason`."""

    code: ClassVar[int] = ReplyCode.NAK
    reason: int


@dataclass(frozen=True, slots=True)
class Busy:
    """Not now: ask the same again."""

    code: ClassVar[int] = ReplyCode.BUSY


@dataclass(frozen=True, slots=True)
class Identity:
    """PDID: vendor (3 bytes, as one little-endian number), model, version, serial, firmware."""

    code: ClassVar[int] = ReplyCode.PDID
    vendor: int
    model: int
    version: int
    serial: int
    firmware: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class CapabilityRecord:
    """One line of PDCAP: `codes.Capability`, compliance level, count of items."""

    function: int
    compliance: int
    count: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """PDCAP. Read in clear text it is a hint, nothing more."""

    code: ClassVar[int] = ReplyCode.PDCAP
    records: tuple[CapabilityRecord, ...]

    def find(self, function: int) -> CapabilityRecord | None:
        """Return the line of that function, or None."""
        return next((record for record in self.records if record.function == function), None)


@dataclass(frozen=True, slots=True)
class LocalStatus:
    """LSTATR."""

    code: ClassVar[int] = ReplyCode.LSTATR
    tampered: bool
    power_fault: bool


@dataclass(frozen=True, slots=True)
class Inputs:
    """ISTATR: one byte an input: 0 inactive, 1 active, anything else a line fault."""

    code: ClassVar[int] = ReplyCode.ISTATR
    states: bytes


@dataclass(frozen=True, slots=True)
class Outputs:
    """OSTATR: one byte an output, 0 or 1."""

    code: ClassVar[int] = ReplyCode.OSTATR
    states: bytes


@dataclass(frozen=True, slots=True)
class Readers:
    """RSTATR: one byte a reader: 0 normal, 1 not connected, 2 tamper."""

    code: ClassVar[int] = ReplyCode.RSTATR
    states: bytes


@dataclass(frozen=True, slots=True)
class RawCard:
    """RAW: a card's bits, most significant first, padded on the right with 0. Format 0 raw, 1 parity/data/parity."""

    code: ClassVar[int] = ReplyCode.RAW
    reader: int
    card_format: int
    bit_count: int
    bits: bytes


@dataclass(frozen=True, slots=True)
class FormattedCard:
    """FMT: a card as characters. Deprecated since 2.2.2, still sent by old readers."""

    code: ClassVar[int] = ReplyCode.FMT
    reader: int
    direction: int
    characters: bytes


@dataclass(frozen=True, slots=True)
class Keypad:
    """KEYPAD: digits as ASCII 0-9, 0x7F for *, 0x0D for #."""

    code: ClassVar[int] = ReplyCode.KEYPAD
    reader: int
    digits: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """COM: address and baud rate in force."""

    code: ClassVar[int] = ReplyCode.COM
    address: int
    baud: int


@dataclass(frozen=True, slots=True)
class ClientCryptogram:
    """CCRYPT: the reader's unique id (8), RND.B (8) and cryptogram (16), under SCS_12."""

    code: ClassVar[int] = ReplyCode.CCRYPT
    unique_id: bytes
    rnd_b: bytes
    cryptogram: bytes


@dataclass(frozen=True, slots=True)
class InitialRMac:
    """RMAC_I: R-MAC0, 16 bytes, under SCS_14."""

    code: ClassVar[int] = ReplyCode.RMAC_I
    r_mac: bytes


@dataclass(frozen=True, slots=True)
class VendorReply:
    """MFGREP: free content of one vendor (3-byte code)."""

    code: ClassVar[int] = ReplyCode.MFGREP
    vendor: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class OtherReply:
    """A reply this codec has no layout for; its data is kept as it came."""

    code: int
    data: bytes


Reply = (
    Ack
    | Nak
    | Busy
    | Identity
    | Capabilities
    | LocalStatus
    | Inputs
    | Outputs
    | Readers
    | RawCard
    | FormattedCard
    | Keypad
    | Line
    | ClientCryptogram
    | InitialRMac
    | VendorReply
    | OtherReply
)


def encode_data(reply: Reply) -> bytes:  # noqa: C901, PLR0911 - one case a reply
    """Return the data bytes behind the reply's code. Raises OverflowError/ValueError if a field is out of range."""
    match reply:
        case Nak(reason):
            return bytes((reason,))
        case Identity(vendor, model, version, serial, firmware):
            who = vendor.to_bytes(3, "little") + bytes((model, version)) + serial.to_bytes(4, "little")
            return who + bytes(firmware)
        case Capabilities(records):
            return b"".join(bytes((r.function, r.compliance, r.count)) for r in records)
        case LocalStatus(tampered, power_fault):
            return bytes((tampered, power_fault))
        case Inputs(states) | Outputs(states) | Readers(states):
            return states
        case RawCard(reader, card_format, bit_count, bits):
            return bytes((reader, card_format)) + bit_count.to_bytes(2, "little") + bits
        case FormattedCard(reader, direction, characters):
            return bytes((reader, direction, len(characters))) + characters
        case Keypad(reader, digits):
            return bytes((reader, len(digits))) + digits
        case Line(address, baud):
            return bytes((address,)) + baud.to_bytes(4, "little")
        case ClientCryptogram(unique_id, rnd_b, cryptogram):
            return unique_id + rnd_b + cryptogram
        case InitialRMac(r_mac):
            return r_mac
        case VendorReply(vendor, content):
            return vendor + content
        case OtherReply(_, data):
            return data
        case _:
            return b""


def _require(fits: bool, code: int, data: bytes) -> None:  # noqa: FBT001 - reads as an assertion
    if not fits:
        msg = f"reply 0x{code:02X} with {len(data)} data bytes"
        raise MalformedDataError(msg)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def decode_reply(code: int, data: bytes) -> Reply:  # noqa: C901, PLR0911, PLR0912 - one case a reply
    """Read a reply from its code and clear data bytes. Raises MalformedDataError if the data does not fit the code."""
    match code:
        case ReplyCode.ACK:
            return Ack()
        case ReplyCode.NAK:
            _require(len(data) >= 1, code, data)
            return Nak(data[0])
        case ReplyCode.BUSY:
            return Busy()
        case ReplyCode.PDID:
            _require(len(data) == _IDENTITY_BYTES, code, data)
            firmware = (data[9], data[10], data[11])
            return Identity(_number(data[:3]), data[3], data[4], _number(data[5:9]), firmware)
        case ReplyCode.PDCAP:
            _require(len(data) % _CAPABILITY_BYTES == 0, code, data)
            starts = range(0, len(data), _CAPABILITY_BYTES)
            return Capabilities(tuple(CapabilityRecord(*data[s : s + _CAPABILITY_BYTES]) for s in starts))
        case ReplyCode.LSTATR:
            _require(len(data) == _LOCAL_STATUS_BYTES, code, data)
            return LocalStatus(tampered=bool(data[0]), power_fault=bool(data[1]))
        case ReplyCode.ISTATR:
            return Inputs(data)
        case ReplyCode.OSTATR:
            return Outputs(data)
        case ReplyCode.RSTATR:
            return Readers(data)
        case ReplyCode.RAW:
            return _raw_card(data)
        case ReplyCode.FMT:
            _require(len(data) >= _FORMATTED_HEADER_BYTES, code, data)
            _require(data[2] == len(data) - _FORMATTED_HEADER_BYTES, code, data)
            return FormattedCard(data[0], data[1], data[_FORMATTED_HEADER_BYTES:])
        case ReplyCode.KEYPAD:
            _require(len(data) >= _KEYPAD_HEADER_BYTES, code, data)
            _require(data[1] == len(data) - _KEYPAD_HEADER_BYTES, code, data)
            return Keypad(data[0], data[_KEYPAD_HEADER_BYTES:])
        case ReplyCode.COM:
            _require(len(data) == _LINE_BYTES, code, data)
            return Line(data[0], _number(data[1:]))
        case ReplyCode.CCRYPT:
            _require(len(data) == 2 * _NONCE_BYTES + _CRYPTOGRAM_BYTES, code, data)
            return ClientCryptogram(data[:8], data[8:16], data[16:])
        case ReplyCode.RMAC_I:
            _require(len(data) == _CRYPTOGRAM_BYTES, code, data)
            return InitialRMac(data)
        case ReplyCode.MFGREP:
            _require(len(data) >= _VENDOR_BYTES, code, data)
            return VendorReply(data[:_VENDOR_BYTES], data[_VENDOR_BYTES:])
        case _:
            return OtherReply(code, data)


def _raw_card(data: bytes) -> RawCard:
    """Read RAW; the bytes must be exactly what the bit count needs, or a torn read could pass for another card."""
    _require(len(data) >= _RAW_HEADER_BYTES, ReplyCode.RAW, data)
    bit_count = _number(data[2:4])
    bits = data[_RAW_HEADER_BYTES:]
    _require(bit_count > 0 and len(bits) == (bit_count + 7) // 8, ReplyCode.RAW, data)
    return RawCard(data[0], data[1], bit_count, bits)
