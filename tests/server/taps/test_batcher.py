"""The batcher alone, over a processor that holds its commits: what goes into a batch, in which order, what fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import UUID

import pytest

from cardcore.ids import DeviceId, SiteId
from cardcore.journal import GENESIS, Record
from cardcore.wire.messages import MAX_UPLOAD_RECORDS, RecordStatus
from server.metrics import Metrics
from server.taps import batcher as batcher_module
from server.taps.arrivals import Arrival, LinkDevice, Receipt
from server.taps.batcher import MAX_LIVE_BATCH, Batcher, BusyError

PATIENCE_SECONDS = 30


def arrival(device: int, *, live: bool = False, records: int = 1) -> Arrival:
    """One frame of a device of its own."""
    link = LinkDevice(DeviceId(UUID(int=device)), SiteId(UUID(int=1)), frozenset(), frozenset(), bytes(32))
    record = Record(1, b"{}", GENESIS, GENESIS, bytes(32))
    return Arrival(link, 1, (record,) * records, live)


class Commits:
    """A processor whose commits wait until the test lets them go."""

    def __init__(self) -> None:
        self.batches: list[list[Arrival]] = []
        self.failing: set[int] = set()
        """Numbers of the batches that fail, from 0."""
        self._held = asyncio.Semaphore(0)
        self._begun = asyncio.Condition()

    def process(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Give every arrival a receipt that names its device."""
        if len(self.batches) - 1 in self.failing:
            raise ConnectionError
        stored = RecordStatus.STORED
        return [Receipt(((1, stored),) * len(one.records), one.device.id.int) for one in arrivals]

    async def run(
        self, process: Callable[[Sequence[Arrival]], list[Receipt]], arrivals: Sequence[Arrival]
    ) -> list[Receipt]:
        """Note the batch, wait to be let go, and commit it."""
        async with self._begun:
            self.batches.append(list(arrivals))
            self._begun.notify_all()
        await self._held.acquire()
        return process(arrivals)

    async def begun(self, count: int) -> None:
        """Wait until `count` batches have begun in all."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._begun:
            await self._begun.wait_for(lambda: len(self.batches) >= count)

    def let_go(self, count: int = 1) -> None:
        """Let the commits of so many batches go on."""
        for _ in range(count):
            self._held.release()


class Serving:
    """A batcher at work whose first batch is held: all that is queued meanwhile waits for its commit."""

    def __init__(self, commits: Commits) -> None:
        self.commits = commits
        self._batcher = Batcher(commits, commits.run, Metrics())
        self.first: asyncio.Task[Receipt]
        self._serving: asyncio.Task[None]

    async def begin(self) -> None:
        """Start, and wait until the first batch is being committed."""
        self._serving = asyncio.create_task(self._batcher.serve())
        self.first = await self.queued(arrival(0))
        await self.commits.begun(1)

    async def end(self) -> None:
        """Stop."""
        self._serving.cancel()
        with suppress(asyncio.CancelledError):
            await self._serving

    async def queued(self, one: Arrival) -> asyncio.Task[Receipt]:
        """Submit an arrival and return once it is in the queue."""
        task = asyncio.create_task(self._batcher.submit(one))
        await asyncio.sleep(0)
        return task


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    found = Serving(Commits())
    await found.begin()
    yield found
    await found.end()


def devices(batch: Sequence[Arrival]) -> list[int]:
    return [one.device.id.int for one in batch]


async def told(waiting: Awaitable[Receipt]) -> int:
    """Return whom the receipt is for."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return (await waiting).acked_through


async def test_what_queued_during_a_commit_is_one_batch_with_a_receipt_each(serving: Serving) -> None:
    waiting = [await serving.queued(arrival(device, live=device % 2 == 0)) for device in range(1, 6)]
    assert len(serving.commits.batches) == 1
    serving.commits.let_go(2)
    assert [await told(one) for one in waiting] == [1, 2, 3, 4, 5]
    assert [sorted(devices(batch)) for batch in serving.commits.batches] == [[0], [1, 2, 3, 4, 5]]


