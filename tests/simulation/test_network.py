"""The simulated network: frames in order, held up in one direction, cut with what was under way, half open."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.simulation.loop import Life, VirtualLoop
from tests.simulation.network import WINDOW_FRAMES, BrokenError, Connection, Network

Main = Callable[[VirtualLoop, Network, Connection], Coroutine[Any, Any, None]]


class Nobody:
    def arrived(self, daemon: str, direction: str, frame: bytes) -> None:
        """Look away."""


def play(main: Main, seed: int = 1) -> None:
    loop = VirtualLoop()

    async def begin() -> None:
        network = Network(loop, random.Random(seed), Nobody())
        network.accept = lambda _connection: True
        await main(loop, network, await network.connect("box"))

    try:
        loop.run_until_complete(begin())
    finally:
        loop.bury()
        loop.close()


def test_frames_arrive_once_and_in_order_however_lossy_the_line_is() -> None:
    async def main(_loop: VirtualLoop, network: Network, connection: Connection) -> None:
        network.path("box").up.loss = 0.5
        for number in range(20):
            await connection.up.send(bytes([number]))
        got = [await connection.up.inbox.get() for _ in range(20)]
        assert got == [bytes([number]) for number in range(20)]
        assert connection.up.inbox.empty()

    play(main)


def test_one_direction_is_held_up_and_the_other_goes_on() -> None:
    async def main(loop: VirtualLoop, network: Network, connection: Connection) -> None:
        network.block("box", up=False, down=True)
        await connection.up.send(b"up")
        await connection.down.send(b"down")
        assert await connection.up.inbox.get() == b"up"
        begun = loop.time()
        loop.call_later(9, lambda: network.block("box", up=False, down=False))
        assert await connection.down.inbox.get() == b"down"
        assert loop.time() - begun >= 9

    play(main)


def test_a_full_buffer_makes_the_sender_wait() -> None:
    async def main(_loop: VirtualLoop, network: Network, connection: Connection) -> None:
        network.block("box", up=True, down=False)
        for _ in range(WINDOW_FRAMES):
            await connection.up.send(b"x")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await connection.up.send(b"x")

    play(main)


def test_of_a_cut_both_ends_hear_and_what_was_under_way_may_be_lost() -> None:
    arrived: set[bool] = set()

    async def main(_loop: VirtualLoop, network: Network, connection: Connection) -> None:
        await connection.up.send(b"x")
        network.cut("box")
        first = await connection.up.inbox.get()
        arrived.add(first == b"x")
        assert await connection.down.inbox.get() is None
        with pytest.raises(BrokenError):
            await connection.up.send(b"y")

    for seed in range(20):
        play(main, seed)
    assert arrived == {True, False}


def test_a_half_open_end_goes_on_sending_into_nothing() -> None:
    async def main(_loop: VirtualLoop, network: Network, connection: Connection) -> None:
        network.cut("box", unaware="server")
        await connection.down.send(b"x")
        assert await connection.down.inbox.get() is None
        assert connection.up.inbox.empty()

    play(main)


def test_what_a_killed_host_had_sent_still_arrives() -> None:
    async def main(loop: VirtualLoop, _network: Network, connection: Connection) -> None:
        life = Life("box")
        await loop.start(life, connection.up.send(b"x"))
        loop.kill(life)
        assert await connection.up.inbox.get() == b"x"

    play(main)
