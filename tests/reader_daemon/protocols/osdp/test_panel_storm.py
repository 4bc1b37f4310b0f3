"""Seeded storms on the line: whatever is lost, torn, doubled, delayed or injected, the promises about commands hold."""

from __future__ import annotations

from random import Random

import pytest

from reader_daemon.messages import Beep, CardRead, CommandResult, Pulse
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import CommandCode
from tests.reader_daemon.protocols.osdp.scripted_reader import ScriptedReader
from tests.reader_daemon.protocols.osdp.virtual_bus import KEYS, VirtualBus, assert_said_nothing_in_clear


class Storm:
    """Mangles messages by a seeded choice; `strength` is the share of messages hit."""

    def __init__(self, random: Random, strength: float) -> None:
        self._random = random
        self._strength = strength
        self._kept = b""

    def __call__(self, message: bytes) -> bytes:
        random = self._random
        if random.random() >= self._strength:
            self._kept = message
            return message
        match random.randrange(7):
            case 0:
                return b""
            case 1:
                return message[: random.randrange(len(message))]
            case 2:
                changed = bytearray(message)
                for _ in range(random.randint(1, 6)):
                    changed[random.randrange(len(changed))] ^= random.randint(1, 255)
                return bytes(changed)
            case 3:
                return message + message
            case 4:
                return random.randbytes(random.randint(1, 60)) + message
            case 5:
                return b"\x53\x81\xff\x00\x05" + message
            case _:
                return self._kept


@pytest.mark.parametrize("seed", range(12))
def test_commands_keep_their_promises_in_a_storm(seed: int) -> None:
    random = Random(seed)
    readers = [ScriptedReader(number + 1, KEYS[number]) for number in range(3)]
    bus = VirtualBus(readers)
    bus.run(2_000)
    bus.to_readers = bus.to_panel = Storm(random, 0.3)
    submitted: dict[int, tuple[int, int]] = {}
    for step in range(150):
        reader = random.randrange(3)
        # The pulse's length names it, so that an execution can be matched with its submission.
        pulse = Pulse(0, 100 * (step + 1))
        submitted[bus.submit(f"r{reader}", pulse, within_ms=random.choice((300, 1_000, 60_000)))] = (reader, bus.ms)
        bus.submit(f"r{reader}", Beep(100))
        readers[random.randrange(3)].events.append(replies.RawCard(0, 0, 32, step.to_bytes(4, "big")))
        if random.random() < 0.05:
            readers[random.randrange(3)].power_cycle()
        bus.run(random.randrange(400))
    bus.run(10_000)

    for number, (reader, at_ms) in submitted.items():
        steps = 1 + list(submitted).index(number)
        executed = [
            heard
            for heard in readers[reader].executed(commands.SetOutputs)
            if isinstance(heard.command, commands.SetOutputs) and heard.command.records[0].timer_100ms == steps
        ]
        [result] = bus.results(number)
        assert len(executed) <= 1
        assert all(heard.ms - at_ms < 1_050 for heard in executed)
        if result is CommandResult.DONE:
            assert len(executed) == 1
        if result in {CommandResult.EXPIRED, CommandResult.REFUSED}:
            assert not executed
    ends = [bus.results(number)[0] for number in submitted]
    assert {CommandResult.DONE, CommandResult.EXPIRED} <= set(ends)  # or the storm was none, or too much
    assert_said_nothing_in_clear(bus)
    known = {f"wiegand:32-{step:08x}" for step in range(150)}
    cards = [card.credential for card in bus.all(CardRead)]
    assert set(cards) <= known
    assert len(set(cards)) == len(cards)


@pytest.mark.parametrize("seed", range(4))
def test_after_the_storm_everybody_is_back(seed: int) -> None:
    readers = [ScriptedReader(number + 1, KEYS[number]) for number in range(3)]
    bus = VirtualBus(readers)
    bus.to_readers = bus.to_panel = Storm(Random(seed), 0.9)
    bus.run(20_000)
    bus.to_readers = bus.to_panel = lambda message: message
    bus.run_until(lambda: all(bus.is_usable(f"r{number}") for number in range(3)), 3_000)


@pytest.mark.parametrize("seed", range(4))
def test_pure_noise_never_raises_and_opens_nothing(seed: int) -> None:
    random = Random(seed)
    bus = VirtualBus([ScriptedReader(5, KEYS[0])])
    bus.line_up = False
    for _ in range(3_000):
        bus.panel.feed(random.randbytes(random.randrange(1, 300)), bus.now)
        bus.run(random.randrange(60))
    assert bus.all(CardRead) == []
    assert not any(frame.code == CommandCode.OUT for _, frame in bus.sent)
    assert_said_nothing_in_clear(bus)
