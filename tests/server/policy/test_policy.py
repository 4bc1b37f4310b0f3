"""Publishing policy: what a daemon builds from any version on equals the whole, and the stored hash is its hash."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cardcore.access.item_key import item_key
from cardcore.access.items import CardItem, CardState, Item, MealItem, Product, TariffItem, ZoneItem
from cardcore.access.snapshot import Snapshot, StateItem
from cardcore.ids import CardId, CategoryId, CredentialKey, MealId, PersonId, SiteId, ZoneId
from cardcore.money import Fen
from cardcore.reasons import Reason
from server.access import repository as access_rows
from server.access.service import Zone
from server.database import Database, WriteSession
from server.policy import repository, service
from server.system import real_system


def new_site(database: Database, slug: str = "one") -> SiteId:
    site_id = SiteId(real_system().ids.uuid7())
    row = {
        "id": site_id,
        "slug": f"{slug}-{site_id}",
        "name_en": slug,
        "name_zh": slug,
        "time_zone": "Asia/Shanghai",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    database.write(lambda session: access_rows.insert_site(session, row))
    return site_id


def card(index: int, state: CardState) -> CardItem:
    return CardItem(
        credential=CredentialKey(f"uid:{index:08x}"),
        card=CardId(UUID(int=index)),
        person=PersonId(UUID(int=1)),
        product=Product.COMBINED,
        state=state,
        category=CategoryId("staff"),
    )


items = st.one_of(
    st.builds(ZoneItem, id=st.sampled_from([ZoneId("a"), ZoneId("b")]), low_assurance_allowed=st.booleans()),
    st.builds(MealItem, id=st.just(MealId("lunch")), start_seconds=st.integers(0, 3), end_seconds=st.just(9)),
    st.builds(TariffItem, meal=st.just(MealId("lunch")), price=st.integers(1, 3).map(Fen)),
    st.builds(card, st.integers(0, 4), st.sampled_from(CardState)),
)
changes = st.lists(st.one_of(items, items.map(item_key)), max_size=6)


def install(database: Database, site: SiteId, snapshot: Snapshot) -> Snapshot:
    version, changed = database.read(lambda session: service.changes_since(session, site, snapshot.version))
    return snapshot.with_changes(version, changed)


class TestPublish:
    @given(st.lists(changes, max_size=6), st.integers(0, 6))
    def test_changes_on_any_older_snapshot_give_the_newest(
        self, module_database: Database, rounds: list[list[Item | str]], stop: int
    ) -> None:
        site = new_site(module_database)
        old = Snapshot.empty()
        for index, batch in enumerate(rounds):
            module_database.write(lambda session, batch=batch: service.publish(session, site, batch))  # type: ignore[misc]
            if index == stop:
                old = install(module_database, site, old)
        whole = module_database.read(lambda session: service.load_snapshot(session, site))
        followed = install(module_database, site, old)
        state = module_database.read(lambda session: repository.state(session, site))
        assert (followed.version, followed.content_hash) == (whole.version, whole.content_hash)
        assert followed._kinds == whole._kinds
        assert (state.version, state.content_hash, state.item_count) == (
            whole.version, whole.content_hash, len(whole),
        )  # fmt: skip

    def test_publishing_what_stands_there_keeps_the_version(self, database: Database) -> None:
        site = new_site(database)
        first = database.write(lambda session: service.publish(session, site, [ZoneItem(ZoneId("a"))]))
        again = database.write(lambda session: service.publish(session, site, [ZoneItem(ZoneId("a")), "zone/none"]))
        assert (first, again) == (1, 1)


def test_denied_names_every_card_that_is_not_active(database: Database) -> None:
    site = new_site(database)
    cards = [card(1, CardState.ACTIVE), card(2, CardState.LOST), card(3, CardState.BLANK)]
    database.write(lambda session: service.publish(session, site, cards))
    refused = database.read(lambda session: service.denied(session, site))
    assert [(one.credential, one.reason, one.version) for one in refused] == [
        ("uid:00000002", Reason.CARD_LOST, 1),
        ("uid:00000003", Reason.CARD_NOT_ISSUED, 1),
    ]


class TestRefresh:
    def test_items_follow_the_rows_and_the_news_goes_to_the_outbox(self, database: Database) -> None:
        site, system = new_site(database), real_system()
        zones = [asdict(Zone(ZoneId("a"), "A", "A"))]
        database.write(lambda session: access_rows.upsert_zones(session, site, zones))
        assert database.read(lambda session: service.verify(session, site)) == [
            "site is not published",
            "zone/a is not published",
        ]
        version = database.write(lambda session: service.refresh(session, system, site))
        assert version == 1
        assert database.read(lambda session: service.verify(session, site)) == []
        notices = database.read(lambda session: session.exec_driver_sql("select topic, payload from outbox").all())
        assert [tuple(row) for row in notices] == [("policy", {"version": 1})]

    def test_verify_finds_an_item_without_a_row_and_one_that_differs(self, database: Database) -> None:
        site, system = new_site(database), real_system()
        database.write(lambda session: service.refresh(session, system, site))
        database.write(lambda session: service.publish(session, site, [ZoneItem(ZoneId("ghost"))]))
        assert database.read(lambda session: service.verify(session, site)) == ["zone/ghost is published without a row"]
        database.write(lambda session: service.refresh(session, system, site, {"zone"}))
        assert database.read(lambda session: service.load_snapshot(session, site).zone_of("ghost")) is None
        database.write(lambda session: session.exec_driver_sql("update policy_state set content_hash = 'x'"))
        found = database.read(lambda session: service.verify(session, site))
        assert found == ["the policy's count or content hash does not fit its items"]

    def test_publishers_at_the_same_time_undo_nothing_of_each_other(self, database: Database) -> None:
        site, system = new_site(database), real_system()

        def put(number: int) -> None:
            zone = asdict(Zone(ZoneId(f"z{number % 3}"), "", "", low_assurance_allowed=number % 2 == 0))

            def write(session: WriteSession) -> None:
                access_rows.upsert_zones(session, site, [zone])
                service.refresh(session, system, site, {"zone"})

            database.write(write)

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(put, range(30)))
        database.write(lambda session: service.refresh(session, system, site, {"site"}))
        assert database.read(lambda session: service.verify(session, site)) == []

    def test_a_removed_item_reaches_a_daemon_as_an_empty_body(self, database: Database) -> None:
        site = new_site(database)
        database.write(lambda session: service.publish(session, site, [ZoneItem(ZoneId("a"))]))
        database.write(lambda session: service.publish(session, site, ["zone/a"]))
        assert database.read(lambda session: service.changes_since(session, site, 1)) == (2, [StateItem("zone/a", b"")])
        assert database.read(lambda session: service.changes_since(session, site, 0)) == (2, [])
