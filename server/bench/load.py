"""The load process: `python -m server.bench.load` takes orders on standard input and drives links or HTTP connections.

It stands apart from the server so that the server's event loop is the server's alone. It keeps its links open from one
order to the next, as daemons do.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from dataclasses import dataclass, field

import msgspec
import uvloop

from cardcore.journal import Purpose, Record
from cardcore.wire.messages import RecordStatus, TapDecision
from server.bench.daemon import BenchDaemon
from server.bench.figures import percentile
from server.bench.orders import Charge, Close, Connect, Drain, Gate, Mix, Order, Outcome, Pings
from server.bench.socket_client import ConnectionLostError, HttpConnection

MAX_ORDER_BYTES = 16 * 1024 * 1024
ANSWER_SECONDS = 120.0
_PERCENT = 100
_MICROSECONDS = 1_000_000

_decoder = msgspec.json.Decoder(Order)


@dataclass(slots=True)
class Tally:
    """What one round has seen so far."""

    latencies_us: list[int] = field(default_factory=list)
    granted: int = 0
    refused: int = 0
    repeated: int = 0
    wrong: int = 0

    def answered(self, began: float, *, granted: bool, expected: bool) -> None:
        """Count a new tap's answer."""
        self.latencies_us.append(int((time.perf_counter() - began) * _MICROSECONDS))
        self.wrong += granted is not expected
        if granted:
            self.granted += 1
        else:
            self.refused += 1

    def repeat(self, *, same: bool) -> None:
        """Count the answer to a repeated tap."""
        self.repeated += 1
        self.wrong += not same

    def outcome(self, seconds: float, records: int = 0) -> Outcome:
        """Sum up."""
        ordered = sorted(self.latencies_us)
        return Outcome(
            seconds, len(ordered), self.granted, self.refused, self.repeated, records, self.wrong,
            percentile(ordered, 50), percentile(ordered, 95), percentile(ordered, 99),
        )  # fmt: skip


