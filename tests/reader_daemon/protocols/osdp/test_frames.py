"""Properties of the frame splitter: chunking is invisible, corruption gives no other frame, memory is bounded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import SECURED_BLOCKS
from reader_daemon.protocols.osdp.frames import (
    MAX_FRAME_BYTES,
    BrokenFrame,
    Defect,
    Frame,
    FrameSplitter,
    decode,
    encode,
)

RAW = encode(Frame(5, True, 1, 0x50, bytes.fromhex("00011A0001234580")), mark=False)  # noqa: FBT003


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    block_type = draw(st.none() | st.integers(0x11, 0x18))
    return Frame(
        address=draw(st.integers(0, 0x7F)),
        is_reply=draw(st.booleans()),
        sequence=draw(st.integers(0, 3)),
        code=draw(st.integers(0, 255)),
        data=draw(st.binary(max_size=80)),
        block_type=block_type,
        block_data=draw(st.binary(max_size=4)) if block_type is not None else b"",
        mac=draw(st.binary(min_size=4, max_size=4)) if block_type in SECURED_BLOCKS else b"",
    )


@given(frames())
def test_decode_undoes_encode(frame: Frame) -> None:
    assert decode(encode(frame, mark=False)) == frame


@given(st.lists(frames(), max_size=6), st.data())
def test_any_chunking_gives_the_same_frames(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(encode(frame, mark=data.draw(st.booleans())) for frame in sent)
    splitter = FrameSplitter()
    found: list[Frame | BrokenFrame] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == sent


@settings(max_examples=500)
@given(st.binary(max_size=3_000), st.integers(1, 500))
def test_garbage_never_raises_and_is_not_kept(garbage: bytes, chunk: int) -> None:
    splitter = FrameSplitter()
    for start in range(0, len(garbage), chunk):
        splitter.feed(garbage[start : start + chunk])
        assert splitter.held_bytes <= MAX_FRAME_BYTES
    splitter.drop_partial()
    assert splitter.held_bytes == 0
    assert splitter.feed(RAW)[-1] == decode(RAW)


@given(st.binary(max_size=100))
def test_a_good_frame_behind_a_false_beginning_is_found_when_the_gap_ends(noise: bytes) -> None:
    splitter = FrameSplitter()
    found = splitter.feed(b"\x53\x05\x90\x05\x04" + noise + RAW)
    found += splitter.drop_partial()
    assert decode(RAW) in found


def test_a_good_frame_inside_a_bad_one_is_found_at_once() -> None:
    false_start = bytes((0x53, 5, 5 + len(RAW), 0, 4))
    assert FrameSplitter().feed(false_start + RAW)[-1] == decode(RAW)


def test_every_single_and_double_bit_error_is_noticed() -> None:
    bits = len(RAW) * 8
    value = int.from_bytes(RAW, "big")
    for first in range(bits):
        for second in range(first, bits):
            flipped = value ^ (1 << first) ^ (1 << second if second != first else 0)
            found = FrameSplitter().feed(flipped.to_bytes(len(RAW), "big"))
            assert not [frame for frame in found if isinstance(frame, Frame) and frame.has_crc]


@settings(max_examples=2_000)
@given(st.integers(0, len(RAW) * 8 - 1), st.integers(1, 2**16 - 1))
def test_a_burst_error_never_gives_another_card(start: int, pattern: int) -> None:
    value = int.from_bytes(RAW, "big") ^ (pattern << start) % (1 << len(RAW) * 8)
    corrupted = value.to_bytes(len(RAW), "big")
    for frame in FrameSplitter().feed(corrupted):
        if isinstance(frame, Frame) and frame.has_crc:
            assert frame == decode(RAW)


def test_defects_are_named() -> None:
    assert decode(b"\x53\x05") == BrokenFrame(Defect.LENGTH)
    assert decode(RAW[:-1] + b"\0") == BrokenFrame(Defect.CHECK)
    assert FrameSplitter().feed(b"\x53\x05\x08\x00\xf4\x60\x00\x00") == [BrokenFrame(Defect.CONTROL)]
    assert FrameSplitter().feed(b"\x53\x05\xff\xff\x04") == [BrokenFrame(Defect.LENGTH)]


def test_a_frame_longer_than_agreed_is_refused_before_it_is_buffered() -> None:
    splitter = FrameSplitter(max_frame_bytes=64)
    assert splitter.feed(b"\x53\x05\x41\x00\x04" + bytes(20)) == [BrokenFrame(Defect.LENGTH)]
    assert splitter.held_bytes == 0


@given(st.integers(0, 255), st.binary(max_size=40))
def test_commands_survive_the_round_trip_or_are_refused(code: int, data: bytes) -> None:
    try:
        command = commands.decode_command(code, data)
    except commands.MalformedDataError:
        return
    assert commands.decode_command(command.code, commands.encode_data(command)) == command


@given(st.integers(0, 255), st.binary(max_size=40))
def test_replies_survive_the_round_trip_or_are_refused(code: int, data: bytes) -> None:
    try:
        reply = replies.decode_reply(code, data)
    except commands.MalformedDataError:
        return
    assert replies.decode_reply(reply.code, replies.encode_data(reply)) == reply
