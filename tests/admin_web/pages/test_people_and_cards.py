"""People and cards: searching without a name in the address, one of each, blocking and unblocking."""

from __future__ import annotations

import httpx2
import pytest

from admin_web.visitor import form_token
from cardcore.ids import StaffId
from server.cards.service import CardChange
from server.reports.rows import BlockReason, CardStatus
from server.staff.roles import Permission
from tests.admin_web.fakes import FakeSite, an_id
from tests.admin_web.sample_site import a_card

CARD = f"/cards/{an_id(2_001)}"
LOST = f"/cards/{an_id(2_003)}"


def form_of(site: FakeSite, **fields: str) -> dict[str, str]:
    return {"form_token": form_token(next(iter(site.sign_in.sessions))), **fields}


def rows_in(answer: httpx2.Response) -> int:
    return answer.text.partition('id="results"')[2].partition("</tbody>")[0].count('class="lead-cell"')


@pytest.mark.parametrize("path", ["/people", "/cards"])
async def test_results_are_turned_page_by_page(staff: httpx2.AsyncClient, site: FakeSite, path: str) -> None:
    first = await staff.get(path)
    second = await staff.post(path, data=form_of(site, page="2"))
    assert (rows_in(first), rows_in(second)) == (50, 10 if path == "/people" else 11)
    assert 'value="2"' in first.text
    assert "60 in all" in first.text or "61 in all" in first.text


async def test_a_search_is_sent_as_a_form(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    found = await staff.post("/people", data=form_of(site, q=" 李娜 "))
    assert rows_in(found) == 5
    assert 'value="李娜"' in found.text
    assert 'method="post" action="/people"' in found.text


@pytest.mark.parametrize(("path", "words"), [("/people", "Nobody found"), ("/cards", "No card found")])
async def test_an_empty_result_says_what_to_try(
    staff: httpx2.AsyncClient, site: FakeSite, path: str, words: str
) -> None:
    nothing = await staff.post(path, data=form_of(site, q="zzz"))
    assert words in nothing.text
    site.people.rows.clear()
    site.cards.rows.clear()
    empty = await staff.get(path)
    assert "yet" in empty.text
    assert words not in empty.text


@pytest.mark.parametrize("page", ["0", "-1", "2001", "x", "١", "1" * 30])
async def test_a_page_that_cannot_be_is_not_found(staff: httpx2.AsyncClient, site: FakeSite, page: str) -> None:
    assert (await staff.post("/people", data=form_of(site, page=page))).status_code == 404


async def test_names_are_text_never_markup(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    answer = await staff.post("/people", data=form_of(site, q='"><script>alert(1)</script>'))
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text


async def test_a_person_shows_purses_and_cards_but_no_movements(staff: httpx2.AsyncClient) -> None:
    page = (await staff.get(f"/people/{an_id(1_001)}")).text
    for words in ("王秀英", "¥1,234.56", "−¥3.20", "12 meals", "…0001", f"/charges?person={an_id(1_001)}"):
        assert words in page
    assert "通道" not in page


@pytest.mark.parametrize("path", [f"/people/{an_id(7)}", f"/cards/{an_id(7)}", "/people/7", "/cards/x"])
async def test_an_unknown_id_is_not_found(staff: httpx2.AsyncClient, path: str) -> None:
    answer = await staff.get(path)
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


async def test_blocking_names_the_consequence_and_does_it(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    page = (await staff.get(CARD)).text
    assert "can then neither pass a gate" in page
    answer = await staff.post(CARD + "/block", data=form_of(site, reason="lost"))
    assert answer.status_code == 200
    assert site.cards.calls == [("block", an_id(2_001), BlockReason.LOST, StaffId(an_id(1)))]
    assert "Connected readers know within a second" in answer.text
    assert "Put back into use" in answer.text


async def test_unblocking_puts_back_into_use(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    await staff.post(LOST + "/unblock", data=form_of(site))
    card = site.cards.get(site.cards.rows[3].id)
    assert card is not None
    assert card.card.status is CardStatus.ISSUED


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (CardChange.UNCHANGED, 200, "already in this state"),
        (CardChange.NOT_ALLOWED, 403, "your role does not allow"),
        (CardChange.NOT_FOUND, 404, "This card is gone"),
        (CardChange.NEEDS_APPROVAL, 202, "A second person must press the same button"),
        (CardChange.PERSON_UNKNOWN, 403, "your login is tied to no person"),
    ],
)
async def test_each_ending_is_told(
    staff: httpx2.AsyncClient, site: FakeSite, change: CardChange, status: int, words: str
) -> None:
    site.cards.change = change
    answer = await staff.post(LOST + "/unblock", data=form_of(site))
    assert answer.status_code == status
    assert words in answer.text


@pytest.mark.parametrize("reason", ["", "revoked", "LOST", "lost "])
async def test_no_other_reason_blocks(staff: httpx2.AsyncClient, site: FakeSite, reason: str) -> None:
    assert (await staff.post(CARD + "/block", data=form_of(site, reason=reason))).status_code == 400
    assert not site.cards.calls


@pytest.mark.parametrize("status", list(CardStatus))
async def test_only_what_can_be_done_is_offered(staff: httpx2.AsyncClient, site: FakeSite, status: CardStatus) -> None:
    site.cards.rows = [a_card(1, site.people.rows[1], status)]
    page = (await staff.get(CARD)).text
    assert ('data-opens="block"' in page) is (status is CardStatus.ISSUED)
    reversible = status in {CardStatus.LOST, CardStatus.SUSPENDED, CardStatus.DAMAGED}
    assert ('data-opens="unblock"' in page) is reversible


async def test_who_may_only_report_a_loss_is_offered_nothing_else(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    site.sign_in.permissions = frozenset({Permission.CARDS_READ, Permission.CARDS_REPORT_LOST})
    page = (await staff.get(CARD)).text
    assert page.count('name="reason"') == 1
    refused = await staff.post(CARD + "/block", data=form_of(site, reason="suspended"))
    assert (refused.status_code, site.cards.calls) == (403, [])
    assert (await staff.post(CARD + "/block", data=form_of(site, reason="lost"))).status_code == 200
