"""Lists and figures of a played noon, and the pages' services over them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from cardcore.clock import to_millis
from cardcore.ids import CardId, PersonId, SiteId, StaffId, TillId
from cardcore.reasons import Reason
from cardcore.wire.messages import Health, ReaderHealth
from server.cards.service import CardChange
from server.database import Database
from server.devices import repository as device_rows
from server.ledger.service import trial_sums
from server.policy import service as policy
from server.reports import service as reports
from server.reports.pages import BLOCKED, CardPages, ChargePages, DevicePages, OverviewPages, PeoplePages, SitePages
from server.reports.paging import MAX_PAGE, PAGE_ROWS, page_of
from server.reports.rows import BlockReason, CardStatus, ChargeFilter, ChargeState, ReaderRow
from server.staff.passwords import Passwords
from server.staff.roles import Role
from server.staff.service import NewStaff, StaffRefusal, create_staff
from tests.server.reports.lunch import Lunch

DAY = date(2026, 3, 4)


@pytest.fixture(scope="module")
def lunch(module_database: Database) -> Iterator[Lunch]:
    """One noon that the tests of this module only look at."""
    played = Lunch(module_database)
    played.play()
    yield played
    played.taps.close()


@pytest.fixture
def pages(lunch: Lunch) -> SitePages:
    return SitePages(lunch.database, lunch.system, lunch.site)


class TestFigures:
    def test_of_the_day(self, pages: SitePages) -> None:
        figures = OverviewPages(pages).figures(DAY)
        assert (figures.taps, figures.passages, figures.refused, figures.offline) == (7, 2, 1, 1)
        assert figures.refusals == {Reason.PRODUCT_NOT_FOR_GATE: 1}
        assert [(hour.hour, hour.granted, hour.refused) for hour in figures.hours] == [(12, 3, 1), (13, 3, 0)]
        assert (figures.charges, figures.charged) == (3, 1200 + 1000 + 1500)

    def test_of_another_day_are_none(self, pages: SitePages) -> None:
        figures = OverviewPages(pages).figures(date(2026, 3, 5))
        assert (figures.taps, figures.charges, figures.charged, figures.hours) == (0, 0, 0, ())

    def test_a_business_day_begins_at_four_local_time(self) -> None:
        span = reports.business_span(DAY, 4 * 3600, "Asia/Shanghai")
        assert span == (datetime(2026, 3, 3, 20, tzinfo=UTC), datetime(2026, 3, 4, 20, tzinfo=UTC))


class TestCharges:
    def test_are_listed_newest_first_one_a_tap(self, lunch: Lunch, pages: SitePages) -> None:
        found = ChargePages(pages).search(ChargeFilter(DAY), 1)
        listed = sorted((row.state, row.amount, row.is_offline, row.till, row.meal) for row in found.page.rows)
        assert listed == [
            (ChargeState.AUTHORISED, 1500, False, "1号消费机", "午餐"),
            (ChargeState.POSTED, 1000, True, "4号消费机", "午餐"),
            (ChargeState.POSTED, 1200, False, "1号消费机", "午餐"),
            (ChargeState.REVERSED, 1200, False, "1号消费机", "午餐"),
        ]
        assert [row.at for row in found.page.rows] == sorted((row.at for row in found.page.rows), reverse=True)
        assert (found.sum_in_force, found.page.total) == (3_700, 4)
        assert {row.card_masked for row in found.page.rows} == {"uid:…0000", "uid:…0002", "uid:…0003", "uid:…0005"}
        stalls = lunch.database.read(lambda session: trial_sums(session, lunch.site))
        assert stalls["stall", "main"] + stalls["stall", "noodles"] == found.sum_in_force

    def test_are_filtered_by_till_and_person(self, lunch: Lunch, pages: SitePages) -> None:
        charges = ChargePages(pages)
        assert charges.search(ChargeFilter(DAY, TillId("t04")), 1).sum_in_force == 1_000
        person = lunch.seeded.holders[0].person
        assert charges.search(ChargeFilter(DAY, None, person), 1).sum_in_force == 1_200
        assert charges.search(ChargeFilter(date(2026, 3, 3)), 1).page.rows == ()

    def test_tills_have_names(self, pages: SitePages) -> None:
        assert ChargePages(pages).tills() == {f"t{n:02d}": f"{n}号消费机" for n in range(1, 5)}


class TestPeople:
    def test_a_profile_has_cards_and_purses_after_the_noon(self, lunch: Lunch, pages: SitePages) -> None:
        holder = lunch.seeded.holders[0]
        view = PeoplePages(pages).get(holder.person)
        assert view is not None
        assert [card.id for card in view.cards] == [holder.card]
        assert sum(purse.balance for purse in view.purses) == holder.opening - 1200
        assert PeoplePages(pages).get(PersonId(lunch.system.ids.uuid7())) is None

    def test_all_are_listed(self, pages: SitePages) -> None:
        found = PeoplePages(pages).search("", 1)
        assert (found.total, found.has_next) == (6, False)
        assert {row.category for row in found.rows} <= {"机关职工", "科创中心租户", "外包施工", "来宾"}


class TestCards:
    @pytest.fixture
    def officer(self, lunch: Lunch) -> StaffId:
        return self._staff(lunch, {Role.SECURITY_OFFICER})

    def test_two_people_put_a_lost_card_back_and_the_history_says_so(self, lunch: Lunch, pages: SitePages) -> None:
        cards, holders = CardPages(pages), lunch.seeded.holders
        card = holders[4].card
        officer, other, holder = (
            self._staff(lunch, {Role.SECURITY_OFFICER}, holders[number].person) for number in (0, 1, 4)
        )
        nobody = self._staff(lunch, {Role.SECURITY_OFFICER})
        second_login = self._staff(lunch, {Role.SECURITY_OFFICER}, holders[0].person)
        assert cards.block(card, BlockReason.LOST, officer) is CardChange.DONE
        assert len(lunch.database.read(lambda session: policy.denied(session, lunch.site))) == 1
        lunch.clock.advance(seconds=1)
        assert cards.unblock(card, nobody) is CardChange.PERSON_UNKNOWN
        assert cards.unblock(card, officer) is CardChange.NEEDS_APPROVAL
        for alone in (officer, second_login):
            assert cards.unblock(card, alone) is CardChange.NEEDS_APPROVAL
        assert cards.unblock(card, holder) is CardChange.NOT_ALLOWED
        assert cards.unblock(card, other) is CardChange.DONE
        view = cards.get(card)
        assert view is not None
        assert [(change.status, change.actor) for change in view.history] == [
            (CardStatus.ISSUED, "Name"),
            (CardStatus.LOST, "Name"),
        ]
        assert (view.card.status, view.schemes, view.card.number_masked) == (CardStatus.ISSUED, ("uid",), "…0005")

    def test_an_officer_alone_puts_a_suspended_card_back_but_not_the_own(
        self, lunch: Lunch, pages: SitePages, officer: StaffId
    ) -> None:
        cards, holder = CardPages(pages), lunch.seeded.holders[4]
        own = self._staff(lunch, {Role.SECURITY_OFFICER}, holder.person)
        assert cards.block(holder.card, BlockReason.SUSPENDED, officer) is CardChange.DONE
        assert cards.unblock(holder.card, own) is CardChange.NOT_ALLOWED
        assert cards.unblock(holder.card, officer) is CardChange.DONE

    def test_every_reason_to_block_has_its_state(self) -> None:
        assert set(BLOCKED) == set(BlockReason)

    def test_who_may_not_does_not(self, lunch: Lunch, pages: SitePages) -> None:
        cards, card = CardPages(pages), lunch.seeded.holders[4].card
        cashier = self._staff(lunch, {Role.CASHIER})
        assert cards.block(card, BlockReason.SUSPENDED, cashier) is CardChange.NOT_ALLOWED
        assert cards.unblock(card, cashier) is CardChange.NOT_ALLOWED
        assert cards.block(card, BlockReason.LOST, StaffId(card)) is CardChange.NOT_ALLOWED
        assert cards.block(card, BlockReason.LOST, cashier) is CardChange.DONE

    def test_an_unknown_card(self, lunch: Lunch, pages: SitePages, officer: StaffId) -> None:
        unknown = CardId(lunch.system.ids.uuid7())
        assert CardPages(pages).get(unknown) is None
        assert CardPages(pages).block(unknown, BlockReason.LOST, officer) is CardChange.NOT_FOUND

    def test_another_sites_card_is_unknown(self, lunch: Lunch, officer: StaffId) -> None:
        other = SitePages(lunch.database, lunch.system, SiteId(lunch.system.ids.uuid7()))
        card = lunch.seeded.holders[0].card
        assert CardPages(other).get(card) is None
        assert CardPages(other).block(card, BlockReason.LOST, officer) is CardChange.NOT_ALLOWED

    def _staff(self, lunch: Lunch, roles: set[Role], person: PersonId | None = None) -> StaffId:
        passwords = Passwords(lunch.system.ids, memory_kib=8, time_cost=1)
        new = NewStaff(
            f"user-{lunch.system.ids.uuid7()}", "Name", "correct horse battery", frozenset(roles), person=person
        )
        created = lunch.database.write(
            lambda session: create_staff(session, lunch.system, lunch.site, passwords, new, "test")
        )
        assert not isinstance(created, StaffRefusal)
        return created


class TestDevices:
    def test_a_device_shows_what_it_last_said_of_itself(self, lunch: Lunch, pages: SitePages) -> None:
        (never,) = DevicePages(pages).list()
        assert (never.name, never.is_online, never.last_seen, never.snapshot_version) == ("box", False, None, None)
        said_at = lunch.clock.now()
        health = Health(
            at_ms=to_millis(said_at),
            uptime_ms=1,
            last_seq=9,
            pending=4,
            journal_fill_percent=0,
            policy_version=never.newest_snapshot_version,
            deny_version=0,
            clock_skew_ms=0,
            memory_bytes=0,
            readers=(
                ReaderHealth("r1", "g01", online=True, secure=True),
                ReaderHealth("r2", "t01", online=False, secure=False),
            ),
        )
        lunch.database.write(lambda session: device_rows.update_status(session, never.id, said_at, health))
        (told,) = DevicePages(pages).list()
        assert (told.is_online, told.last_seen, told.queue_length) == (True, said_at, 4)
        assert told.snapshot_version == told.newest_snapshot_version
        assert told.readers == (
            ReaderRow("r1", "g01", is_online=True, is_secure=True, last_valid_reply=said_at),
            ReaderRow("r2", "t01", is_online=False, is_secure=False, last_valid_reply=None),
        )


class TestPaging:
    def test_a_page_out_of_range_is_the_nearest(self) -> None:
        asked: list[tuple[int, int]] = []

        def find(limit: int, offset: int) -> list[int]:
            asked.append((limit, offset))
            return list(range(limit))

        first, last = page_of(-5, find, lambda: None), page_of(10**9, find, lambda: None)
        assert (first.number, last.number, len(first.rows), first.has_next) == (1, MAX_PAGE, PAGE_ROWS, True)
        assert asked == [(PAGE_ROWS + 1, 0), (PAGE_ROWS + 1, (MAX_PAGE - 1) * PAGE_ROWS)]
