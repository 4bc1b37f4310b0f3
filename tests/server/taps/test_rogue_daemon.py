"""A compromised, well-enrolled daemon: it holds its keys and says what it likes, and mints no money and no passage.

It replays, forks its own journal, leaves gaps, forges seals, stamps the future, reports other devices' places and
records, and invents outcomes of any amount. On the real tap path and PostgreSQL (F20, I3, I11, I16, I17).
"""

from __future__ import annotations

import msgspec
import psycopg
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from cardcore.ids import DeviceId, TapKey
from cardcore.journal import GENESIS, ChainHead, OutcomeKind, Record, Verdict, authentic, first_break
from cardcore.wire.messages import RecordStatus
from server.database import Database, connect_app
from server.ledger.invariants import all_invariants
from server.taps.arrivals import Arrival, LinkDevice
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.server.taps.small_site import RECORD_KEY, Journal, SmallSite, make_site

EXAMPLES, STEPS = 8, 25
OPENING_FEN = 5_000
PLACES = st.sampled_from(["t01", "t02", "g01", "t99", "g99", ""])
AMOUNTS = st.sampled_from([0, 1, 1_200, 1_000_000, -1, -5_000])
SOMEBODY = st.integers(0, 2)
DAY_MS = 86_400_000


class RogueDaemon(RuleBasedStateMachine):
    """See the module. `database` is set by the test."""

    database: Database
    drawn = 0

    @initialize()
    def a_site(self) -> None:
        type(self).drawn += 1
        url = self.database.url
        self.small: SmallSite = make_site(url, holders=3, cash_fen=OPENING_FEN, name=f"rogue-{type(self).drawn}")
        self.service = TapService(PostgresTaps(lambda: connect_app(url)), self.small.system)
        self.journal = Journal(self.small)
        self.sent: list[Arrival] = []
        link = self.small.device
        self.accomplice = LinkDevice(DeviceId(self.small.ids.uuid7()), link.site, link.purposes, link.places, b"o" * 32)
        self.enrol(self.accomplice)

    def enrol(self, other: LinkDevice) -> None:
        with psycopg.connect(self.database.url) as connection:
            connection.execute(
                "insert into device (id, site_id, name, purposes, public_key, record_key_sealed, enrolled_at)"
                " values (%s, %s, 'other', '{gate,till}', %s, '', %s)",
                (other.id, other.site, bytes(32), self.small.clock.now()),
            )
            connection.execute(
                "insert into device_epoch (device_id, epoch, head_hash, opened_at) values (%s, %s, %s, %s)",
                (other.id, self.journal.epoch, GENESIS, self.small.clock.now()),
            )

    def teardown(self) -> None:
        if hasattr(self, "service"):
            self.service.close()

    def say(self, arrival: Arrival) -> tuple[RecordStatus, ...]:
        (receipt,) = self.service.process([arrival])
        self.sent.append(arrival)
        return tuple(status for _, status in receipt.statuses)

    @rule(who=SOMEBODY, place=PLACES, live=st.booleans())
    def taps_anywhere(self, who: int, place: str, live: bool) -> None:
        holder = self.small.holders[who]
        record = self.journal.gate(holder, place) if place.startswith("g") else self.journal.meal(holder, place)
        self.say(self.journal.live(record) if live else self.journal.upload([record]))

    @rule(
        back=st.integers(1, 6), kind=st.sampled_from(list(OutcomeKind)), amount=AMOUNTS,
        offline=st.booleans(), granted=st.booleans(),
    )  # fmt: skip
    def invents_an_outcome(self, back: int, kind: OutcomeKind, amount: int, offline: bool, granted: bool) -> None:
        tap = max(1, len(self.journal.records) + 1 - back)
        verdict = Verdict(granted, "charged", 1, offline, amount, "lunch")
        self.say(self.journal.upload([self.journal.ended(tap, kind, verdict)]))

    @rule(back=st.integers(0, 9))
    def replays_what_it_sent(self, back: int) -> None:
        if self.sent:
            statuses = self.say(self.sent[-1 - back % len(self.sent)])
            assert RecordStatus.STORED not in statuses

    @rule(back=st.integers(1, 5), who=SOMEBODY)
    def forks_its_journal(self, back: int, who: int) -> None:
        if self.journal.records:
            forked = Journal(self.small)
            forked.records = self.journal.records[: -(1 + back % len(self.journal.records))]
            other = forked.meal(self.small.holders[who])
            taken = self.small.rows(
                "select 1 from record where device_id = %s and seq = %s", self.small.device.id, other.seq
            )
            before = self.small.balance(self.small.holders[who])
            statuses = self.say(forked.live(other))
            if taken:  # a number whose only record had a forged seal is still free for a genuine one
                assert statuses == (RecordStatus.CONFLICT,)
                assert self.small.balance(self.small.holders[who]) == before

    @rule(who=SOMEBODY)
    def tells_two_histories_backwards(self, who: int) -> None:
        """Send the later of two records first, and then another one than it was chained to."""
        other = Journal(self.small)
        other.records = list(self.journal.records)
        self.journal.gate(self.small.holders[who])
        self.say(self.journal.upload([self.journal.gate(self.small.holders[who])]))
        self.say(other.upload([other.meal(self.small.holders[who])]))

    @rule(who=SOMEBODY)
    def leaves_a_gap(self, who: int) -> None:
        hidden = self.journal.gate(self.small.holders[who])
        shown = self.journal.gate(self.small.holders[who])
        (ahead,) = self.service.process([self.journal.upload([shown])])
        assert ahead.acked_through < hidden.seq
        self.say(self.journal.upload([hidden]))

    @rule(who=SOMEBODY)
    def forges_a_seal(self, who: int) -> None:
        record = self.journal.meal(self.small.holders[who])
        forged = msgspec.structs.replace(record, mac=bytes(16))
        before = self.small.balance(self.small.holders[who])
        assert self.say(self.journal.live(forged)) == (RecordStatus.QUARANTINED,)
        assert self.small.balance(self.small.holders[who]) == before

    @rule(who=SOMEBODY)
    def stamps_the_future(self, who: int) -> None:
        at = self.small.clock.at
        self.small.clock.advance(days=400)
        record = self.journal.meal(self.small.holders[who])
        self.small.clock.at = at
        self.say(self.journal.upload([record]))

    @rule(back=st.integers(0, 5))
    def shows_its_records_as_another_device(self, back: int) -> None:
        if self.journal.records:
            other = self.accomplice
            record = self.journal.records[-1 - back % len(self.journal.records)]
            (receipt,) = self.service.process([Arrival(other, self.journal.epoch, (record,), live=False)])
            assert receipt.statuses[0][1] is RecordStatus.QUARANTINED

    # --- what must stay out of reach -----------------------------------------------------------------------

    @invariant()
    def nobody_got_money(self) -> None:
        if hasattr(self, "small"):
            assert all(self.small.balance(holder) <= OPENING_FEN for holder in self.small.holders)

    @invariant()
    def the_books_balance_and_a_tap_is_charged_once(self) -> None:
        if not hasattr(self, "small"):
            return
        site = self.small.site
        rows = self.small.rows
        assert rows("select coalesce(sum(amount_fen), 0) from posting where site_id = %s", site) == [(0,)]
        unequal = rows(
            "select p.id from purse p left join posting s on s.ledger_account_id = p.id where p.site_id = %s"
            " group by p.id having p.balance_fen <> coalesce(sum(s.amount_fen), 0)", site,
        )  # fmt: skip
        assert unequal == []
        broken = rows(
            "select seq from charge where site_id = %s group by device_id, epoch, seq"
            " having count(*) <> max(revision) + 1", site,
        )  # fmt: skip
        assert broken == []
        assert rows("select id from charge where site_id = %s and till_id not in ('t01', 't02')", site) == []

    @invariant()
    def all_that_is_stored_is_authentic_and_chained(self) -> None:
        if not hasattr(self, "small"):
            return
        found = self.small.rows(
            "select seq, body, previous, hash, mac from record where device_id = %s order by seq", self.small.device.id
        )
        records = [Record(row[0], *map(bytes, row[1:])) for row in found]
        for record in records:
            assert authentic(record, TapKey(self.small.device.id, self.journal.epoch, record.seq), RECORD_KEY)
        (through,) = self.small.rows(
            "select acked_through from device_epoch where device_id = %s", self.small.device.id
        )[0]
        held = {record.seq for record in records} | {
            row[0] for row in self.small.rows("select seq from quarantine where device_id = %s", self.small.device.id)
        }
        assert set(range(1, through + 1)) <= held
        whole = [record.seq for record in records[:through]] == list(range(1, through + 1))
        if whole and first_break(ChainHead(0, GENESIS), records[:through]) is not None:
            assert self.is_on_an_operators_page()

    def is_on_an_operators_page(self) -> bool:
        """Tell whether a broken chain shows: as a case to look at, or in the sweep of the invariants (I7, I17)."""
        if self.small.rows("select 1 from finding where site_id = %s and closed_at is null", self.small.site):
            return True
        found = self.database.read(lambda session: all_invariants(session, self.small.site))
        return any(violations for name, violations in found.items() if name.startswith("inv_i07") or "i07" in name)


def test_a_rogue_daemon_mints_nothing(module_database: Database) -> None:
    class OnThisDatabase(RogueDaemon):
        database = module_database

    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize=True,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        ),
    )  # fmt: skip
