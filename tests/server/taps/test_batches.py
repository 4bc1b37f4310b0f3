"""A batch's effect equals the same taps processed one by one in order (I25), on a real PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardcore.access.items import Passback, ZoneItem
from cardcore.ids import ZoneId
from cardcore.journal import DeviceEvent, OutcomeKind, Verdict
from server.database import connect_app
from server.taps.arrivals import Arrival, Receipt
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.server.taps.counters import SOLD, moved, open_counters
from tests.server.taps.small_site import LUNCH_FEN, Journal, SmallSite, make_site

_numbers = itertools.count()

Script = Sequence[tuple[str, int, int]]
Writer = Callable[[SmallSite, Script], list[Arrival]]

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["live", "live", "live", "offline", "repeat", "cancel", "serve", "fork", "gate", "gate", "walk", "forced"]
        ),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=25,
)


def write(small: SmallSite, script: Sequence[tuple[str, int, int]]) -> list[Arrival]:
    """Turn a drawn script into the frames of one device; the same script gives the same frames."""
    journal = Journal(small)
    arrivals: list[Arrival] = []
    open_taps: list[int] = []
    at_the_gate: list[int] = []
    for what, who, back in script:
        holder = small.holders[who]
        if what == "live":
            tap = journal.meal(holder)
            open_taps.append(tap.seq)
            arrivals.append(journal.live(tap))
        elif what == "gate":
            tap = journal.gate(holder)
            at_the_gate.append(tap.seq)
            arrivals.append(journal.live(tap))
        elif what == "walk" and at_the_gate:
            walked = journal.outcome(at_the_gate.pop(back % len(at_the_gate)), OutcomeKind.PASSED, 0)
            arrivals.append(journal.upload([walked]))
        elif what == "forced":
            event = DeviceEvent("forced_passage", "g01", "", journal.stamp(), alarm=True)
            arrivals.append(journal.upload([journal.add(event)]))
        elif what == "offline":
            tap = journal.meal(holder)
            served = journal.outcome(tap.seq, OutcomeKind.SERVED, LUNCH_FEN + back, offline=True)
            arrivals.append(journal.upload([tap, served]))
        elif what == "repeat" and arrivals:
            arrivals.append(arrivals[-1 - back % len(arrivals)])
        elif what == "fork" and journal.records:
            forked = Journal(small)
            forked.records = journal.records[: -1 - back % len(journal.records)]
            arrivals.append(forked.live(forked.meal(holder)))
        elif what in {"cancel", "serve"} and open_taps:
            kind = OutcomeKind.SERVED if what == "serve" else OutcomeKind.CANCELLED
            arrivals.append(journal.upload([journal.outcome(open_taps.pop(back % len(open_taps)), kind)]))
    return arrivals


def run(url: str, name: str, script: Script, sizes: Sequence[int], writer: Writer = write) -> tuple[object, ...]:
    """Process a script in batches of the given sizes and return everything that must not depend on them."""
    small = make_site(url, holders=3, cash_fen=3000, subsidy_fen=700, name=name)
    small.publish(ZoneItem(ZoneId("compound"), passback=Passback.HARD, occupancy_limit=2, occupancy_hard=True))
    arrivals = iter(writer(small, script))
    service = TapService(PostgresTaps(lambda: connect_app(url)), small.system)
    receipts: list[Receipt] = []
    for size in itertools.cycle(sizes):
        batch = list(itertools.islice(arrivals, size))
        if not batch:
            break
        receipts += service.process(batch)
    service.close()
    balances = [
        small.rows("select kind, balance_fen from purse where account_id = %s order by kind", holder.account)
        for holder in small.holders
    ]
    site = small.site
    charges = small.rows(
        "select seq, revision, amount_fen, flag, offline from charge where site_id = %s order by seq, revision", site
    )
    records = small.rows(
        "select seq, kind, granted, reason, amount_fen, balance_fen from record where site_id = %s order by seq", site
    )
    aside = small.rows("select seq, why from quarantine where site_id = %s order by seq, hash", site)
    meals = small.rows(
        "select p.number, m.count, m.sum_fen from meal_count m join account a on a.id = m.account_id"
        " join person p on p.id = a.person_id where a.site_id = %s order by 1",
        site,
    )
    inside = small.rows(
        "select p.number, i.zone_id from presence i join person p on p.id = i.person_id where i.site_id = %s"
        " order by 1",
        site,
    )
    unknown = small.rows("select zone_id, unknown from zone_state where site_id = %s order by 1", site)
    unequal = small.rows(
        "select u.id from purse u left join posting s on s.ledger_account_id = u.id where u.site_id = %s"
        " group by u.id having u.balance_fen <> coalesce(sum(s.amount_fen), 0)",
        site,
    )
    assert unequal == []
    lines = small.rows("select seq, line, code, count from dish_line where site_id = %s order by 1, 2", site)
    return (
        receipts_without_ids(receipts),
        balances,
        charges,
        records,
        aside,
        meals,
        moved(small),
        lines,
        inside,
        unknown,
    )


def receipts_without_ids(receipts: Sequence[Receipt]) -> list[object]:
    """Return what a daemon sees of each receipt, but for the mark, which a batch may only move sooner."""
    return [(receipt.statuses, receipt.decision) for receipt in receipts]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(script=steps, sizes=st.lists(st.integers(2, 9), min_size=1, max_size=4))
def test_a_batch_equals_its_taps_one_by_one(
    postgres_url: str, script: list[tuple[str, int, int]], sizes: list[int]
) -> None:
    alone = run(postgres_url, f"a{next(_numbers)}", script, [1])
    together = run(postgres_url, f"b{next(_numbers)}", script, sizes)
    assert alone == together


mode_steps = st.lists(
    st.tuples(
        st.sampled_from(["live", "live", "live", "offline", "undo", "serve", "passed", "repeat"]),
        st.integers(0, 2),
        st.integers(0, len(SOLD) - 1),
    ),
    min_size=1,
    max_size=25,
)


def write_at_counters(small: SmallSite, script: Script) -> list[Arrival]:
    """Turn a drawn script into frames over every kind of till: two processes' worth of surprises in one batch."""
    open_counters(small)
    journal = Journal(small)
    arrivals: list[Arrival] = []
    taps: list[tuple[int, str]] = []
    for what, who, where in script:
        holder, till = small.holders[who], sorted(SOLD)[where]
        if what in {"live", "offline"}:
            tap = journal.meal(holder, till, SOLD[till].entry)
            taps.append((tap.seq, till))
            arrivals.append(journal.live(tap))
            if what == "offline":
                served = journal.ended(
                    tap.seq, OutcomeKind.SERVED, SOLD[till].verdict(OutcomeKind.SERVED, offline=True)
                )
                arrivals[-1] = journal.upload([tap, served])
        elif what in {"undo", "serve"} and taps:
            seq, till = taps[where % len(taps)]
            kind = OutcomeKind.SERVED if what == "serve" else OutcomeKind.CANCELLED
            arrivals.append(journal.upload([journal.ended(seq, kind, SOLD[till].verdict(kind, offline=False))]))
        elif what == "passed":
            gate = journal.gate(holder)
            verdict = Verdict(granted=True, reason="granted", policy_version=1, offline=False)
            arrivals += [journal.live(gate), journal.upload([journal.ended(gate.seq, OutcomeKind.PASSED, verdict)])]
        elif what == "repeat" and arrivals:
            arrivals.append(arrivals[-1 - where % len(arrivals)])
    return arrivals


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(script=mode_steps, sizes=st.lists(st.integers(2, 9), min_size=1, max_size=4))
def test_a_batch_equals_its_taps_one_by_one_in_every_mode(
    postgres_url: str, script: list[tuple[str, int, int]], sizes: list[int]
) -> None:
    alone = run(postgres_url, f"c{next(_numbers)}", script, [1], write_at_counters)
    together = run(postgres_url, f"d{next(_numbers)}", script, sizes, write_at_counters)
    assert alone == together
