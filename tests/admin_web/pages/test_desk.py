"""The cash desk and the account page: what a cashier and a finance clerk do with cash, and what they are refused."""

from __future__ import annotations

import re

import httpx2

from cardcore.money import Fen
from server.audit import repository as audit_rows
from server.ledger import repository as ledger_rows
from server.seed.service import SeededHolder
from server.staff.roles import Role
from tests.admin_web.real_site import PASSWORD, RealSite


def eater(site: RealSite) -> SeededHolder:
    """Return a holder with an account."""
    return next(holder for holder in site.seeded.holders if holder.account is not None)


def cash_of(site: RealSite, holder: SeededHolder) -> int:
    """Return the balance of a holder's cash purse."""
    assert holder.account is not None
    account = holder.account
    return next(
        int(p["balance_fen"]) for p in site.read(lambda s: ledger_rows.purses(s, account)) if p["kind"] == "cash"
    )


def hidden(page: httpx2.Response, name: str) -> str:
    """Return a hidden field of a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None
    return found[1]


async def test_a_top_up_is_booked_once_and_its_receipt_is_shown(real_site: RealSite) -> None:
    holder = eater(real_site)
    before = cash_of(real_site, holder)
    async with real_site.client(Role.CASHIER) as cashier:
        refused = await cashier.send_form("/desk/open", desk="Desk 1", opening="100")
        assert refused.status_code == 422
        assert "Small letters" in refused.text
        assert (await cashier.send_form("/desk/open", desk="desk-1", opening="100")).status_code == 303
        page = await cashier.get(f"/desk/holders/{holder.person}")
        fields = {"deal": "topup", "transfer": hidden(page, "transfer"), "amount": "50.00", "note": ""}
        booked = await cashier.send_form(f"/desk/holders/{holder.person}", **fields)
        again = await cashier.send_form(f"/desk/holders/{holder.person}", **fields)
        assert booked.headers["location"] == again.headers["location"]
        slip = await cashier.get(booked.headers["location"])
        assert "desk-1-1-0001" in slip.text
        assert "¥50.00" in slip.text
    assert cash_of(real_site, holder) == before + 5_000


async def test_too_much_is_told_beside_the_amount_and_books_nothing(real_site: RealSite) -> None:
    holder = eater(real_site)
    before = cash_of(real_site, holder)
    async with real_site.client(Role.CASHIER) as cashier:
        page = await cashier.get(f"/desk/holders/{holder.person}")
        fields = {"deal": "payout", "transfer": hidden(page, "transfer"), "amount": "99999", "note": ""}
        refused = await cashier.send_form(f"/desk/holders/{holder.person}", **fields)
    assert refused.status_code == 422
    assert "The purse holds less than that." in refused.text
    assert cash_of(real_site, holder) == before


async def test_a_wrong_top_up_is_taken_back_with_a_reason(real_site: RealSite) -> None:
    holder = eater(real_site)
    before = cash_of(real_site, holder)
    async with real_site.client(Role.CASHIER) as cashier:
        page = await cashier.get(f"/desk/holders/{holder.person}")
        fields = {"deal": "topup", "transfer": hidden(page, "transfer"), "amount": "7", "note": ""}
        where = (await cashier.send_form(f"/desk/holders/{holder.person}", **fields)).headers["location"].split("?")[0]
        fresh = hidden(await cashier.get(where), "transfer")
        back = f"/desk{where}/take-back"
        assert (await cashier.send_form(back, transfer=fresh, reason="")).status_code == 422
        assert (await cashier.send_form(back, transfer=fresh, reason="typed 7 for 5")).status_code == 303
    assert cash_of(real_site, holder) == before


async def test_the_count_is_blind_and_the_hand_over_needs_the_colleague(real_site: RealSite) -> None:
    real_site.hire(Role.CASHIER, "second.cashier")
    async with real_site.client(Role.CASHIER) as cashier:
        drawer = await cashier.get("/desk")
        assert "Expected" not in drawer.text
        fields = {"counted_by_giver": "150", "counted_by_taker": "150", "taker": "second.cashier"}
        wrong = await cashier.send_form("/desk/hand-over", **fields, taker_password="nobody knows")
        assert wrong.status_code == 422
        passed = await cashier.send_form("/desk/hand-over", **fields, taker_password=PASSWORD)
        assert "Expected" in passed.text
        assert "Begin shift" in (await cashier.get("/desk")).text
    async with real_site.client(Role.FINANCE) as finance:
        assert "desk-1 · 2" in (await finance.get("/shifts")).text


async def test_movements_need_a_purpose_that_the_trail_keeps(real_site: RealSite) -> None:
    holder = eater(real_site)
    path = f"/accounts/{holder.person}/movements"
    async with real_site.client(Role.FINANCE) as finance:
        assert (await finance.send_form(path)).status_code == 422
        shown = await finance.send_form(path, purpose="complaint")
        assert "Cash top-up" in shown.text
        days = {"purpose": "auditing", "from_day": "2020-01-01", "through_day": "2030-01-01"}
        table = await finance.send_form(f"/accounts/{holder.person}/statement", kind="csv", **days)
        assert table.content.startswith(b"\xef\xbb\xbf")
        drawn = await finance.send_form(f"/accounts/{holder.person}/statement", kind="pdf", **days)
        assert drawn.content.startswith(b"%PDF")
    subject = f"person:{holder.person}"
    trail = real_site.read(lambda session: audit_rows.of_object(session, real_site.site_id, subject))
    rows = [row for row in trail if row["action"] == "movements_read"]
    assert sorted(row["reason"] for row in rows) == ["auditing", "auditing", "complaint"]


async def test_an_adjustment_waits_for_another_person_and_is_told_in_words(real_site: RealSite) -> None:
    holder = eater(real_site)
    before = cash_of(real_site, holder)
    other = real_site.hire(Role.FINANCE, "second.finance")
    async with real_site.client(Role.FINANCE) as finance, real_site.client(other) as checker:
        path = f"/accounts/{holder.person}/adjust"
        assert (await finance.send_form(path, purse="cash", amount="-1", reason="")).status_code == 422
        assert (await finance.send_form(path, purse="cash", amount="1.50", reason="till broke")).status_code == 303
        own = await finance.get("/approvals")
        assert "You asked for this" in own.text
        page = await checker.get("/approvals")
        assert "Adjust a balance" in page.text
        assert "¥1.50" in page.text
        where = re.search(r'action="(/approvals/[0-9a-f-]+)"', page.text)
        assert where is not None
        assert cash_of(real_site, holder) == before
        other_words = await checker.send_form(where[1], verdict="approve", seen="0" * 64)
        assert "not the one you read" in other_words.text
        done = await checker.send_form(where[1], verdict="approve", seen=hidden(page, "seen"))
        assert done.status_code == 303
        assert "Carried out" in (await checker.get("/approvals")).text
    assert cash_of(real_site, holder) == before + Fen(150)


async def test_who_may_not_take_cash_sees_no_desk(real_site: RealSite) -> None:
    holder = eater(real_site)
    async with real_site.client(Role.CANTEEN_MANAGER) as manager:
        assert (await manager.get("/desk")).status_code == 403
        assert (await manager.get(f"/accounts/{holder.person}")).status_code == 403
        assert "/approvals" in (await manager.get("/approvals")).text
