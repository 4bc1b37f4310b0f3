"""A batch's rows in PostgreSQL's binary form: one array of a composite type a table.

Shapes are those of PostgreSQL's `record_send` and `array_send`: a row is its number of fields, then of each field the
type's OID, the length (-1 = null) and the bytes; an array is dimensions, has-nulls, element OID, size, lower bound and
the elements with their lengths. All integers are big-endian. The order of fields is that of the types in the migration
`batch_rows`; fixed fields that are never null stand first, so that one `struct` packs them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from struct import Struct
from typing import TypeVar
from uuid import UUID

from server.taps.rows import ChargeInsert, RecordInsert, TransferInsert

_BOOL, _BYTEA, _INT8, _INT2, _INT4, _TEXT, _JSON = 16, 17, 20, 21, 23, 25, 114
_DATE, _TIMESTAMPTZ, _UUID = 1082, 1184, 2950
"""OIDs of PostgreSQL's own types (pg_type.dat); they never change."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(2000, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)
MAX_CACHED_TEXTS = 4_096
"""Encoded names of places, meals and reasons that are kept; they are few and come again."""

Item = TypeVar("Item")

_head = Struct(">ii").pack
_flag = Struct(">ii?").pack
_long = Struct(">iiq").pack
_guid = Struct(">ii16s").pack
_day = Struct(">iii").pack
_array = Struct(">iiiii").pack
_empty = Struct(">iii").pack
_size = Struct(">i").pack
_SIXTEEN = _size(16)


def _fixed(*fields: str) -> Struct:
    """Return the packer of a row's fixed part: the row's number of fields, then OID, length and value of each."""
    return Struct(">i" + "".join(f"ii{code}" for code in fields))


_NULL = {oid: _head(oid, -1) for oid in (_BOOL, _DATE, _INT8, _TEXT, _UUID)}
_NULL_BOOL, _NULL_LONG, _NULL_TEXT, _NULL_UUID = _NULL[_BOOL], _NULL[_INT8], _NULL[_TEXT], _NULL[_UUID]
_NULL_DATE = _NULL[_DATE]
_U, _Q, _T, _D, _B, _H = "16s", "q", "q", "i", "?", "h"

_record = _fixed(_U, _Q, _Q, _U, _B, _Q, _Q, _T, _T).pack
_charge = _fixed(_U, _U, _U, _Q, _Q, _H, _D, _Q, _B, _T, _T).pack
_transfer = _fixed(_U, _U, _U, _U, _Q, _D, _T, _T).pack
_purse = _fixed(_U, _Q).pack
_meal = _fixed(_U, _D).pack
_meal_end = Struct(">iiiiiq").pack
_journal = _fixed(_U, _Q, _Q, _Q).pack
_outbox = _fixed(_U, _U).pack

_texts: dict[str, bytes] = {}


def array_of(element_oid: int, rows: Iterable[Item], encode: Callable[[Item], bytes]) -> bytes:
    """Return an array of rows of the composite type `element_oid`."""
    encoded = [encode(row) for row in rows]
    if not encoded:
        return _empty(0, 0, element_oid)
    parts = [_array(1, 0, element_oid, len(encoded), 1)]
    for row in encoded:
        parts += (_size(len(row)), row)
    return b"".join(parts)


def uuids(values: Sequence[UUID]) -> bytes:
    """Return a `uuid[]`."""
    if not values:
        return _empty(0, 0, _UUID)
    return _array(1, 0, _UUID, len(values), 1) + b"".join([_SIXTEEN + value.bytes for value in values])


def record_bytes(row: RecordInsert) -> bytes:
    """Return a `record_row`."""
    (
        device, epoch, seq, site, kind, tap_seq, purpose, place, credential, card, person, granted, reason, live,
        offline, outcome, amount, balance, meal, version, at, received, digest, previous, mac, body,
    ) = row  # fmt: skip
    return b"".join(
        (
            _record(
                26, _UUID, 16, device.bytes, _INT8, 8, epoch, _INT8, 8, seq, _UUID, 16, site.bytes, _BOOL, 1, live,
                _INT8, 8, amount, _INT8, 8, version, _TIMESTAMPTZ, 8, _micros(at), _TIMESTAMPTZ, 8, _micros(received),
            ),
            _name(kind), _name(place), _name(meal),
            _NULL_TEXT if purpose is None else _name(purpose),
            _NULL_TEXT if credential is None else _text(credential),
            _NULL_TEXT if reason is None else _name(reason),
            _NULL_TEXT if outcome is None else _name(outcome),
            _NULL_UUID if card is None else _guid(_UUID, 16, card.bytes),
            _NULL_UUID if person is None else _guid(_UUID, 16, person.bytes),
            _NULL_LONG if tap_seq is None else _long(_INT8, 8, tap_seq),
            _NULL_LONG if balance is None else _long(_INT8, 8, balance),
            _NULL_BOOL if granted is None else _flag(_BOOL, 1, granted),
            _NULL_BOOL if offline is None else _flag(_BOOL, 1, offline),
            _head(_BYTEA, len(digest)), digest, _head(_BYTEA, len(previous)), previous,
            _head(_BYTEA, len(mac)), mac, _head(_BYTEA, len(body)), body,
        )
    )  # fmt: skip


