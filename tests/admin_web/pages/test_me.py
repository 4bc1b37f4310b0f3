"""Holders' pages: in by a code that works once, everything of one's own, nothing of anybody else, never staff."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from admin_web.holder_visits import LOOPBACK_HOLDER_COOKIE
from admin_web.visitor import form_token
from cardcore.ids import ChargeId
from server.cards import service as cards
from server.holders import service, sign_in
from server.holders.service import HolderRefusal
from server.seed.service import SeededHolder
from server.staff.roles import Role
from tests.admin_web.eaten import eat
from tests.admin_web.real_site import Desk, RealSite
from tests.private_postgres import PrivatePostgres


@pytest.fixture(scope="module")
def fed_site(embedded_postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSite]:
    with embedded_postgres.fresh_database(migrated=True) as url:
        site = RealSite(url, tmp_path_factory.mktemp("fed"))
        eat(site)
        yield site
        site.close()


def two(site: RealSite) -> tuple[SeededHolder, SeededHolder]:
    """Return two holders with accounts."""
    eaters = [holder for holder in site.seeded.holders if holder.account is not None]
    return eaters[1], eaters[3]


def number_of(holder: SeededHolder) -> str:
    """Return a holder's personnel number."""
    return str(10_001 + holder.index)


def code_for(site: RealSite, holder: SeededHolder) -> str:
    """Return a code as the desk makes it."""
    maker = site.staff[Role.CASHIER]
    code = site.write(lambda s: sign_in.make_code(s, site.system, site.site_id, maker, holder.person))
    assert code is not None
    return code


@asynccontextmanager
async def as_holder(site: RealSite, holder: SeededHolder) -> AsyncIterator[Desk]:
    """Sign a holder in as the page does."""
    async with site.client(None) as client:
        entered = await client.post("/me/login", data={"number": number_of(holder), "code": code_for(site, holder)})
        assert entered.headers["location"] == "/me"
        client.form_token = form_token(client.cookies[LOOPBACK_HOLDER_COOKIE])
        yield client


def lunch_of(site: RealSite, holder: SeededHolder) -> ChargeId:
    """Return a holder's newest meal."""
    today = site.now().date()
    rows = site.read(lambda s: service.meals(s, site.site_id, holder.person, (today, today)))
    return ChargeId(rows[0]["id"])


async def test_c76_a_holder_sees_balance_meals_and_statement_by_a_code_from_the_desk(fed_site: RealSite) -> None:
    mine, _ = two(fed_site)
    async with fed_site.client(Role.CASHIER) as cashier:
        shown = await cashier.send_form(f"/desk/holders/{mine.person}/code")
        code = re.search(r"<code>(\d{4}) (\d{4})</code>", shown.text)
        assert code is not None
    async with fed_site.client(None) as client:
        typed = {"number": number_of(mine), "code": f"{code[1]} {code[2]}"}
        assert (await client.post("/me/login", data=typed)).status_code == 303
        assert "¥" in (await client.get("/me")).text
        assert "Lunch" in (await client.get("/me/meals")).text
        assert (await client.get("/me/statement?kind=pdf")).content.startswith(b"%PDF")
        assert (await client.get("/me/gates")).status_code == 200
    async with fed_site.client(None) as again:
        assert (await again.post("/me/login", data=typed)).status_code == 401


async def test_a_holder_never_reaches_what_is_another_holders(fed_site: RealSite) -> None:
    mine, other = two(fed_site)
    async with as_holder(fed_site, mine) as me:
        assert (await me.send_form(f"/me/cards/{other.card}/lost")).status_code == 404
        assert (await me.send_form(f"/me/meals/{lunch_of(fed_site, other)}/rate", stars="1")).status_code == 404
        await me.send_form("/me/complaints", words="the soup was cold")
    row = fed_site.read(lambda session: cards.get(session, fed_site.site_id, other.card))
    assert row is not None
    assert row["state"] == "active"
    async with as_holder(fed_site, other) as them:
        assert "the soup was cold" not in (await them.get("/me/complaints")).text
    today = fed_site.now().date()
    days = (today, today)
    own = fed_site.read(lambda session: service.meals(session, fed_site.site_id, mine.person, days))
    theirs = fed_site.read(lambda session: service.meals(session, fed_site.site_id, other.person, days))
    assert not {meal["id"] for meal in own} & {meal["id"] for meal in theirs}


async def test_a_holders_session_opens_nothing_of_staff_and_staff_none_of_a_holder(fed_site: RealSite) -> None:
    mine, _ = two(fed_site)
    async with as_holder(fed_site, mine) as me:
        for path in ("/", "/people", f"/accounts/{mine.person}", "/approvals", f"/cards/{mine.card}"):
            answer = await me.get(path)
            assert answer.headers["location"].startswith("/login"), path
    async with fed_site.client(Role.FINANCE) as finance:
        assert (await finance.get("/me")).headers["location"] == "/me/login"


