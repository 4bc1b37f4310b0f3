"""A month at the reference site: what is eaten, what goes wrong, and how it is put right. March 2026, 22 workdays.

`meals` of the real place are 27,000; a smaller number plays the same month with fewer guests.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from unittest.mock import patch
from zoneinfo import ZoneInfo

from cardcore.access.items import CardState
from cardcore.ids import AccountId, CardId, CategoryId, ChargeId, StallId
from cardcore.money import Fen
from reader_daemon.messages import LedColour
from server.canteen.charging import MealSubsidy, put_meal_subsidy
from server.cards import service as cards
from server.cashdesk import closing
from server.close.models import DayClose
from server.close.months import lock_month
from server.corrections.approved import ADJUSTMENT, REFUND, AdjustmentWanted, RefundWanted
from server.ledger import invariants
from server.seed.service import SeededHolder
from server.settlement import contracts, sheets
from server.settlement.models import Contract, Sheet
from server.subsidies import batches, plans
from server.subsidies.approved import BATCH_BOOK, PLAN_PUT, BookBatch, PutPlan
from server.subsidies.batches import BatchKind
from tests.month.office import Office
from tests.month.site import KEYED_TILL, MonthSite
from tests.simulation import readers
from tests.simulation.chance import Chance
from tests.simulation.loop import VirtualLoop
from tests.simulation.silence import silence, unexpected_errors

ZONE = ZoneInfo("Asia/Shanghai")
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)
WORKDAYS = tuple(day for day in (FIRST + timedelta(days=n) for n in range(31)) if day.weekday() < 5)
BREAKFAST_SHARE = 4
"""One meal in so many is a breakfast."""
REFUNDED, SHORT_TILL, PAYROLL, MISKEYED, UNDONE, OUTAGE, BACK, LEAVER = (
    date(2026, 3, day) for day in (5, 9, 10, 12, 16, 18, 20, 25)
)
"""A wrong dish; a drawer one yuan short; wages; 10 yuan keyed as 100; a charge taken back; lines cut and a card
stolen; the second box back; somebody leaves."""

EXPLANATIONS = {
    "offline_card_stolen": "used at a till that was cut off, before its list could come: the site bears it",
    "cash_difference": "change given wrongly on 9 March, the cashier knows",
    "suspense": "one yuan over/short of 9 March, to be written off at the year's end",
    "silent_till": "its line was cut on 18 March; its meals came on the 20th and are booked there",
    "till_total": "its line was cut on 18 March; its meals came on the 20th and are booked there",
    "sequence_gap": "its line was cut on 18 March",
    "shift_open": "counted later the same day",
    "bank_ours_only": "wages of 10 March: the statement comes next month",
    "offline_clock_unsure": "eaten just after a box was switched on, before it had heard the server's clock",
    "offline_balance_too_low": "eaten while the line was cut; the holder repays it with the next top-up",
}
"""What finance writes beside each kind of difference that this month is known to have."""


@dataclass
class Month:
    """What came out of it."""

    meals: int = 0
    served: int = 0
    refused: int = 0
    undone: int = 0
    charged: int = 0
    charged_fen: int = 0
    closes: list[DayClose] = field(default_factory=list)
    differences: Counter[str] = field(default_factory=Counter)
    payable: dict[str, int] = field(default_factory=dict)
    late: int = 0
    transfers: int = 0
    records: int = 0
    broken: dict[str, object] = field(default_factory=dict)
    locked: bool = False
    errors: list[str] = field(default_factory=list)
    """What the programs logged as errors that no fault explains."""


class Story:
    """Plays the month."""

    def __init__(self, site: MonthSite, office: Office, meals: int) -> None:
        self.site, self.office, self.meals = site, office, meals
        self.chance = random.Random(7)
        people = list(site.backend.people)
        self.thief_of, self.leaver, self.miskeyed = people[0], people[1], people[2]
        """Whose card is stolen, who leaves, who pays tenfold."""
        self.guests = people[3:]
        self.month = Month(meals)

    async def play(self) -> Month:
        """Play all of it; returns what came out."""
        self._arrange()
        for number, day in enumerate(WORKDAYS):
            await self._day(number, day)
        await self.site.lights_on(_at(LAST + timedelta(days=1), 8))
        self._end()
        return self.month

    # --- a day --------------------------------------------------------------------------------------------------

    async def _day(self, number: int, day: date) -> None:
        site, office = self.site, self.office
        share = self.meals // len(WORKDAYS) + (1 if number < self.meals % len(WORKDAYS) else 0)
        if day == BACK:
            site.mend("tills-2")
        elif day == OUTAGE + timedelta(days=1):
            site.mend("tills-1")
        await site.lights_on(_at(day, 8))
        if day != WORKDAYS[0]:
            self.month.closes += office.close_through(day - timedelta(days=1))
        self._morning(day)
        if day == OUTAGE:
            site.cut("tills-1", "tills-2")
            self._stolen()
        guests = self.chance.sample(self.guests, share)
        breakfast = guests[: share // BREAKFAST_SHARE]
        await site.serve(breakfast)
        if day == OUTAGE:
            await site.until(_at(day, 12))  # a box that begins without a line serves nobody
        else:
            site.lights_off()
            await site.lights_on(_at(day, 12))
        await site.serve(guests[len(breakfast) :])
        await self._beside(day)
        await site.drained()
        site.lights_off()

    def _morning(self, day: date) -> None:
        """Let whoever has little top up at the desk; do what the office has for the day."""
        office = self.office
        if day == WORKDAYS[0]:
            done = office.write(lambda session: plans.run_month(session, office.system, office.id, FIRST))
            assert isinstance(done, tuple), done
        shift = office.open_shift()
        poor = self.site.rows(
            "select account_id from purse where site_id = %(site)s and kind = 'cash' and balance_fen < 3000"
            " and account_id <> all(%(not)s) order by id",
            **{"not": [self.thief_of.account, self.leaver.account]},
        )
        taken = sum(int(office.top_up(shift, AccountId(row[0]), 20_000).amount) for row in poor)
        if day == LEAVER:
            taken -= self._leaves(shift)
        office.close_shift(shift, 50_000 + taken - (100 if day == SHORT_TILL else 0))
        if day == PAYROLL:
            self._payroll()
        if day == REFUNDED:
            charge = self.site.rows(
                "select id from charge where site_id = %(site)s and amount_fen >= 1000 and revision = 0"
                " order by at limit 1"
            )[0][0]
            office.by_two(REFUND, RefundWanted(ChargeId(charge), 300), "the dish was not what it should be")
        if day == MISKEYED + timedelta(days=1):
            charge = self.site.rows("select id from charge where site_id = %(site)s and amount_fen > 5000")[0][0]
            office.by_two(REFUND, RefundWanted(ChargeId(charge), 9_000), "10.00 yuan was keyed as 100.00")

    async def _beside(self, day: date) -> None:
        """Do what happens beside the queue."""
        site = self.site
        if day == MISKEYED:
            assert await site.eat(KEYED_TILL, self.miskeyed, "100#") is LedColour.GREEN
        elif day == UNDONE:
            guest = self.miskeyed
            assert await site.eat("t01", guest) is LedColour.GREEN
            await site.undo("t01", guest)
        elif day == OUTAGE:
            assert await site.eat("t01", self.thief_of) is LedColour.GREEN  # the till has an old list

    # --- what goes on in the offices ----------------------------------------------------------------------------

    def _arrange(self) -> None:
        office = self.office
        contract = [Contract(StallId(name), FIRST, name, 250) for name in ("main", "noodles")]
        for one in contract:
            made = office.write(
                lambda session, one=one: contracts.add_contract(session, office.system, office.id, one, office.clerk)  # type: ignore[misc]
            )
            assert isinstance(made, Contract), made
        plan = PutPlan("staff-food", CategoryId("staff"), 5_000, plans.PlanMode.RESET, FIRST)
        office.by_two(PLAN_PUT, plan, "resolution 3 of 2026")
        aid = MealSubsidy("tenant", per="day", fen=Fen(100))
        assert office.write(lambda session: put_meal_subsidy(session, office.system, office.id, aid, "test")) is None
        rich = office.open_shift()
        office.top_up(rich, _account(self.miskeyed), 20_000)
        office.close_shift(rich, 70_000)

    def _stolen(self) -> None:
        office = self.office
        done = office.write(
            lambda session: cards.change_state(
                session, office.system, office.id, CardId(self.thief_of.card), CardState.STOLEN, ("test", "reported")
            )
        )
        assert done is cards.CardChange.DONE, done

    def _payroll(self) -> None:
        office = self.office
        numbers = self.site.rows(
            "select p.number from person p join account a on a.person_id = p.id where p.site_id = %(site)s"
            " and a.id <> all(%(not)s) order by p.number limit 10",
            **{"not": [self.thief_of.account, self.leaver.account]},
        )
        lines = ["工号,金额", *(f"{row[0]},100.00" for row in numbers), f"合计,{100 * len(numbers)}.00"]
        content = "\r\n".join(lines).encode("utf-8-sig")
        sheet = batches.Sheet("P-2026-03", BatchKind.PAYROLL, "wages.csv", content)
        made = office.write(
            lambda session: batches.draft(session, office.system, office.id, sheet, f"staff:{office.clerk}")
        )
        assert isinstance(made, batches.BatchView), made
        wanted = BookBatch(made.id, made.number, made.kind, made.lines, made.total, made.content_hash)
        office.by_two(BATCH_BOOK, wanted, "wages of March")

    def _leaves(self, shift: object) -> int:
        office = self.office
        closure = closing.Closure(_account(self.leaver), closing.Rest.PAID_OUT, "left the office", True, True)  # noqa: FBT003
        done = office.write(
            lambda session: closing.close_account(session, office.system, office.id, office.at(shift), closure)  # type: ignore[arg-type]
        )
        assert isinstance(done, closing.Closed), done
        return done.paid_out

    # --- the end ------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        office, month, site = self.office, self.month, self.site
        month.closes += office.close_through(LAST)
        victim = AdjustmentWanted(_account(self.thief_of), "cash", 1_200)
        office.by_two(ADJUSTMENT, victim, "eaten by a thief after the loss was reported")
        for stall in ("main", "noodles"):
            sheet = office.write(
                lambda session, stall=stall: sheets.draw_up(  # type: ignore[misc]
                    session, office.system, office.id, StallId(stall), LAST, office.clerk
                )
            )
            assert isinstance(sheet, Sheet), sheet
            month.payable[stall] = sheet.payable
        for finding in office.open_findings():
            month.differences[finding.kind] += 1
            office.settle(finding, EXPLANATIONS[finding.kind])
        refused = office.write(lambda session: lock_month(session, office.system, office.id, LAST, office.clerk))
        month.locked = refused is None
        month.broken = {
            name: found
            for name, found in office.read(
                lambda session: invariants.all_invariants(session, office.id, drained=True)
            ).items()
            if found
        }
        month.served, month.refused, month.undone = site.counted.served, site.counted.refused, site.counted.undone
        ((month.charged, month.charged_fen, month.late),) = site.rows(
            "select sum(1 - 2 * (revision %% 2)), sum(amount_fen * (1 - 2 * (revision %% 2)))::bigint,"
            " count(*) filter (where event_day is not null) from charge where site_id = %(site)s"
        )
        ((month.transfers,),) = site.rows("select count(*) from transfer where site_id = %(site)s")
        ((month.records,),) = site.rows("select count(*) from record where site_id = %(site)s")


def play_month(url: str, meals: int, cards_issued: int) -> Month:
    """Play the month over a migrated database of its own."""
    silence()
    unexpected_errors()
    loop = VirtualLoop(Chance(5).stream("turns"))
    folder = Path(tempfile.mkdtemp(prefix="onecard-month-"))
    site: MonthSite | None = None
    try:
        asyncio.set_event_loop(loop)
        with patch.object(readers, "STALE_CHANCE", 0.0):
            site = MonthSite(url, loop, _at(FIRST, 16), cards_issued, folder)
            month = loop.run_until_complete(Story(site, Office(site), meals).play())
        assert site.history.violations == []
        # The daily check of the journal opens the file by its path, and simulated disks are in memory.
        month.errors = [error for error in unexpected_errors() if not error.startswith("journal_check_failed")]
        return month
    finally:
        loop.bury()
        asyncio.set_event_loop(None)
        loop.close()
        if site is not None:
            site.backend.close()
        shutil.rmtree(folder, ignore_errors=True)


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), ZONE).astimezone(UTC)


def _account(holder: SeededHolder) -> AccountId:
    assert holder.account is not None
    return holder.account