def charge_bytes(row: ChargeInsert) -> bytes:
    """Return a `charge_row`."""
    return b"".join(
        (
            _charge(
                19, _UUID, 16, row.id.bytes, _UUID, 16, row.site_id.bytes, _UUID, 16, row.device_id.bytes,
                _INT8, 8, row.epoch, _INT8, 8, row.seq, _INT2, 2, row.revision, _DATE, 4, _days(row.business_day),
                _INT8, 8, row.amount_fen, _BOOL, 1, row.offline,
                _TIMESTAMPTZ, 8, _micros(row.at), _TIMESTAMPTZ, 8, _micros(row.posted_at),
            ),
            _name(row.till_id), _name(row.stall_id), _name(row.meal_id), _name(row.flag),
            _NULL_UUID if row.reverses is None else _guid(_UUID, 16, row.reverses.bytes),
            _NULL_UUID if row.account_id is None else _guid(_UUID, 16, row.account_id.bytes),
            _NULL_UUID if row.person_id is None else _guid(_UUID, 16, row.person_id.bytes),
            _NULL_DATE if row.event_day is None else _day(_DATE, 4, _days(row.event_day)),
        )
    )  # fmt: skip


def transfer_bytes(row: TransferInsert) -> bytes:
    """Return a `transfer_row`."""
    return b"".join(
        (
            _transfer(
                14, _UUID, 16, row.id.bytes, _UUID, 16, row.site_id.bytes, _UUID, 16, row.from_account.bytes,
                _UUID, 16, row.to_account.bytes, _INT8, 8, row.amount_fen, _DATE, 4, _days(row.business_day),
                _TIMESTAMPTZ, 8, _micros(row.at), _TIMESTAMPTZ, 8, _micros(row.posted_at),
            ),
            _name(row.kind), _name(row.actor), _name(row.note),
            _NULL_LONG if row.from_balance_fen is None else _long(_INT8, 8, row.from_balance_fen),
            _NULL_LONG if row.to_balance_fen is None else _long(_INT8, 8, row.to_balance_fen),
            _NULL_UUID if row.charge_id is None else _guid(_UUID, 16, row.charge_id.bytes),
        )
    )  # fmt: skip


def purse_bytes(row: tuple[UUID, int]) -> bytes:
    """Return a `purse_row`: purse, balance in fen."""
    return _purse(2, _UUID, 16, row[0].bytes, _INT8, 8, row[1])


def meal_bytes(row: tuple[UUID, date, str, int, int]) -> bytes:
    """Return a `meal_row`: account, business day, meal, count and fen to add."""
    account, day, meal, count, fen = row
    return (
        _meal(5, _UUID, 16, account.bytes, _DATE, 4, _days(day))
        + _name(meal)
        + _meal_end(_INT4, 4, count, _INT8, 8, fen)
    )


def head_bytes(row: tuple[UUID, int, int, int, bytes]) -> bytes:
    """Return a `head_row`: device, epoch, `writes` as found, mark, hash at the mark."""
    device, epoch, writes, mark, digest = row
    fixed = _journal(5, _UUID, 16, device.bytes, _INT8, 8, epoch, _INT8, 8, writes, _INT8, 8, mark)
    return fixed + _head(_BYTEA, len(digest)) + digest


def outbox_bytes(row: tuple[UUID, UUID, str, bytes, datetime]) -> bytes:
    """Return an `outbox_row`: id, site, topic, JSON, instant."""
    row_id, site, topic, payload, at = row
    return b"".join(
        (
            _outbox(5, _UUID, 16, row_id.bytes, _UUID, 16, site.bytes),
            _name(topic),
            _head(_JSON, len(payload)),
            payload,
            _long(_TIMESTAMPTZ, 8, _micros(at)),
        )
    )


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _days(day: date) -> int:
    return day.toordinal() - _EPOCH_DAY


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _head(_TEXT, len(encoded)) + encoded


def _name(value: str) -> bytes:
    """Encode a text that comes again and again."""
    found = _texts.get(value)
    if found is None:
        if len(_texts) >= MAX_CACHED_TEXTS:
            _texts.clear()
        found = _texts[value] = _text(value)
    return found
