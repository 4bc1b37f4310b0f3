"""The 18 failures of offline charging, each a test named after its row, over real daemons, link and PostgreSQL.

The rows are those of the project's sheet on offline payments. `tests/site/failure_stage.py` says what else must hold
after each of them: one charge in force a green lamp, sums of zero, no gap, and every invariant of the simulator.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial

import msgspec
import pytest

from cardcore.access.items import AccountState, CardState
from cardcore.journal import Body, Outcome, OutcomeKind
from cardcore.wire.messages import RecordStatus
from reader_daemon.messages import LedColour
from server.bus.protocol import BusState
from server.bus.redis_bus import RedisBus
from server.database import Database, connect_app
from server.ledger.invariants import all_invariants
from server.ledger.rules import debts
from server.outbox.pump import Pump
from server.taps.arrivals import Arrival, Receipt
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.private_postgres import PrivatePostgres
from tests.server.taps.small_site import Journal, SmallSite, make_site, open_epoch
from tests.simulation.campaign import in_memory, on_postgres
from tests.simulation.site_plan import PRICE_FEN
from tests.site.failure_stage import POWER_SECONDS, Script, Stage, on_stage
from tests.site.running_site import unused_port

GREEN, RED = LedColour.GREEN, LedColour.RED


@pytest.fixture(scope="module")
def database(embedded_postgres: PrivatePostgres) -> Iterator[str]:
    with embedded_postgres.fresh_database(migrated=True) as url:
        yield url


@pytest.fixture(scope="module")
def small(embedded_postgres: PrivatePostgres) -> Iterator[SmallSite]:
    with embedded_postgres.fresh_database(migrated=True) as url:
        yield make_site(url, holders=8, cash_fen=1_300)


def play(script: Script, url: str) -> Stage:
    return on_stage(script, on_postgres(url), url)


def test_row_01_a_lost_request_is_decided_alone_and_charged_once(database: str) -> None:
    async def script(stage: Stage) -> None:
        stage.network.block("till-1", up=True, down=False)
        assert await stage.eat("t01", "anna") is GREEN
        stage.lose("t01", "up")
        stage.mend("t01")
        await stage.calm()
        assert (stage.charged("anna"), stage.balance("anna")) == (1, 6_000 - PRICE_FEN)

    play(script, database)


def test_row_02_a_lost_reply_after_the_commit_is_one_charge(database: str) -> None:
    async def script(stage: Stage) -> None:
        stage.network.block("till-1", up=False, down=True)
        assert await stage.eat("t01", "anna") is GREEN
        assert stage.charged("anna") == 1  # the server has it, and the till does not know
        stage.lose("t01", "down")
        stage.mend("t01")
        await stage.calm()
        assert (stage.charged("anna"), stage.balance("anna")) == (1, 6_000 - PRICE_FEN)
        assert stage.rows("select count(*) from charge where site_id = %(site)s") == [(1,)]

    play(script, database)


@pytest.mark.parametrize("charged_before", [False, True])
def test_row_03_power_goes_between_intent_and_decision(database: str, *, charged_before: bool) -> None:
    """Charged and not confirmed: net zero by reversal. Not charged: the number is void. Either way nobody pays."""

    async def script(stage: Stage) -> None:
        point = "after_receive" if charged_before else "after_commit"
        await stage.power_cut("t01", point)
        assert await stage.eat("t01", "anna") is None
        await stage.time_passes(POWER_SECONDS)
        await stage.calm()
        assert (stage.charged("anna"), stage.balance("anna")) == (0, 6_000)
        revisions = stage.rows("select revision from charge where site_id = %(site)s order by revision")
        assert revisions == ([(0,), (1,)] if charged_before else [])
        ends = "select outcome from record where site_id = %(site)s and kind = 'outcome'"
        assert stage.rows(ends) == [("not_confirmed",)]

    play(script, database)


def test_row_04_power_goes_after_the_last_record_and_before_the_beep(database: str) -> None:
    async def script(stage: Stage) -> None:
        await stage.power_cut("t01", "after_commit", passes=2)  # the intent, then the outcome
        assert await stage.eat("t01", "anna") is None
        served = [body for body in _bodies(stage, "t01") if isinstance(body, Outcome)]
        assert [one.outcome for one in served] == [OutcomeKind.SERVED]
        await stage.time_passes(POWER_SECONDS)
        await stage.calm()
        await stage.eat("t01", "anna")  # the guard shows the previous result
        await stage.calm()
        assert (stage.charged("anna"), stage.balance("anna")) == (1, 6_000 - PRICE_FEN)
        assert stage.rows("select count(*) from record where site_id = %(site)s and reason = 'repeat'") == [(1,)]

    play(script, database)


def test_row_05_power_goes_during_the_upload_and_it_goes_on_behind_the_mark(database: str) -> None:
    async def script(stage: Stage) -> None:
        stage.cut_off("t01")
        for name in ("anna", "chen", "dora", "fang"):
            assert await stage.eat("t01", name) is GREEN
        await stage.power_cut("t01", "after_receive", passes=4)
        stage.mend("t01")
        await stage.time_passes(20)
        await stage.calm()
        assert stage.box("t01").host.boots == 2
        assert [stage.charged(name) for name in ("anna", "chen", "dora", "fang")] == [1, 1, 1, 1]

    play(script, database)


def test_row_06_the_same_batch_by_two_workers_is_taken_once(small: SmallSite) -> None:
    journal = _journal(small, 61)
    meals = [journal.meal(holder) for holder in small.holders[:3]]
    ends = [journal.outcome(meal.seq, OutcomeKind.SERVED, offline=True) for meal in meals]
    batch = journal.upload([*meals, *ends])
    statuses = [{status for _, status in receipts[0].statuses} for receipts in _at_once(small, [[batch], [batch]])]
    assert sorted(map(sorted, statuses)) == [[RecordStatus.DUPLICATE], [RecordStatus.STORED]]
    assert small.rows("select count(*) from charge where epoch = 61") == [(3,)]


def test_row_07_new_taps_while_the_queue_drains_are_new_charges(database: str) -> None:
    async def script(stage: Stage) -> None:
        stage.cut_off("t01")
        for name in ("anna", "chen", "anna", "chen", "dora", "fang"):
            assert await stage.eat("t01", name) is GREEN
        stage.server.host.work_ms = (300.0, 400.0)
        stage.mend("t01")
        daemon = stage.box("t01").daemon
        assert daemon is not None
        while not daemon.uplink.open:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.01)
        assert daemon.journal.pending
        assert await stage.eat("t01", "dora") is GREEN
        await stage.calm()
        assert [stage.charged(name) for name in ("anna", "chen", "dora", "fang")] == [2, 2, 2, 1]
        assert stage.rows("select count(distinct seq), count(*) from charge where site_id = %(site)s") == [(7, 7)]

    play(script, database)


def test_row_08_a_terminal_put_back_to_an_older_image_gets_a_new_epoch(database: str) -> None:
    async def script(stage: Stage) -> None:
        box = stage.box("t01")
        assert await stage.eat("t01", "anna") is GREEN
        await stage.calm()
        image = box.disk.image()
        assert await stage.eat("t01", "chen") is GREEN
        await stage.calm()
        stage.cut_off("t01")
        box.kill(power=True)
        box.put_back(image)
        box.start()
        await stage.time_passes(POWER_SECONDS)
        await stage.eat("t01", "dora")  # with a number that the server has for another meal
        stage.mend("t01")
        await stage.calm()
        assert [stage.charged(name) for name in ("anna", "chen")] == [1, 1]
        assert stage.rows(
            "select count(*) from device_epoch e join device d on d.id = e.device_id"
            " where d.site_id = %(site)s and d.name = 'till-1'"
        ) == [(2,)]  # fmt: skip
        assert await stage.eat("t01", "fang") is GREEN
        await stage.calm()
        assert stage.charged("fang") == 1

    stage = play(script, database)
    kept = stage.charged("dora") + len(stage.rows("select from quarantine where site_id = %(site)s"))
    assert kept, "what was served under a used number is neither charged nor kept for a person"


@pytest.mark.parametrize("wrong", [timedelta(days=-1), timedelta(days=-20_500)], ids=["yesterday", "1970"])
def test_row_09_a_wrong_clock_changes_neither_order_nor_sum(database: str, wrong: timedelta) -> None:
    async def script(stage: Stage) -> None:
        box = stage.box("t01")
        stage.cut_off("t01")
        box.host.skew += wrong
        assert await stage.eat("t01", "anna") is GREEN
        assert await stage.eat("t01", "dora") is GREEN
        box.host.skew -= wrong
        stage.mend("t01")
        await stage.calm()
        assert (stage.charged("anna"), stage.charged("dora")) == (1, 1)
        days = stage.rows("select distinct coalesce(event_day, business_day) from charge where site_id = %(site)s")
        assert days == [(date(2026, 3, 4),)]  # the day by the server's clock, heard before
        order = stage.rows("select account_id from charge where site_id = %(site)s order by device_id, epoch, seq")
        assert [row[0] for row in order] == [stage.holder("anna").account, stage.holder("dora").account]

    play(script, database)


def test_row_10_a_card_lost_while_the_till_has_an_old_list_posts_and_is_found(database: str) -> None:
    async def script(stage: Stage) -> None:
        stage.cut_off("t01")
        assert stage.backend.set_card(stage.holder("anna"), CardState.LOST)
        assert await stage.eat("t01", "anna") is GREEN
        stage.mend("t01")
        await stage.calm()
        assert (stage.charged("anna"), stage.flags()) == (1, ["card_lost"])
        assert stage.findings() == ["offline_card_lost"]
        assert await stage.eat("t02", "anna") is RED

    play(script, database)


def test_row_11_a_record_of_an_account_closed_before_it_lands_on_the_receivable(database: str) -> None:
    async def script(stage: Stage) -> None:
        stage.cut_off("t01")
        stage.backend.set_account(stage.holder("dora"), AccountState.CLOSED)
        assert await stage.eat("t01", "dora") is GREEN
        stage.mend("t01")
        await stage.calm()
        owed = stage.rows(
            "select -sum(p.amount_fen)::int from posting p join ledger_account l on l.id = p.ledger_account_id"
            " where l.site_id = %(site)s and l.role = 'receivable' and l.name = 'closed_account'"
        )
        assert owed == [(PRICE_FEN,)]
        assert (stage.balance("dora"), stage.findings()) == (20_500, ["offline_account_closed"])

    play(script, database)


def test_row_12_two_terminals_alone_and_money_for_one_meal(database: str) -> None:
    async def script(stage: Stage) -> None:
        for till in ("t01", "t02"):
            stage.cut_off(till)
        assert [await stage.eat(till, "boris") for till in ("t01", "t02")] == [GREEN, GREEN]
        for till in ("t01", "t02"):
            stage.mend(till)
        await stage.calm()
        assert (stage.charged("boris"), stage.balance("boris")) == (2, 1_300 - 2 * PRICE_FEN)
        assert stage.findings() == ["offline_balance_too_low"]
        books = Database(database)
        owing = books.read(lambda session: debts(session, stage.backend.site, 1, stage.server.host.now()))
        books.close()
        assert [(debt.name, debt.owed) for debt in owing.rows] == [("boris", 2 * PRICE_FEN - 1_300)]

    play(script, database)


def test_row_13_a_full_journal_refuses_and_overwrites_nothing(database: str) -> None:
    async def script(stage: Stage) -> None:
        box = stage.box("t01")
        stage.cut_off("t01")
        assert await stage.eat("t01", "anna") is GREEN
        before = dict(box.durable)
        box.disk.full = 1.0
        assert await stage.eat("t01", "dora") in {RED, None}
        assert dict(box.durable) == before
        box.disk.full = 0.0
        stage.mend("t01")
        await stage.time_passes(POWER_SECONDS)
        await stage.calm()
        assert (stage.charged("anna"), stage.charged("dora")) == (1, 0)

    play(script, database)


def test_row_14_a_server_put_back_to_a_backup_gets_the_last_minutes_again() -> None:
    """Rows in memory, which can be put back at will; `test_restore.py` does it to a real cluster."""

    async def script(stage: Stage) -> None:
        assert await stage.eat("t01", "anna") is GREEN
        await stage.calm()
        stage.backend.back_up()
        assert await stage.eat("t02", "dora") is GREEN
        await stage.calm()
        stage.server.kill(power=False)
        assert stage.backend.restore()
        stage.server.restored()
        assert len(stage.backend.books().charges) == 1
        stage.server.start()
        await stage.time_passes(POWER_SECONDS)
        await stage.calm()
        assert len(stage.backend.books().charges) == 2

    on_stage(script, in_memory)


async def test_row_15_without_redis_the_money_is_the_same(small: SmallSite) -> None:
    """The bus finds nobody: meals are decided and booked, and their events wait in the outbox, numbered."""
    journal, database = _journal(small, 151), Database(small.url)
    bus = RedisBus(f"redis://127.0.0.1:{unused_port()}/0", small.ids)
    pump = Pump(database, partial(asyncio.to_thread), bus, small.clock)
    await bus.start()
    await pump.start()
    meal = journal.meal(small.holders[3])
    end = journal.outcome(meal.seq, OutcomeKind.SERVED)
    service = TapService(PostgresTaps(lambda: connect_app(small.url)), small.system)
    decisions = [service.process([frame])[0].decision for frame in (journal.live(meal), journal.upload([end]))]
    service.close()
    pump.nudge()
    async with asyncio.timeout(20):
        while small.rows("select count(*) from outbox where number is null") != [(0,)]:  # noqa: ASYNC110 - a thread's
            await asyncio.sleep(0.02)
    assert bus.state is BusState.DOWN
    await pump.close()
    await bus.close()
    database.close()
    assert decisions[0] is not None
    assert decisions[0].granted
    assert small.rows("select count(*), sum(amount_fen) from charge where epoch = 151") == [(1, PRICE_FEN)]
    assert small.balance(small.holders[3]) == 1_300 - PRICE_FEN


def test_row_16_two_processes_at_one_purse_never_overdraw_it(small: SmallSite) -> None:
    """Money for one meal, shown at two tills of two servers at one instant, again and again."""
    holder = small.holders[4]
    taps = [[journal.live(journal.meal(holder))] for journal in (_journal(small, 161), _journal(small, 162))]
    decisions = [receipts[0].decision for receipts in _at_once(small, taps)]
    assert sorted(decision.reason for decision in decisions if decision is not None) == ["balance_too_low", "charged"]
    assert small.balance(holder) == 100


def test_row_17_one_bad_record_is_set_aside_and_the_rest_posts(small: SmallSite) -> None:
    journal = _journal(small, 171)
    meals = [journal.meal(small.holders[5]), journal.meal(small.holders[6])]
    ends = [journal.outcome(meal.seq, OutcomeKind.SERVED, offline=True) for meal in meals]
    forged = msgspec.structs.replace(meals[0], mac=bytes(32))
    (receipts,) = _at_once(small, [[journal.upload([forged, meals[1], *ends])]])
    assert dict(receipts[0].statuses) == {
        1: RecordStatus.QUARANTINED, 2: RecordStatus.STORED, 3: RecordStatus.QUARANTINED, 4: RecordStatus.STORED,
    }  # fmt: skip
    assert small.rows("select seq from charge where epoch = 171") == [(2,)]
    assert small.rows("select count(*) from finding where kind = 'quarantined'") == [(2,)]


def test_row_18_a_duplicate_inside_one_batch_is_one_charge(small: SmallSite) -> None:
    journal = _journal(small, 181)
    meal = journal.meal(small.holders[7])
    end = journal.outcome(meal.seq, OutcomeKind.SERVED, offline=True)
    (receipts,) = _at_once(small, [[journal.upload([meal, meal, end, end])]])
    stored, again = RecordStatus.STORED, RecordStatus.DUPLICATE
    assert [status for _, status in receipts[0].statuses] == [stored, again, stored, again]
    assert small.rows("select count(*), sum(amount_fen) from charge where epoch = 181") == [(1, PRICE_FEN)]


def test_after_the_rows_of_the_tap_path_the_books_hold(small: SmallSite) -> None:
    database = Database(small.url)
    broken = database.read(lambda session: all_invariants(session, small.site))
    database.close()
    assert {name: wrong for name, wrong in broken.items() if wrong} == {}


def _journal(small: SmallSite, epoch: int) -> Journal:
    with connect_app(small.url) as connection:
        open_epoch(connection, small, epoch)
    return Journal(small, epoch)


def _bodies(stage: Stage, till: str) -> list[object]:
    return [msgspec.json.decode(body, type=Body) for body in stage.box(till).durable.values()]


def _at_once(small: SmallSite, work: list[list[Arrival]]) -> list[list[Receipt]]:
    """Let each batch be taken by a tap service of its own, all at one time."""
    done: dict[int, list[Receipt]] = {}
    start = threading.Barrier(len(work))

    def take(number: int) -> None:
        service = TapService(PostgresTaps(lambda: connect_app(small.url)), small.system)
        start.wait(20)
        done[number] = service.process(work[number])
        service.close()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [done[number] for number in range(len(work))]
