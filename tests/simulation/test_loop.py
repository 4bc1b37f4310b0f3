"""The simulator's loop: time jumps, hosts die between two steps, a standstill is reported, and runs repeat."""

from __future__ import annotations

import asyncio
import heapq
import random
from asyncio.base_events import BaseEventLoop
from asyncio.events import Handle, TimerHandle
from collections import deque
from contextvars import ContextVar

import pytest

from tests.simulation.loop import Life, StandstillError, VirtualLoop


def test_the_private_names_that_the_loop_leans_on_are_there() -> None:
    plain = asyncio.new_event_loop()
    try:
        assert isinstance(plain._ready, deque)  # type: ignore[attr-defined]
        assert isinstance(plain._scheduled, list)  # type: ignore[attr-defined]
        assert plain._timer_cancelled_count == 0  # type: ignore[attr-defined]
        assert plain._stopping is False  # type: ignore[attr-defined]
        timer = plain.call_later(5, print)
        assert plain._scheduled == [timer]  # type: ignore[attr-defined]
        assert getattr(timer, "_when", None) == timer.when()
        assert getattr(timer, "_scheduled", None) is True
        heapq.heappop(plain._scheduled)  # type: ignore[attr-defined]
        timer.cancel()
        assert timer._cancelled
        soon = plain.call_soon(print)
        assert plain._ready == deque([soon])  # type: ignore[attr-defined]
        assert getattr(soon, "_context", None) is not None
        soon.cancel()
    finally:
        plain.close()
    assert callable(getattr(BaseEventLoop, "_run_once", None))
    assert callable(getattr(Handle, "_run", None))
    assert issubclass(TimerHandle, Handle)


def run(main: object, seed: int | None = 1) -> object:
    loop = VirtualLoop(None if seed is None else random.Random(seed))
    try:
        return loop.run_until_complete(main(loop))  # type: ignore[operator]
    finally:
        loop.bury()
        loop.close()


def test_time_jumps_to_the_next_timer() -> None:
    async def main(loop: VirtualLoop) -> float:
        begun = loop.time()
        await asyncio.sleep(86_400)
        return loop.time() - begun

    assert run(main) == 86_400


def test_waiting_for_nothing_is_reported() -> None:
    async def main(loop: VirtualLoop) -> None:
        await loop.create_future()

    with pytest.raises(StandstillError):
        run(main)


def test_a_killed_life_takes_no_further_step_and_says_no_goodbye() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.sleep(100))
                done.append("began")
                await asyncio.sleep(50)
                done.append("went on")
        finally:
            done.append("said goodbye")

    async def main(loop: VirtualLoop) -> list[str]:
        life = Life("box")
        loop.start(life, work())
        await asyncio.sleep(10)
        loop.kill(life)
        await asyncio.sleep(1_000)
        return list(done)

    assert run(main) == ["began"]


def test_executors_run_inline_and_hand_their_errors_on() -> None:
    async def main(loop: VirtualLoop) -> None:
        assert await asyncio.to_thread(lambda: 5) == 5
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 // 0)

    run(main)


def order(seed: int | None) -> list[str]:
    """Return in which order three hosts with three steps each come, all at the same instants."""
    steps: list[str] = []

    async def host(name: str) -> None:
        for number in range(3):
            steps.append(f"{name}{number}")
            await asyncio.sleep(0)

    async def main(loop: VirtualLoop) -> None:
        await asyncio.gather(*(loop.start(Life(name), host(name)) for name in "abc"))

    run(main, seed)
    return steps


def test_the_seed_mixes_the_hosts_and_keeps_the_order_within_each() -> None:
    assert order(None) == [f"{name}{number}" for number in range(3) for name in "abc"]
    orders = {tuple(order(seed)) for seed in range(40)}
    assert len(orders) > 20
    for steps in orders:
        for name in "abc":
            assert [step for step in steps if step.startswith(name)] == [f"{name}{n}" for n in range(3)]


def test_one_seed_gives_one_order() -> None:
    assert [order(seed) for seed in range(200)] == [order(seed) for seed in range(200)]


def test_what_a_killed_task_set_is_put_back_where_it_was_set() -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")
    ended: list[str] = []

    async def host() -> None:
        before = name.set("host")
        try:
            await asyncio.Event().wait()
        finally:
            name.reset(before)
            ended.append(name.get())

    async def main(loop: VirtualLoop) -> None:
        life = Life("host")
        loop.start(life, host())
        await asyncio.sleep(1)
        loop.kill(life)

    loop = VirtualLoop()
    loop.run_until_complete(main(loop))
    loop.bury()
    loop.close()
    assert ended == ["nobody"]