async def test_a_forged_form_of_a_holder_is_refused(fed_site: RealSite) -> None:
    mine, _ = two(fed_site)
    async with as_holder(fed_site, mine) as me:
        me.form_token = "0" * 64
        for path in (
            f"/me/cards/{mine.card}/lost",
            f"/me/meals/{mine.card}/rate",
            "/me/orders",
            "/me/complaints",
            "/me/logout",
        ):
            assert (await me.send_form(path)).status_code == 403, path


async def test_codes_are_guessed_at_most_five_times_a_quarter_of_an_hour(fed_site: RealSite) -> None:
    guessed = next(holder for holder in fed_site.seeded.holders if holder.account is None)
    code = code_for(fed_site, guessed)
    async with fed_site.client(None) as client:
        wrong = {"number": number_of(guessed), "code": "00000000"}
        tried = [(await client.post("/me/login", data=wrong)).status_code for _ in range(5)]
        assert tried == [401] * 5
        assert (await client.post("/me/login", data={**wrong, "code": code})).status_code == 429


async def test_s15_meals_are_rated_and_complaints_answered_without_a_name(fed_site: RealSite) -> None:
    mine, _ = two(fed_site)
    async with as_holder(fed_site, mine) as me, fed_site.client(Role.CANTEEN_MANAGER) as manager:
        assert (await me.send_form(f"/me/meals/{lunch_of(fed_site, mine)}/rate", stars="4")).status_code == 303
        assert 'value="4" aria-label="4 stars" aria-pressed="true"' in (await me.get("/me")).text
        assert (await me.send_form("/me/complaints", words=" ")).status_code == 422
        await me.send_form("/me/complaints", words="too much salt")
        page = (await manager.get("/complaints")).text
        assert "too much salt" in page
        assert number_of(mine) not in page
        where = re.findall(r"/complaints/[0-9a-f-]{36}", page)[-1]
        assert (await manager.send_form(where, reason="less salt from tomorrow")).status_code == 303
        assert (await manager.send_form(where, reason="again")).status_code == 422
        assert "less salt from tomorrow" in (await me.get("/me/complaints")).text


async def test_meals_are_ordered_ahead_and_the_kitchen_sees_them(fed_site: RealSite) -> None:
    mine, _ = two(fed_site)
    today = fed_site.now().date().isoformat()
    async with as_holder(fed_site, mine) as me, fed_site.client(Role.CANTEEN_MANAGER) as manager:
        order = {"day": today, "meal": "supper", "stall": "main", "portions": "2"}
        assert (await me.send_form("/me/orders", **order)).status_code == 303
        assert (await me.send_form("/me/orders", **{**order, "day": "2031-01-01"})).status_code == 422
        assert "Supper" in (await me.get("/me/orders")).text
        assert "Supper" in (await manager.get("/menu")).text


async def test_a_card_reported_lost_by_its_holder_is_blocked_at_once(fed_site: RealSite) -> None:
    _, mine = two(fed_site)
    async with as_holder(fed_site, mine) as me:
        assert (await me.send_form(f"/me/cards/{mine.card}/lost")).status_code == 303
    row = fed_site.read(lambda session: cards.get(session, fed_site.site_id, mine.card))
    assert row is not None
    assert row["state"] == "lost"
    refused = fed_site.write(
        lambda s: service.rate(s, fed_site.system, fed_site.site_id, mine.person, lunch_of(fed_site, mine), 9)
    )
    assert refused is HolderRefusal.STARS_OUT_OF_RANGE


async def test_s5_the_weeks_menu_is_published_and_stands_on_the_lobbys_screen(fed_site: RealSite) -> None:
    today = fed_site.now().date()
    monday = today.fromordinal(today.toordinal() - today.weekday()).isoformat()
    box = f"{today.isoformat()}-lunch"
    async with fed_site.client(Role.CANTEEN_MANAGER) as manager, fed_site.client(None) as lobby:
        week = {"stall": "main", "week": monday}
        wrong = await manager.send_form("/menu", **week, **{box: "11 红烧肉 / Braised pork twelve"})
        assert wrong.status_code == 422
        assert "Line 1" in wrong.text
        good = "11 红烧肉 / Braised pork 12.00\n12 青菜 / Greens 3.50"
        assert (await manager.send_form("/menu", **week, **{box: good})).status_code == 303
        screen = (await lobby.get("/public/menu")).text
    assert "Braised pork" in screen
    assert "¥12.00" in screen
    assert "16 meals served" in screen
    assert not any(number_of(holder) in screen for holder in fed_site.seeded.holders)