class Load:
    """The connections of one run."""

    def __init__(self) -> None:
        self._daemons: list[BenchDaemon] = []
        self._http: list[HttpConnection] = []
        self._pings = 0

    async def carry_out(self, order: Order) -> Outcome:
        """Carry out one order; everything it started has ended when it returns."""
        gc.collect()
        gc.freeze()
        match order:
            case Connect():
                return await self._connect(order)
            case Charge(to_peer=True):
                return await self._charge_peer(order)
            case Charge():
                return await self._charge(order)
            case Drain():
                return await self._drain(order)
            case Gate():
                return await self._gate(order)
            case Pings():
                return await self._ping(order)
            case Close():
                for daemon in self._daemons:
                    await daemon.close()
                for connection in self._http:
                    connection.close()
                self._daemons, self._http = [], []
                return Outcome()

    async def _connect(self, order: Connect) -> Outcome:
        for index, plan in enumerate(order.devices):
            daemon = BenchDaemon(plan, index)
            await daemon.connect(order.host, order.ports[index % len(order.ports)])
            self._daemons.append(daemon)
        loop = asyncio.get_running_loop()
        for _ in range(order.connections):
            _, connection = await loop.create_connection(
                lambda: HttpConnection(order.host), order.host, order.peer_port
            )
            self._http.append(connection)
        return Outcome()

    # --- tills over the link -------------------------------------------------------------------------------

    async def _charge(self, order: Charge) -> Outcome:
        tally, began = Tally(), time.perf_counter()
        ends = began + order.seconds
        places = [(daemon, place) for daemon in self._daemons for place in daemon.plan.places]
        spread = places[:: max(1, len(places) // order.tills)][: order.tills]
        await asyncio.gather(
            *(_till(daemon, place, _Hand(order, number, ends), tally) for number, (daemon, place) in enumerate(spread))
        )
        seconds = time.perf_counter() - began
        for daemon in self._daemons:
            await daemon.drained()
        return tally.outcome(seconds)

    async def _drain(self, order: Drain) -> Outcome:
        chance = random.Random(order.seed)
        written = [
            (daemon, daemon.backlog_frames(_backlog(order, chance), daemon.plan.places[0], order.price_fen))
            for daemon in self._daemons
        ]
        gc.collect()
        tally, began = Tally(), time.perf_counter()
        records = await asyncio.gather(*(_upload(daemon, frames, tally) for daemon, frames in written))
        return tally.outcome(time.perf_counter() - began, sum(records))

    # --- lanes ---------------------------------------------------------------------------------------------

    async def _gate(self, order: Gate) -> Outcome:
        chance, tally, began = random.Random(order.seed), Tally(), time.perf_counter()
        lanes = [(daemon, place) for daemon in self._daemons for place in daemon.plan.places]
        taps = []
        for number in range(int(order.taps_per_s * order.seconds)):
            due = began + number / order.taps_per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            daemon, lane = lanes[number % len(lanes)]
            taps.append(asyncio.create_task(_lane(daemon, lane, order.mix, chance, due, tally)))
        await asyncio.gather(*taps)
        seconds = time.perf_counter() - began
        for daemon in self._daemons:
            await daemon.drained()
        return tally.outcome(seconds)

    async def _ping(self, order: Pings) -> Outcome:
        tally, began = Tally(), time.perf_counter()
        ends = began + order.seconds

        async def loop(daemon: BenchDaemon) -> None:
            while (sent := time.perf_counter()) < ends:
                self._pings += 1
                await daemon.ping(self._pings)
                tally.answered(sent, granted=True, expected=True)

        await asyncio.gather(*(loop(self._daemons[number % len(self._daemons)]) for number in range(order.loops)))
        return tally.outcome(time.perf_counter() - began)

    # --- the peer ------------------------------------------------------------------------------------------

    async def _charge_peer(self, order: Charge) -> Outcome:
        tally, began = Tally(), time.perf_counter()
        ends = began + order.seconds
        await asyncio.gather(
            *(
                _peer_till(connection, f"{order.name}-{number}", _Hand(order, number, ends), tally)
                for number, connection in enumerate(self._http[: order.tills])
            )
        )
        return tally.outcome(time.perf_counter() - began)


class _Hand:
    """What one till is shown: the same draws for the same order, whichever side is asked."""

    def __init__(self, order: Charge, number: int, ends: float) -> None:
        self._mix = order.mix
        self._chance = random.Random(f"{order.seed}/{number}")
        self._ends = ends
        self._left = order.taps or sys.maxsize

    @property
    def open(self) -> bool:
        """Whether another tap comes."""
        return self._left > 0 and time.perf_counter() < self._ends

    def repeats(self) -> bool:
        """Draw whether the last tap comes once more."""
        return self._chance.randrange(_PERCENT) < self._mix.repeats_percent

    def card(self) -> tuple[str, bool]:
        """Draw a card and whether it will be accepted."""
        self._left -= 1
        return _drawn(self._mix, self._chance)


async def _till(daemon: BenchDaemon, place: str, hand: _Hand, tally: Tally) -> None:
    last: tuple[Record, TapDecision] | None = None
    while hand.open:
        if last is not None and hand.repeats():
            again = await daemon.live(last[0])
            tally.repeat(same=_same(again, last[1]))
            continue
        credential, expected = hand.card()
        began = time.perf_counter()
        record = daemon.intent(Purpose.TILL, place, credential)
        decision = await daemon.live(record)
        tally.answered(began, granted=decision.granted, expected=expected)
        daemon.settle(Purpose.TILL, decision)
        last = (record, decision)


async def _lane(daemon: BenchDaemon, lane: str, mix: Mix, chance: random.Random, due: float, tally: Tally) -> None:
    credential, expected = _drawn(mix, chance)
    decision = await daemon.live(daemon.intent(Purpose.GATE, lane, credential))
    tally.answered(due, granted=decision.granted, expected=expected)
    daemon.settle(Purpose.GATE, decision)


async def _peer_till(connection: HttpConnection, till: str, hand: _Hand, tally: Tally) -> None:
    seq, last = 0, (b"", b"")
    while hand.open:
        if last[0] and hand.repeats():
            tally.repeat(same=await connection.post("/charge", last[0]) == last[1])
            continue
        seq += 1
        credential, expected = hand.card()
        began = time.perf_counter()
        body = msgspec.json.encode({"device": till, "epoch": 1, "seq": seq, "till": till, "credential": credential})
        answer = await connection.post("/charge", body)
        granted = msgspec.json.decode(answer)["granted"]
        tally.answered(began, granted=granted, expected=expected)
        last = (body, answer)


async def _upload(daemon: BenchDaemon, frames: list[bytes], tally: Tally) -> int:
    records = 0
    for frame in frames:
        began = time.perf_counter()
        ack = await daemon.upload(frame)
        tally.answered(began, granted=True, expected=all(s is RecordStatus.STORED for _, s in ack.statuses))
        records += len(ack.statuses)
    return records


def _backlog(order: Drain, chance: random.Random) -> list[tuple[str, bool]]:
    taps = order.frames * 50  # a tap and its outcome each: a hundred records a frame
    return [_drawn(order.mix, chance) for _ in range(taps)]


def _drawn(mix: Mix, chance: random.Random) -> tuple[str, bool]:
    """Draw a card and whether it will be accepted."""
    if chance.randrange(_PERCENT) < mix.refusals_percent:
        return mix.refused[chance.randrange(len(mix.refused))], False
    return mix.good[chance.randrange(len(mix.good))], True


def _same(again: TapDecision, before: TapDecision) -> bool:
    """Tell whether a repeat says it is one and carries the stored decision."""
    return again.status is RecordStatus.DUPLICATE and (again.granted, again.reason, again.amount) == (
        before.granted, before.reason, before.amount,
    )  # fmt: skip


async def _serve() -> None:
    load = Load()
    stdin = asyncio.StreamReader(limit=MAX_ORDER_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while line := await stdin.readline():
        try:
            outcome = await asyncio.wait_for(load.carry_out(_decoder.decode(line)), ANSWER_SECONDS)
        except (ConnectionLostError, OSError, TimeoutError) as error:
            outcome = Outcome(problem=f"{type(error).__name__}: {error}")
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
