"""Many readers on one line: nobody starves, dead addresses cost little, a cut line comes back for all."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest

from reader_daemon.messages import Beep, CardRead, CommandFinished, CommandResult, Lamp, LedColour, Pulse
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import CommandCode
from tests.reader_daemon.protocols.osdp.scripted_reader import ScriptedReader
from tests.reader_daemon.protocols.osdp.virtual_bus import KEYS, VirtualBus, one_reader, unchanged

CARD = replies.RawCard(0, 1, 26, bytes.fromhex("01234580"))


def bus_of(count: int) -> VirtualBus:
    bus = VirtualBus([ScriptedReader(number + 1, KEYS[number]) for number in range(count)])
    bus.run_until(lambda: all(bus.is_usable(name) for name in names(bus)), 5_000)
    bus.run(1_000)
    return bus


def names(bus: VirtualBus) -> list[str]:
    return [settings.name for settings in bus.settings]


def gaps_ms(reader: ScriptedReader, since_ms: int) -> list[int]:
    polls = [heard.ms for heard in reader.executed(commands.Poll) if heard.ms >= since_ms]
    return [after - before for before, after in pairwise(polls)]


def test_four_readers_on_a_bus_are_each_polled_within_50_ms() -> None:
    bus = bus_of(4)
    since = bus.ms
    bus.run(3_000)
    for reader in bus.readers:
        assert max(gaps_ms(reader, since)) <= 50


def test_sixteen_readers_share_the_line_evenly() -> None:
    bus = bus_of(16)
    since = bus.ms
    bus.run(5_000)
    counts = [len(gaps_ms(reader, since)) for reader in bus.readers]
    assert max(counts) - min(counts) <= 1
    assert max(max(gaps_ms(reader, since)) for reader in bus.readers) <= 16 * 12


def test_more_than_32_readers_are_all_in_use() -> None:
    bus = VirtualBus([ScriptedReader(number + 1, KEYS[number]) for number in range(40)])
    bus.run(10_000)
    assert all(bus.is_usable(name) for name in names(bus))
    for reader in bus.readers:
        reader.events.append(CARD)
    bus.run(2_000)
    assert {card.reader for card in bus.all(CardRead)} == set(names(bus))


def test_a_command_goes_before_the_polls_of_fifteen_others() -> None:
    bus = bus_of(16)
    submitted = bus.ms
    bus.submit("r9", Pulse(0, 500))
    bus.run(100)
    assert bus.readers[9].executed(commands.SetOutputs)[0].ms - submitted <= 30


def test_commands_to_one_reader_do_not_starve_the_polls_of_another() -> None:
    bus = bus_of(2)
    since = bus.ms
    for _ in range(100):
        for _ in range(4):
            bus.submit("r0", Lamp(LedColour.GREEN, 500))
        bus.run(20)
    assert len(bus.readers[0].executed(commands.SetLeds)) > 150
    assert max(gaps_ms(bus.readers[1], since)) <= 150


def test_a_dead_address_costs_its_neighbours_one_time_out_a_second() -> None:
    readers = [ScriptedReader(number + 1, KEYS[number]) for number in range(5)]
    for dead in readers[2:]:
        dead.powered = False
    bus = VirtualBus(readers)
    bus.run_until(lambda: bus.is_usable("r0") and bus.is_usable("r1"), 3_000)
    bus.run(5_000)
    since = bus.ms
    bus.run(10_000)
    probes = [ms for ms, frame in bus.sent if ms >= since and frame.address > 2]
    assert 9 <= len(probes) <= 11
    assert min(after - before for before, after in pairwise(probes)) >= 1_000
    assert {frame.address for ms, frame in bus.sent if ms >= since} == {1, 2, 3, 4, 5}
    late = [gap for gap in gaps_ms(readers[0], since) if gap > 60]
    assert len(late) <= 11
    assert max(late) <= 260


def test_a_lone_dead_reader_is_probed_once_a_second() -> None:
    bus = VirtualBus([ScriptedReader(1, KEYS[0], powered=False)])
    bus.run(60_000)
    assert 58 <= len(bus.sent) <= 61


def test_one_readers_power_cycle_costs_its_neighbours_no_session() -> None:
    bus = bus_of(4)
    since = bus.ms
    bus.readers[1].powered = False
    bus.run(4_000)
    bus.readers[1].power_cycle()
    bus.readers[1].powered = True
    bus.run_until(lambda: bus.is_usable("r1"), 3_000)
    for number in (0, 2, 3):
        assert len(bus.readers[number].executed(commands.Challenge)) == 1
        assert max(gaps_ms(bus.readers[number], since)) <= 260


@pytest.mark.parametrize("outage_ms", [5_000, 60_000])
def test_after_a_cut_of_the_whole_line_all_readers_are_usable_within_3_s(outage_ms: int) -> None:
    bus = bus_of(8)
    bus.line_up = False
    bus.run(outage_ms)
    bus.line_up = True
    bus.run_until(lambda: all(bus.is_usable(name) for name in names(bus)), 3_000)


@pytest.mark.parametrize("outage_ms", range(60_000, 64_000, 500))
def test_dead_neighbours_do_not_keep_the_others_out_after_a_cut(outage_ms: int) -> None:
    bus = bus_of(8)
    bus.line_up = False
    bus.run(outage_ms)
    for dead in bus.readers[::2]:
        dead.powered = False
    bus.line_up = True
    bus.run_until(lambda: all(bus.is_usable(name) for name in names(bus)[1::2]), 3_000)


def test_a_lost_port_takes_all_readers_offline_and_ends_all_commands_at_once() -> None:
    bus = bus_of(3)
    bus.to_panel = lambda _: b""
    sent = bus.submit("r0", Pulse(0, 500))
    bus.run_until(lambda: bus.sent[-1][1].code == CommandCode.OUT, 300)
    bus.to_panel = unchanged
    waiting = [bus.submit("r0", Beep(100)), bus.submit("r1", Beep(100))]
    bus.panel.line_lost(bus.now)
    bus.run(1)
    assert [bus.status(name).online for name in names(bus)] == [False] * 3
    assert bus.results(sent) == [CommandResult.UNKNOWN]
    assert [bus.results(number) for number in waiting] == [[CommandResult.EXPIRED]] * 2
    silent = len(bus.sent)
    bus.run(5_000)
    assert len(bus.sent) == silent
    bus.panel.line_restored(bus.now)
    bus.run_until(lambda: all(bus.is_usable(name) for name in names(bus)), 1_000)


def test_closing_completes_everything() -> None:
    bus = bus_of(1)
    numbers = [bus.submit("r0", Beep(100)) for _ in range(3)]
    bus.panel.tick(bus.now)
    bus.panel.close()
    finished = [event for event in bus.panel.take_events() if isinstance(event, CommandFinished)]
    assert sorted(event.command_id for event in finished) == numbers
    assert bus.panel.tick(bus.now) == b""


def test_a_late_answer_of_a_neighbour_is_not_taken_for_another_readers() -> None:
    bus = bus_of(2)
    original = bus.to_panel
    held: list[bytes] = []

    def late(message: bytes) -> bytes:
        if message.lstrip(b"\xff")[1] & 0x7F == 1 and not held:
            held.append(message)
            return b""
        if held and held[0]:
            first, held[0] = held[0], b""
            return first + message
        return message

    bus.to_panel = late
    bus.readers[0].events.append(CARD)
    bus.run(2_000)
    assert [card.reader for card in bus.all(CardRead)] == ["r0"]
    assert "mac_failures" not in bus.health("r1").counters
    assert bus.to_panel is late
    assert original(b"x") == b"x"


def test_five_per_cent_loss_neither_loses_nor_doubles_a_tap() -> None:
    bus, reader = one_reader()
    counter = [0]

    def lossy(message: bytes) -> bytes:
        counter[0] += 1
        return b"" if counter[0] * 7919 % 20 == 0 else message

    bus.to_panel = lossy
    bus.to_readers = lossy
    for number in range(1_000):
        reader.events.append(replies.RawCard(0, 0, 32, number.to_bytes(4, "big")))
        bus.run(60)
    bus.run(5_000)
    assert [card.credential for card in bus.all(CardRead)] == [f"wiegand:32-{n:08x}" for n in range(1_000)]
    assert bus.health().counters["retries"] > 50


def test_memory_is_flat_over_many_taps() -> None:
    bus, reader = one_reader()

    def taps(count: int) -> None:
        for number in range(count):
            reader.events.append(replies.RawCard(0, 0, 32, number.to_bytes(4, "big")))
            bus.run(60)
            bus.events.clear()
            bus.sent.clear()
            reader.heard.clear()

    taps(200)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        taps(800)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


def test_a_stream_of_submissions_stays_bounded_and_each_ends_once() -> None:
    bus, _ = one_reader()
    numbers = [bus.submit("r0", Beep(100)) for _ in range(500)]
    bus.run(5_000)
    assert all(len(bus.results(number)) == 1 for number in numbers)
    assert sum(bus.results(number) == [CommandResult.DONE] for number in numbers) == 16
    assert sum(frame.code == CommandCode.BUZ for _, frame in bus.sent) == 16
