"""The oracle: a small, slow, sequential model of what cards, prices, purses and meals must be.

The committed history is replayed to it in the order of the commits, one record at a time. It knows no batch, no cache
and none of the product's rules: it says in its own words what a live tap must be answered and what every purse holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from uuid import UUID

from cardcore.access.items import AccountState, CardState, Passback, Product
from cardcore.journal import ClockQuality, Intent, Outcome, OutcomeKind, Purpose, Record, Stamp, read_body
from server.taps.arrivals import Arrival, LiveDecision, Receipt
from tests.simulation import site_plan as plan
from tests.simulation.backend import AccountSet, BatchDone, CardSet, Committed, DayClosed, Holder, MoneyAdded, PriceSet
from tests.simulation.books import Key

SHANGHAI = timezone(timedelta(hours=8))
DAY_STARTS = timedelta(hours=4)
FORGOTTEN = timedelta(days=7)
"""Where somebody was longer ago says nothing."""
AHEAD = timedelta(minutes=10)
"""A device whose clock is further ahead is not believed about the day."""
_REFUSALS = {
    CardState.LOST: "card_lost",
    CardState.SUSPENDED: "card_suspended",
    CardState.REVOKED: "card_revoked",
}


@dataclass(slots=True)
class Account:
    """Money and meals of one person."""

    subsidy: int
    cash: int
    state: AccountState = AccountState.OPEN
    meals: dict[date, int] = field(default_factory=dict)


@dataclass(slots=True)
class Tap:
    """What is known of a tap: whose, where, and what is booked for it now."""

    credential: str
    purpose: Purpose
    place: str
    booked: int = 0
    account: UUID | None = None
    taken: tuple[int, int] = (0, 0)
    """From subsidy and cash."""
    day: date | None = None
    booked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where the product's answer is not the model's."""

    key: Key
    ours: tuple[bool, str, int, int]
    theirs: tuple[bool, str, int, int]


