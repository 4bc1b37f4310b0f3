"""The journal's chain: what was written verifies, and any change shows."""

from __future__ import annotations

from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from cardcore.ids import CredentialKey, DeviceId, TapKey
from cardcore.journal import (
    START,
    Body,
    DeviceEvent,
    Intent,
    Line,
    Outcome,
    OutcomeKind,
    Purpose,
    Record,
    Stamp,
    Verdict,
    authentic,
    first_break,
    read_body,
    write_record,
)

DEVICE = DeviceId(UUID(int=7))
KEY = bytes(range(32))
stamps = st.builds(Stamp, st.integers(0, 2**42), st.integers(0, 2**42), st.text(max_size=8))
verdicts = st.builds(
    Verdict, st.booleans(), st.text(max_size=20), st.integers(0, 9), st.booleans(), st.integers(0, 9999)
)
bodies = st.one_of(
    st.builds(
        Intent, st.text(max_size=36), st.sampled_from(Purpose), st.text(max_size=8), st.text(max_size=8),
        st.text(max_size=20).map(CredentialKey), stamps, st.integers(0, 99),
    ),
    st.builds(Outcome, st.integers(1, 99), st.sampled_from(OutcomeKind), verdicts, stamps),
    st.builds(DeviceEvent, st.text(max_size=8), st.text(max_size=8), st.text(max_size=40), stamps),
)  # fmt: skip


def written(items: list[Body]) -> list[Record]:
    records: list[Record] = []
    for seq, body in enumerate(items, 1):
        previous = records[-1].hash if records else START.hash
        records.append(write_record(TapKey(DEVICE, 1, seq), previous, body, KEY))
    return records


@given(st.lists(bodies, max_size=6))
def test_a_written_journal_verifies_and_reads_back(items: list[Body]) -> None:
    records = written(items)
    assert first_break(START, records) is None
    assert [read_body(record) for record in records] == items
    assert all(authentic(record, TapKey(DEVICE, 1, record.seq), KEY) for record in records)


@given(st.lists(bodies, min_size=2, max_size=5), st.data())
def test_a_removed_or_swapped_record_breaks_the_chain(items: list[Body], data: st.DataObject) -> None:
    records = written(items)
    gone = data.draw(st.integers(0, len(records) - 2))
    assert first_break(START, records[:gone] + records[gone + 1 :]) == records[gone + 1].seq


@given(bodies, st.sampled_from(["body", "previous", "hash", "mac"]), st.data())
def test_any_flipped_bit_is_seen(body: Body, field: str, data: st.DataObject) -> None:
    (record,) = written([body])
    value = bytearray(getattr(record, field))
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    value[bit // 8] ^= 1 << bit % 8
    changed = msgspec.structs.replace(record, **{field: bytes(value)})
    assert not authentic(changed, TapKey(DEVICE, 1, 1), KEY)


@given(bodies)
def test_a_record_belongs_to_one_device_epoch_and_seq(body: Body) -> None:
    (record,) = written([body])
    other = DeviceId(UUID(int=8))
    for key in (TapKey(other, 1, 1), TapKey(DEVICE, 2, 1), TapKey(DEVICE, 1, 2)):
        assert not authentic(record, key, KEY)
    assert not authentic(record, TapKey(DEVICE, 1, 1), bytes(32))


def test_a_body_of_a_newer_version_is_read_with_what_is_known_and_a_strange_one_is_none() -> None:
    (record,) = written([DeviceEvent("tamper", "g01", "", Stamp(1, 1, "b"))])
    newer = msgspec.structs.replace(record, body=record.body[:-1] + b',"colour":"red"}')
    assert read_body(newer) == read_body(record)
    assert read_body(msgspec.structs.replace(record, body=b'{"kind":"hologram"}')) is None
    assert read_body(msgspec.structs.replace(record, body=b"\xff")) is None


class OlderIntent(msgspec.Struct, frozen=True, tag_field="kind", tag="intent"):
    """An intent as boxes wrote it before there were amounts and lines."""

    tap: str
    purpose: str
    place: str
    reader: str
    credential: str
    stamp: Stamp
    policy_version: int
    possibly_stale: bool = False


def test_p21_an_older_box_and_a_newer_server_read_one_another() -> None:
    values = ("t", "till", "t1", "r1", "uid:00000001", Stamp(1, 2, "boot"), 3)
    written = msgspec.json.encode(OlderIntent(*values))
    newer = msgspec.json.decode(written, type=Intent)
    assert (newer.amount, newer.lines, newer.possibly_stale) == (0, (), False)
    keyed = msgspec.structs.replace(newer, amount=1250, lines=(Line("1", 2, 625),))
    assert msgspec.json.decode(msgspec.json.encode(keyed), type=OlderIntent) == OlderIntent(*values)
    assert msgspec.json.decode(msgspec.json.encode(keyed), type=Intent) == keyed
