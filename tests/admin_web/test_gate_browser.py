"""The gate's pages in a real Chromium: axe-core in both languages, wide and narrow; the public screen; a pass."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from server.staff.roles import Role
from tests.admin_web.chromium import DESK, PHONE, Window
from tests.admin_web.gate_day import GateDay, gate_day
from tests.admin_web.real_site import RealSite

pytestmark = [pytest.mark.timeout(180)]


@pytest.fixture(scope="module", autouse=True)
def day(real_site: RealSite) -> GateDay:
    return gate_day(real_site)


@pytest.mark.parametrize(("language", "size", "dark"), [("zh-CN", PHONE, True), ("en-GB", DESK, False)])
def test_the_gates_pages_are_open_to_all(
    browser: Browser, real_site: RealSite, served: str, day: GateDay, language: str, size: tuple[int, int], dark: bool
) -> None:
    officer = Window(browser, served, real_site.token(Role.SECURITY_OFFICER), language=language, size=size, dark=dark)
    issuer = Window(browser, served, real_site.token(Role.ISSUER), language=language, size=size, dark=dark)
    paths = (
        "/visitors", "/visitors/new", "/visitors/rules", f"/visitors/{day.visit}", f"/visitors/{day.announced}",
        "/crews", "/crews/new", f"/crews/{day.permit}", "/vehicles", "/vehicles/new", "/garages", "/garages/new",
        "/muster", "/patrols", "/patrols/new", "/public/garages",
    )  # fmt: skip
    for window, path in [*((officer, path) for path in paths), (issuer, "/attendance"), (issuer, "/attendance/shifts")]:
        window.go(path)
        assert window.page.locator("h1").count() == 1, path
        assert window.fits(), path
        assert not window.faults(), path
    for window in (officer, issuer):
        window.close()
        assert not window.complaints


def test_s02_a_pass_is_made_and_shown_as_a_code(
    browser: Browser, real_site: RealSite, served: str, day: GateDay
) -> None:
    window = Window(browser, served, real_site.token(Role.RECEPTION), language="en-GB", size=DESK)
    window.go(f"/visitors/{day.visit}")
    window.page.get_by_role("button", name="QR pass").click()
    code = window.page.locator("img.pass-code")
    code.wait_for()
    assert code.evaluate("image => image.naturalWidth") > 100
    assert not window.faults()
    window.close()
    assert not window.complaints


def test_s11_the_public_screen_needs_no_sign_in(browser: Browser, served: str) -> None:
    window = Window(browser, served, None, language="zh-CN", size=DESK)
    window.go("/public/garages")
    assert window.page.locator(".public-value").inner_text() == "27"
    window.close()