class Model:
    """See the module."""

    def __init__(
        self, holders: tuple[Holder, ...], variant: plan.Variant, rogues: frozenset[UUID] = frozenset()
    ) -> None:
        """`rogues` are devices whose word moves nobody's money here: the model looks away."""
        self._rogues = rogues
        self.variant = variant
        self.price = plan.PRICE_FEN
        self.holders = {holder.credential: holder for holder in holders}
        self.states = {holder.credential: CardState.ACTIVE for holder in holders}
        self.accounts = {
            holder.account: Account(holder.subsidy, holder.cash) for holder in holders if holder.account is not None
        }
        self.taps: dict[Key, Tap] = {}
        self.seen: dict[Key, bytes] = {}
        self.conflicts: list[tuple[Key, bytes]] = []
        self.disagreements: list[Disagreement] = []
        self.receivable = 0
        self.reversed: list[Key] = []
        self.late_losses: list[Key] = []
        """Meals served by a box that did not know yet that the card was refused."""
        self.positions: dict[UUID, tuple[str, datetime]] = {}
        """Where each person last passed to, and when."""
        self.turned_back = 0
        """Taps refused because their holder is inside already."""
        self.closed: list[DayClosed] = []
        self._at: datetime | None = None

    def replay(self, committed: list[Committed]) -> None:
        """Take the whole history."""
        for one in committed:
            match one:
                case CardSet(credential, state):
                    self.states[credential] = state
                case MoneyAdded(account, amount):
                    self.accounts[account].cash += amount
                case PriceSet(amount):
                    self.price = amount
                case AccountSet(account, state):
                    self.accounts[account].state = state
                case DayClosed():
                    self.closed.append(one)
                case BatchDone(at, arrivals, receipts):
                    for arrival, receipt in zip(arrivals, receipts, strict=True):
                        self._arrival(at, arrival, receipt)

    def _arrival(self, at: datetime, arrival: Arrival, receipt: Receipt | None) -> None:
        self._at = at
        if arrival.device.id in self._rogues:
            return
        for record in arrival.records:
            key = (arrival.device.id, arrival.epoch, record.seq)
            known = self.seen.get(key)
            if known is None:
                self.seen[key] = record.hash
                self._record(at, arrival, key, record, receipt)
            elif known != record.hash:
                self.conflicts.append((key, record.hash))

    def _record(self, at: datetime, arrival: Arrival, key: Key, record: Record, receipt: Receipt | None) -> None:
        body = read_body(record)
        decision = receipt.decision if receipt is not None else None
        if isinstance(body, Intent):
            self.taps[key] = Tap(body.credential, body.purpose, body.place)
            if arrival.live and body.purpose is Purpose.TILL:
                self._meal(at, key, body, decision)
            elif arrival.live:
                self._compare(key, (*self._gate(body, at), 0, 0), decision)
        elif isinstance(body, Outcome):
            self._outcome(at, (key[0], key[1], body.tap_seq), body)

    # --- decisions ----------------------------------------------------------------------------------------------

    def _card(self, credential: str) -> str:
        """Return why a card is refused, or nothing."""
        state = self.states.get(credential)  # type: ignore[call-overload]
        if state is None:
            return "card_unknown"
        return "" if state is CardState.ACTIVE else _REFUSALS[state]

    def _gate(self, tap: Intent, at: datetime) -> tuple[bool, str]:
        refused = self._card(tap.credential)
        if not refused and self.holders[tap.credential].product is Product.CANTEEN_ONLY:
            refused = "product_not_for_gate"
        if tap.possibly_stale and not refused:
            refused = "possibly_stale"
        if refused:
            return False, refused
        if tap.place == plan.WAY_OUT or not self._inside(self.holders[tap.credential].person, at):
            return True, "granted"
        if self.variant.passback is Passback.HARD:
            self.turned_back += 1
            return False, "inside_already"
        return True, "granted_again" if self.variant.passback is Passback.SOFT else "granted"

    def _inside(self, person: UUID, at: datetime) -> bool:
        zone, since = self.positions.get(person, (plan.OUTSIDE, at))
        return zone == plan.INSIDE and at - since <= FORGOTTEN

    def _meal(self, at: datetime, key: Key, tap: Intent, theirs: LiveDecision | None) -> None:
        refused = self._card(tap.credential)
        holder = self.holders.get(tap.credential)
        account = self.accounts.get(holder.account) if holder is not None and holder.account is not None else None
        day = business_day(at)
        amount = 0
        if not refused and holder is not None and holder.product is Product.GATE_ONLY:
            refused = "product_not_for_canteen"
        if not refused and _between_meals(at):
            refused = "no_meal_now"
        if not refused:
            amount = tap.amount if self.variant.keyed and tap.place == plan.KEYED_TILL else self.price
            refused = self._account(account, day, amount) if amount else "amount_missing"
        if not refused and account is not None:
            self._book(self.taps[key], holder.account, account, amount, day, forced=False)  # type: ignore[union-attr]
        left = account.subsidy + account.cash if account is not None else 0
        self._compare(key, (not refused, refused or "charged", amount, left), theirs)

    def _account(self, account: Account | None, day: date, amount: int) -> str:
        if account is None or account.state is AccountState.CLOSED:
            return "account_closed"
        if account.state is AccountState.FROZEN:
            return "account_frozen"
        if account.meals.get(day, 0) >= plan.MEALS_A_DAY:
            return "meal_limit"
        usable = max(0, account.subsidy) + max(0, account.cash)
        return "balance_too_low" if usable < amount else ""

    def _compare(self, key: Key, ours: tuple[bool, str, int, int], theirs: LiveDecision | None) -> None:
        if theirs is None:
            return
        said = (theirs.granted, str(theirs.reason), theirs.amount, theirs.balance_after)
        if said != ours:
            self.disagreements.append(Disagreement(key, ours, said))

    # --- money --------------------------------------------------------------------------------------------------

    def _outcome(self, at: datetime, tap_key: Key, body: Outcome) -> None:
        tap = self.taps.get(tap_key)
        if tap is None:
            return
        if tap.purpose is not Purpose.TILL:
            self._passed(at, tap, body)
            return
        wanted = body.verdict.amount if body.outcome is OutcomeKind.SERVED else 0
        if wanted == tap.booked:
            return
        holder = self.holders.get(tap.credential)  # type: ignore[call-overload]
        if tap.booked:
            self._unbook(tap)
            self.reversed.append(tap_key)
        if wanted:
            account = self.accounts.get(holder.account) if holder is not None and holder.account is not None else None
            if account is not None and account.state is AccountState.CLOSED:
                account = None
            if self._card(tap.credential):
                self.late_losses.append(tap_key)
            day = business_day(_when(at, body.stamp))
            self._book(tap, holder.account if holder is not None else None, account, wanted, day, forced=True)

    def _passed(self, at: datetime, tap: Tap, body: Outcome) -> None:
        """Only somebody who went through is somewhere else now; the latest passage counts, whenever it is heard of."""
        holder = self.holders.get(tap.credential)  # type: ignore[call-overload]
        if body.outcome is not OutcomeKind.PASSED or holder is None:
            return
        when = _when(at, body.stamp)
        if holder.person not in self.positions or self.positions[holder.person][1] <= when:
            self.positions[holder.person] = (plan.OUTSIDE if tap.place == plan.WAY_OUT else plan.INSIDE, when)

    def _book(
        self, tap: Tap, number: UUID | None, account: Account | None, amount: int, day: date, *, forced: bool
    ) -> None:
        tap.booked_at = self._at
        tap.booked, tap.day, tap.account = amount, day, number if account is not None else None
        if account is None:
            self.receivable += amount
            return
        subsidy = min(amount, max(0, account.subsidy))
        cash = amount - subsidy
        assert forced or cash <= max(0, account.cash), "the model itself overdraws"
        account.subsidy -= subsidy
        account.cash -= cash
        account.meals[day] = account.meals.get(day, 0) + 1
        tap.taken = (subsidy, cash)

    def _unbook(self, tap: Tap) -> None:
        if tap.account is None:
            self.receivable -= tap.booked
        else:
            account = self.accounts[tap.account]
            account.subsidy += tap.taken[0]
            account.cash += tap.taken[1]
            assert tap.day is not None
            account.meals[tap.day] -= 1
        tap.booked, tap.taken = 0, (0, 0)


def _when(at: datetime, stamp: Stamp) -> datetime:
    happened = datetime.fromtimestamp(stamp.at_ms / 1000, tz=at.tzinfo)
    return at if stamp.quality is ClockQuality.UNSET or happened > at + AHEAD else happened


def _between_meals(at: datetime) -> bool:
    local = at.astimezone(SHANGHAI)
    second = local.hour * 3600 + local.minute * 60 + local.second
    return plan.LUNCH_SECONDS[1] <= second < plan.LUNCH_SECONDS[0]


def business_day(at: datetime) -> date:
    """Return the business day of an instant."""
    return (at.astimezone(SHANGHAI) - DAY_STARTS).date()
