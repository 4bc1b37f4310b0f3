"""The cashier's, the finance clerk's and the holder's day in Chromium: both languages, phone and desktop, axe clean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FilePayload

from admin_web.holder_visits import LOOPBACK_HOLDER_COOKIE
from server.holders import sign_in
from server.staff.roles import Role
from tests.admin_web.chromium import DESK, PHONE, Window
from tests.admin_web.eaten import eat
from tests.admin_web.real_site import RealSite
from tests.private_postgres import PrivatePostgres

pytestmark = [pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def fed_site(embedded_postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSite]:
    with embedded_postgres.fresh_database(migrated=True) as url:
        site = RealSite(url, tmp_path_factory.mktemp("fed"))
        eat(site)
        yield site
        site.close()


@pytest.fixture(scope="module")
def served(fed_site: RealSite) -> Iterator[str]:
    with fed_site.serve() as address:
        yield address


def look(window: Window, *paths: str) -> None:
    """Open pages; each fits and axe finds nothing."""
    for path in paths:
        window.go(path)
        judge(window, path)


def judge(window: Window, path: str) -> None:
    """Judge the page as it stands."""
    assert window.page.locator("h1").count() == 1, path
    assert window.fits(), path
    assert not window.faults(), path


def test_a_cashiers_day(browser: Browser, fed_site: RealSite, served: str) -> None:
    window = Window(browser, served, fed_site.token(Role.CASHIER), language="zh-CN", size=PHONE)
    holder = next(one for one in fed_site.seeded.holders if one.account is not None)
    page = window.go("/desk")
    page.fill("#desk", "desk-1")
    page.fill("#opening", "100")
    page.click("text=开班 >> nth=-1")
    page.fill("#q", str(10_001 + holder.index))
    page.click(f'a[href="/desk/holders/{holder.person}"]')
    judge(window, "holder")
    page.fill("#amount", "50")
    page.click("text=入账并打印")
    assert "desk-1-1-0001" in page.inner_text("h1")
    judge(window, "receipt")
    look(window, "/desk", "/counter", "/counter?till=t01", "/accounts", f"/accounts/{holder.person}", "/approvals")
    window.go("/desk")
    page.fill("#counted", "150")
    page.click("text=下班交款")
    assert "¥0.00" in page.inner_text("main")
    judge(window, "counted")
    window.close()
    assert not window.complaints


def test_a_finance_clerks_day(browser: Browser, fed_site: RealSite, served: str) -> None:
    window = Window(browser, served, fed_site.token(Role.FINANCE), size=DESK, dark=True)
    page = window.go("/reports?by=stall")
    judge(window, "reports")
    page.click("td.number a >> nth=0")
    judge(window, "charges behind")
    look(
        window, "/reports/tables/trial_balance", "/closes", "/closes/2026-03-04", "/findings", "/settlement", "/shifts"
    )
    window.go("/batches")
    page.fill("#number", "2026-03")
    sheet: FilePayload = {"name": "a.csv", "mimeType": "text/csv", "buffer": "工号,金额\n99999,5\n合计,5\n".encode()}
    page.set_input_files("#file", sheet)
    page.click("text=Check only")
    page.wait_for_selector("text=nobody has this number")
    assert page.input_value("#number") == "2026-03"
    judge(window, "/batches")
    window.close()
    assert not window.complaints


def test_a_holders_day(browser: Browser, fed_site: RealSite, served: str) -> None:
    holder = next(one for one in fed_site.seeded.holders if one.account is not None)
    maker = fed_site.staff[Role.CASHIER]
    code = fed_site.write(
        lambda session: sign_in.make_code(session, fed_site.system, fed_site.site_id, maker, holder.person)
    )
    assert code is not None
    window = Window(browser, served, None, language="zh-CN", size=PHONE)
    page = window.go("/me/login")
    judge(window, "/me/login")
    page.fill("#number", str(10_001 + holder.index))
    page.fill("#code", code)
    page.click("button:has-text('进入')")
    assert any(cookie["name"] == LOOPBACK_HOLDER_COOKIE for cookie in window.context.cookies())
    page.click(".star >> nth=3")
    page.wait_for_selector('.star[aria-pressed="true"]')
    assert page.locator(".star.is-lit").count() == 4
    look(window, "/me", "/me/meals", "/me/gates", "/me/orders", "/me/complaints", "/public/menu")
    window.close()
    assert not window.complaints


def test_the_managers_pages_and_the_lobby(browser: Browser, fed_site: RealSite, served: str) -> None:
    window = Window(browser, served, fed_site.token(Role.CANTEEN_MANAGER), size=DESK)
    look(window, "/menu", "/complaints", "/public/menu")
    window.close()
    assert not window.complaints
