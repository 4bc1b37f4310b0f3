"""A new card for an old one: account and rights stay, the older copy is dead, the wait is told (A7, C43, C44)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from cardcore.access.items import CardState
from cardcore.ids import CardId, CredentialKey, DeviceId, PersonId, StallId, TillId
from server.canteen import service as canteen
from server.cards import replacement
from server.cards import service as cards
from server.cards.replacement import Plastic, Replaced
from server.cards.service import CardRefusal
from server.ledger import service as ledger
from tests.server.cards.card_desk import Desk
from tests.server.conftest import NOON, StillClock

_S = CardState


@pytest.fixture
def holder(desk: Desk) -> PersonId:
    person = desk.person()
    desk.write(lambda session, system, site: ledger.open_account(session, system, site, person, "test"))
    return person


def plastic(number: str) -> Plastic:
    return Plastic(number, (CredentialKey(f"uid:{number}"),))


def replace(desk: Desk, old: CardId, number: str) -> Replaced | CardRefusal:
    deed = ("test", "lost on the way")
    return desk.write(
        lambda session, system, site: replacement.replace_card(session, system, site, old, plastic(number), deed)
    )


def replaced(result: Replaced | CardRefusal) -> Replaced:
    assert isinstance(result, Replaced), result
    return result


@pytest.mark.parametrize("before", [_S.ACTIVE, _S.LOST, _S.STOLEN, _S.DAMAGED, _S.SUSPENDED])
def test_a7_c43_the_next_copy_kills_the_older_one(desk: Desk, holder: PersonId, before: CardState) -> None:
    old = desk.card("00000001", holder, valid_from=NOON - timedelta(days=1), valid_until=NOON + timedelta(days=9))
    desk.set(old, before)
    new = replaced(replace(desk, old, "00000002"))
    assert new.issue_no == 2
    assert (desk.state(old), desk.state(new.card)) == (_S.SUPERSEDED, _S.ACTIVE)
    was, item = desk.item("uid:00000001"), desk.item("uid:00000002")
    assert was is not None
    assert item is not None
    assert (was.state, item.state) == (_S.SUPERSEDED, _S.ACTIVE)
    assert (item.person, item.account, item.product, item.levels) == (was.person, was.account, was.product, was.levels)
    assert (item.valid_from_ms, item.valid_until_ms) == (was.valid_from_ms, was.valid_until_ms)
    assert item.account is not None


def test_a7_copies_count_up_and_only_the_newest_lives(desk: Desk, holder: PersonId) -> None:
    copies = [desk.card("00000001", holder)]
    for number in range(2, 6):
        new = replaced(replace(desk, copies[-1], f"{number:08d}"))
        assert new.issue_no == number
        copies.append(new.card)
    assert [desk.state(card) for card in copies] == [_S.SUPERSEDED] * 4 + [_S.ACTIVE]


def test_a_card_that_was_replaced_is_not_replaced_again(desk: Desk, holder: PersonId) -> None:
    old = desk.card("00000001", holder)
    replaced(replace(desk, old, "00000002"))
    assert replace(desk, old, "00000003") is CardRefusal.WRONG_STATE
    assert replace(desk, CardId(UUID(int=9)), "00000004") is CardRefusal.NOT_FOUND


def test_a_taken_number_changes_nothing(desk: Desk, holder: PersonId) -> None:
    old = desk.card("00000001", holder)
    assert replace(desk, old, "00000001") is CardRefusal.NUMBER_TAKEN
    assert desk.state(old) is _S.ACTIVE


class TestUncollected:
    """The wait for records that tills have not handed in."""

    @pytest.fixture
    def tills(self, desk: Desk, postgres_url: str) -> list[DeviceId]:
        devices = [DeviceId(UUID(int=number)) for number in (1, 2, 3)]
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            for number, device in enumerate(devices, 1):
                values = (device, desk.site, f"till-{number}", bytes([number]) * 32, NOON)
                connection.execute(
                    "insert into device (id, site_id, name, purposes, public_key, record_key_sealed, enrolled_at)"
                    " values (%s, %s, %s, '{till}', %s, '', %s)",
                    values,
                )

            def put(number: int) -> None:
                till = canteen.Till(TillId(f"t{number}"), "", "", f"t{number}", StallId("hall"))
                desk.write(lambda session, system, site: canteen.put_tills(session, system, site, [till], "test"))

            stall = canteen.Stall(StallId("hall"), "Hall", "大厅")
            desk.write(lambda session, system, site: canteen.put_stalls(session, system, site, [stall], "test"))
            for number, device in enumerate(devices, 1):
                put(number)
                connection.execute("update till set device_id = %s where id = %s", (device, f"t{number}"))
        return devices

    def seen(self, url: str, device: DeviceId, minutes_after_noon: int, pending: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "insert into device_status (device_id, last_seen_at, health) values (%s, %s, %s::jsonb)"
                " on conflict (device_id) do update set last_seen_at = excluded.last_seen_at, health = excluded.health",
                (device, NOON + timedelta(minutes=minutes_after_noon), f'{{"pending": {pending}}}'),
            )

    def test_c43_silent_tills_and_the_most_they_may_have_charged_are_told(
        self, desk: Desk, holder: PersonId, tills: list[DeviceId], postgres_url: str, clock: StillClock
    ) -> None:
        old = desk.card("00000001", holder)
        self.seen(postgres_url, tills[0], 5, 0)  # reported after the loss
        self.seen(postgres_url, tills[1], -5, 0)  # silent since before it
        self.seen(postgres_url, tills[2], 5, 7)  # holds records back
        desk.set(old, _S.LOST)
        clock.forward(minutes=10)
        new = replaced(replace(desk, old, "00000002"))
        assert new.uncollected.tills == ("t2", "t3")
        assert new.uncollected.most_fen == 2 * 5_000 * 3

    def test_nothing_is_awaited_when_all_have_reported(
        self, desk: Desk, holder: PersonId, tills: list[DeviceId], postgres_url: str
    ) -> None:
        old = desk.card("00000001", holder)
        for device in tills:
            self.seen(postgres_url, device, 5, 0)
        desk.set(old, _S.LOST)
        assert replaced(replace(desk, old, "00000002")).uncollected == replacement.Uncollected((), 0)  # type: ignore[arg-type]


class TestUndo:
    def undo(self, desk: Desk, card: CardId) -> CardRefusal | None:
        deed = ("test", "old one works")
        return desk.write(lambda session, system, site: replacement.undo_replacement(session, system, site, card, deed))

    def test_c44_an_exchange_is_undone_and_two_people_put_the_old_card_back(self, desk: Desk, holder: PersonId) -> None:
        old = desk.card("00000001", holder)
        new = replaced(replace(desk, old, "00000002"))
        assert self.undo(desk, new.card) is None
        assert (desk.state(old), desk.state(new.card)) == (_S.SUSPENDED, _S.REVOKED)
        item = desk.item("uid:00000002")
        assert item is not None
        assert item.state is _S.REVOKED
        (row, *_) = desk.database.read(lambda session: cards.history(session, desk.site, new.card))
        assert (row["action"], row["reason"]) == ("card_replacement_undone", "old one works")

    def test_not_once_the_new_card_was_shown_to_a_reader(self, desk: Desk, holder: PersonId, postgres_url: str) -> None:
        new = replaced(replace(desk, desk.card("00000001", holder), "00000002"))
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "insert into record (device_id, epoch, seq, site_id, kind, card_id, at, received_at, hash, previous,"
                " mac, body) values (%s, 1, 1, %s, 'intent', %s, %s, %s, '', '', '', '')",
                (UUID(int=1), desk.site, new.card, NOON, NOON),
            )
        assert self.undo(desk, new.card) is CardRefusal.HAS_BEEN_USED
        assert desk.state(new.card) is _S.ACTIVE

    def test_a_first_copy_has_nothing_to_go_back_to(self, desk: Desk, holder: PersonId) -> None:
        assert self.undo(desk, desk.card("00000001", holder)) is CardRefusal.NOT_FOUND


def test_every_copy_stands_in_one_chain(desk: Desk, holder: PersonId, postgres_url: str) -> None:
    first = desk.card("00000001", holder)
    second = replaced(replace(desk, first, "00000002")).card
    third = replaced(replace(desk, second, "00000003")).card
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute("select id, replaces from card").fetchall()
    assert set(rows) == {(first, None), (second, first), (third, second)}
