"""The seeded reference site: as large as the real one, publishable, in balance, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import holidays
import msgspec
import pytest

from cardcore.access.decide import GateTap, SiteState, decide
from cardcore.access.items import Product
from cardcore.calendar import DayKind
from cardcore.canteen.authorise import MealTap, authorise_alone
from cardcore.canteen.offline import OfflineSpell
from cardcore.ids import CredentialKey, LaneId, TillId
from cardcore.reasons import Reason
from firmware_mocks.plant.cards import cards_document, write_cards
from server.access.service import assign_device
from server.database import Database
from server.ledger import invariants
from server.ledger.service import trial_sums
from server.policy import service as policy
from server.seed.card_list import SeedCard, parse_card_list, read_card_list
from server.seed.holders import holders
from server.seed.holidays import CALENDAR
from server.seed.names import GIVEN, SURNAMES, made_up_name
from server.seed.service import SiteExistsError, seed_reference_site
from server.system import System

LUNCH = datetime(2026, 9, 7, 4, 0, tzinfo=UTC)
"""A Monday, 12:00 at the site."""


def some_cards(count: int) -> list[SeedCard]:
    products = (Product.COMBINED, Product.GATE_ONLY, Product.CANTEEN_ONLY)
    return [SeedCard(n, products[n % 3], CredentialKey(f"uid:{n:08x}")) for n in range(count)]


def _document(*credentials: str) -> bytes:
    cards = [{"index": n, "product": "combined", "credential": key} for n, key in enumerate(credentials)]
    return msgspec.json.encode({"version": 1, "cards": cards})


def test_the_whole_site_has_the_real_ones_figures(database: Database, system: System, tmp_path: Path) -> None:
    path = tmp_path / "cards.json"
    write_cards(path)
    seeded = seed_reference_site(database, system, read_card_list(path))
    products = Counter(holder.product for holder in seeded.holders)
    assert products == {Product.COMBINED: 2455, Product.GATE_ONLY: 922, Product.CANTEEN_ONLY: 460}
    site = seeded.site_id
    snapshot = database.read(lambda session: policy.load_snapshot(session, site))
    assert snapshot.version == seeded.policy_version
    assert len(list(snapshot.cards)) == 3837
    assert len(snapshot.lane_of_reader) == 12
    assert len(snapshot.till_of_reader) == 4
    assert database.read(lambda session: policy.verify(session, site)) == []
    assert sum(database.read(lambda session: trial_sums(session, site)).values()) == 0
    assert database.read(lambda session: invariants.inv_i02_balances_equal_postings(session, site)) == []


def test_cards_open_lanes_and_pay_meals_as_sold(database: Database, system: System) -> None:
    seeded = seed_reference_site(database, system, some_cards(3))
    snapshot = database.read(lambda session: policy.load_snapshot(session, seeded.site_id))
    state = SiteState()
    combined, gate_only, canteen_only = (holder.credential for holder in seeded.holders)
    reasons = [
        decide(GateTap(card, LaneId("g01")), snapshot, state, LUNCH).reason
        for card in (combined, gate_only, canteen_only)
    ]
    assert reasons == [Reason.GRANTED, Reason.GRANTED, Reason.PRODUCT_NOT_FOR_GATE]
    assert decide(GateTap(combined, LaneId("g07")), snapshot, state, LUNCH).reason is Reason.GRANTED
    calm = OfflineSpell(timedelta(0))
    meals = [authorise_alone(MealTap(card, TillId("t01")), snapshot, {}, calm, LUNCH) for card in (combined, gate_only)]
    assert [(meal.reason, meal.amount) for meal in meals] == [
        (Reason.CHARGED, 1200),
        (Reason.PRODUCT_NOT_FOR_CANTEEN, 0),
    ]
    assert authorise_alone(MealTap(canteen_only, TillId("t01")), snapshot, {}, calm, LUNCH).amount == 1500


def test_a_second_seeding_is_refused(database: Database, system: System) -> None:
    seed_reference_site(database, system, some_cards(1))
    with pytest.raises(SiteExistsError):
        seed_reference_site(database, system, some_cards(1))


def test_lanes_and_tills_are_given_to_a_device(database: Database, system: System) -> None:
    site = seed_reference_site(database, system, some_cards(1)).site_id
    device = system.ids.uuid7()
    database.write(
        lambda session: session.exec_driver_sql(
            "insert into device (id, site_id, name, purposes, public_key, record_key_sealed, enrolled_at)"
            " values (%s, %s, 'north', '{gate,till}', %s, 'x', now())",
            (device, site, bytes(32)),
        )
    )
    missing = database.write(
        lambda session: assign_device(session, system, site, device, (["g01", "g99"], ["t01"]), "test")  # type: ignore[arg-type,list-item]
    )
    assert missing == {"g99"}
    owners = database.read(
        lambda session: (
            session.exec_driver_sql(
                "select id from lane where device_id = %s union all select id from till where device_id = %s",
                (device, device),
            )
            .scalars()
            .all()
        )
    )
    assert owners == ["g01", "t01"]


class TestHolders:
    def test_the_same_seed_gives_the_same_people_and_another_gives_others(self) -> None:
        cards = some_cards(50)
        assert holders(cards, 1) == holders(cards, 1)
        assert [one.person.name for one in holders(cards, 1)] != [one.person.name for one in holders(cards, 2)]

    def test_initials_have_a_letter_a_character(self) -> None:
        for index in range(200):
            name = made_up_name(7, index)
            assert len(name.initials) == len(name.name) in {2, 3}
            assert name.initials.isascii()

    def test_the_tables_are_pairs_of_character_and_letter(self) -> None:
        assert all(len(pair) == 2 and pair[1].isupper() and not pair[0].isascii() for pair in (*SURNAMES, *GIVEN))


class TestCardList:
    def test_strangers_are_left_out(self) -> None:
        cards = parse_card_list(msgspec.json.encode(cards_document()))
        assert len(cards) == 3837
        assert [card.index for card in cards] == list(range(3837))

    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b'{"version": 2, "cards": []}',
            b'{"version": 1, "cards": [{"index": 0, "product": "gold", "credential": "uid:00000000"}]}',
            b'{"version": 1, "cards": [{"index": 0, "product": "combined", "credential": "12"}]}',
            _document("uid:00000000", "uid:00000000"),
        ],
    )
    def test_a_wrong_document_is_refused(self, document: bytes) -> None:
        with pytest.raises(ValueError, match=r"card list|gold|credential key"):
            parse_card_list(document)


def test_the_calendar_agrees_with_the_published_one() -> None:
    ours = {day.day: day.kind for day in CALENDAR}
    published = holidays.country_holidays("CN", years=[2026, 2027])
    for day, kind in ours.items():
        if kind is DayKind.HOLIDAY:
            assert day in published or day.weekday() >= 5, day
        else:
            assert day.weekday() >= 5
            assert day in published.weekend_workdays
    start = datetime(2026, 1, 1, tzinfo=UTC).date()
    for offset in range(365):
        day = start + timedelta(days=offset)
        if day in published:
            assert ours.get(day) is DayKind.HOLIDAY, day
        if day in published.weekend_workdays:
            assert ours.get(day) is DayKind.MAKEUP_WORKDAY, day
