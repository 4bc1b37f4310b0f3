"""A bus carries every byte to every reader, and can be cut, noisy and slow."""

from __future__ import annotations

from firmware_mocks.osdp_reader import MultiDropBus, OsdpReader, ReaderSettings
from reader_daemon.protocols.osdp.codes import CommandCode
from reader_daemon.protocols.osdp.frames import Frame, encode
from tests.firmware_mocks.osdp_reader.asking import frames_in, seeded_bytes


def readers(*addresses: int) -> list[OsdpReader]:
    return [OsdpReader(f"g{at}", ReaderSettings(at), seeded_bytes(at).randbytes) for at in addresses]


def a_bus(*addresses: int) -> MultiDropBus:
    return MultiDropBus(readers(*addresses), seeded_bytes(0).randbytes)


def identify(address: int) -> bytes:
    return encode(Frame(address, is_reply=False, sequence=0, code=CommandCode.ID, data=b"\0"))


def test_each_reader_answers_for_itself() -> None:
    bus = a_bus(0, 1)
    for address in (0, 1, 0, 1):
        (reply,) = frames_in(bus.feed(identify(address), 0))
        assert reply.address == address


def test_nobody_answers_for_a_missing_address() -> None:
    assert a_bus(0, 1).feed(identify(7), 0) == b""


class Listener:
    """A device that only listens."""

    def __init__(self) -> None:
        self.heard = b""

    def feed(self, data: bytes, now_ms: int) -> bytes:
        self.heard += data
        return b""

    def advance(self, now_ms: int) -> bytes:
        return b""

    def next_due_ms(self) -> int | None:
        return None


def test_everybody_hears_everything_and_only_the_one_asked_answers() -> None:
    devices, listener = readers(0, 1), Listener()
    bus = MultiDropBus([*devices, listener], seeded_bytes(0).randbytes)
    answer = bus.feed(identify(0), 0)
    assert listener.heard == identify(0) + answer
    assert devices[1].counters.frames == 0
    assert frames_in(bus.feed(identify(1), 0))


def test_two_readers_of_one_address_talk_over_each_other() -> None:
    first, second = readers(3)[0], OsdpReader("twin", ReaderSettings(3, serial=99), seeded_bytes(3).randbytes)
    bus = MultiDropBus([first, second], seeded_bytes(0).randbytes)
    assert frames_in(bus.feed(identify(3), 0)) == []


def test_a_cut_line_carries_nothing_and_mends_by_itself() -> None:
    devices = readers(0)
    bus = MultiDropBus(devices, seeded_bytes(0).randbytes)
    bus.cut(60_000)
    assert bus.feed(identify(0), 59_999) == b""
    assert devices[0].counters.frames == 0
    assert frames_in(bus.feed(identify(0), 60_000))


def test_noise_spoils_its_share_of_transmissions() -> None:
    bus = a_bus(0)
    bus.set_noise(1.0)
    assert all(frames_in(bus.feed(identify(0), at)) == [] for at in range(0, 2_000, 100))
    bus.set_noise(0.0)
    assert frames_in(bus.feed(identify(0), 3_000))


def test_latency_delays_replies() -> None:
    bus = a_bus(0)
    bus.set_latency(150)
    assert bus.feed(identify(0), 1_000) == b""
    assert bus.next_due_ms() == 1_150
    assert bus.advance(1_149) == b""
    assert frames_in(bus.advance(1_150))