async def test_live_taps_go_before_uploads_that_waited_longer(serving: Serving) -> None:
    uploads = [await serving.queued(arrival(device, records=MAX_UPLOAD_RECORDS // 2)) for device in (1, 2, 3, 4)]
    live = [await serving.queued(arrival(device, live=True)) for device in (11, 12)]
    serving.commits.let_go(3)
    assert [await told(one) for one in (*live, *uploads)] == [11, 12, 1, 2, 3, 4]
    assert [devices(batch) for batch in serving.commits.batches] == [[0], [11, 12, 1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("uploads", "batches"),
    [
        ([MAX_UPLOAD_RECORDS, 1], [[1], [2]]),
        ([MAX_UPLOAD_RECORDS - 1, 1], [[1, 2]]),
        ([1, MAX_UPLOAD_RECORDS, 1], [[1], [2], [3]]),
    ],
)
async def test_a_batch_has_at_most_one_uploads_records(
    serving: Serving, uploads: list[int], batches: list[list[int]]
) -> None:
    waiting = [await serving.queued(arrival(number, records=size)) for number, size in enumerate(uploads, start=1)]
    serving.commits.let_go(1 + len(batches))
    for one in waiting:
        await told(one)
    assert [devices(batch) for batch in serving.commits.batches[1:]] == batches


async def test_no_more_live_taps_than_a_transaction_takes(serving: Serving) -> None:
    waiting = [await serving.queued(arrival(device, live=True)) for device in range(1, MAX_LIVE_BATCH + 2)]
    serving.commits.let_go(3)
    for one in waiting:
        await told(one)
    assert [len(batch) for batch in serving.commits.batches[1:]] == [MAX_LIVE_BATCH, 1]


async def test_a_batch_that_fails_fails_its_own_arrivals_and_the_next_works(serving: Serving) -> None:
    serving.commits.failing = {1}
    failing = [await serving.queued(arrival(1, live=True)), await serving.queued(arrival(2))]
    serving.commits.let_go()
    assert await told(serving.first) == 0
    await serving.commits.begun(2)
    next_one = await serving.queued(arrival(3))
    serving.commits.let_go(2)
    for one in failing:
        with pytest.raises(ConnectionError):
            await told(one)
    assert await told(next_one) == 3


@pytest.mark.parametrize("live", [True, False])
async def test_a_full_queue_is_said_at_once_and_only_to_its_own_kind(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    monkeypatch.setattr(batcher_module, "MAX_QUEUED_LIVE" if live else "MAX_QUEUED_UPLOADS", 2)
    waiting = [await serving.queued(arrival(device, live=live)) for device in (1, 2)]
    with pytest.raises(BusyError):
        await told(await serving.queued(arrival(3, live=live)))
    waiting.append(await serving.queued(arrival(4, live=not live)))
    serving.commits.let_go(2)
    assert [await told(one) for one in waiting] == [1, 2, 4]
    assert await told(asyncio.ensure_future(_again(serving, live=live))) == 5


async def _again(serving: Serving, *, live: bool) -> Receipt:
    """Submit once more after the queue was emptied."""
    serving.commits.let_go()
    return await (await serving.queued(arrival(5, live=live)))


async def test_whoever_gave_up_waiting_holds_up_nobody(serving: Serving) -> None:
    gone, stays = await serving.queued(arrival(1)), await serving.queued(arrival(2))
    gone.cancel()
    serving.commits.let_go(2)
    assert await told(stays) == 2
    assert gone.cancelled()


async def test_the_end_of_the_server_leaves_nobody_waiting(serving: Serving) -> None:
    waiting = await serving.queued(arrival(1))
    await serving.end()
    with pytest.raises(asyncio.CancelledError):
        await told(waiting)
