"""A leaver: cards and rights end in one go, the account is frozen or kept, the books stay."""

from __future__ import annotations

import pytest

from cardcore.access.items import AccountState, CardState
from cardcore.ids import CardId, PersonId, SiteId, TransferId
from cardcore.money import Fen
from server.access import service as access
from server.database import Database, WriteSession
from server.ledger import repository as ledger_rows
from server.ledger import service as ledger
from server.people.leaving import AccountThen, Leaving, LeavingRefusal, Left, leave
from server.system import System
from tests.server.cards.card_desk import Desk


@pytest.fixture
def desk(database: Database, system: System, site: SiteId) -> Desk:
    return Desk(database, system, site)


def leaves(desk: Desk, person: PersonId, account: AccountThen, *handed_in: CardId) -> Left | LeavingRefusal:
    wanted = Leaving(person, account, frozenset(handed_in), "retired")
    return desk.write(lambda session, system, site: leave(session, system, site, wanted, "test"))


def with_account(desk: Desk) -> PersonId:
    person, level = desk.person(), desk.privileged_level(privileged=False)

    def write(session: WriteSession, system: System, site: SiteId) -> None:
        assert access.set_person_levels(session, system, site, person, [level], "test") is None
        account = ledger.open_account(session, system, site, person, "test")
        assert not isinstance(account, ledger.LedgerRefusal)
        ledger.top_up(session, system, site, ledger.Credit(TransferId(system.ids.uuid7()), account, Fen(700)), "test")

    desk.write(write)
    return person


@pytest.mark.parametrize(
    ("then", "state"), [(AccountThen.FROZEN, AccountState.FROZEN), (AccountThen.KEPT, AccountState.OPEN)]
)
def test_a_leaver_has_no_card_and_no_right_left(desk: Desk, then: AccountThen, state: AccountState) -> None:
    person = with_account(desk)
    kept, gone = desk.card("1", person), desk.card("2", person)
    lost = desk.card("3", person)
    desk.set(lost, CardState.LOST)
    left = leaves(desk, person, then, kept)
    assert left == Left(1, 2, ("vault",), Fen(700))
    assert [desk.state(card) for card in (kept, gone, lost)] == [
        CardState.RETURNED,
        CardState.REVOKED,
        CardState.REVOKED,
    ]
    item = desk.item("uid:2")
    assert item is None or not item.levels
    account = desk.database.read(lambda session: ledger_rows.account_of_person(session, desk.site, person))
    assert account is not None
    assert account["state"] == state
    assert leaves(desk, person, then) is LeavingRefusal.LEFT_ALREADY


def test_nobody_leaves_whom_nobody_knows(desk: Desk) -> None:
    assert leaves(desk, PersonId(desk.system.ids.uuid7()), AccountThen.KEPT) is LeavingRefusal.NOT_FOUND
