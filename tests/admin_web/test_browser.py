"""A day at the desk in a real Chromium: sign in, watch taps arrive, switch language, block a card, be signed out.

No page may write an error to the console: that is where the browser reports what the content policy refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Route, expect, sync_playwright

from cardcore.journal import OutcomeKind
from cardcore.reasons import Reason
from server.live.repository import Holder
from tests.admin_web.browser_site import BrowserSite
from tests.admin_web.fakes import PASSWORD, FakeSite, an_id
from tests.admin_web.sample_site import an_event, lunch_site

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, DESK, WALL = (375, 812), (1440, 900), (3840, 2160)
PLACES = (
    "/",
    "/live",
    "/live/wall",
    "/people",
    "/cards",
    "/charges",
    "/devices",
    f"/people/{an_id(1_001)}",
    f"/cards/{an_id(2_001)}",
)

pytestmark = [pytest.mark.timeout(180)]


@pytest.fixture
def web() -> Iterator[BrowserSite]:
    with BrowserSite(lunch_site()) as served:
        yield served


@pytest.fixture(scope="module")
def context_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Yield a function that opens a fresh, empty browser profile."""
    assert Path(CHROMIUM).exists(), "install chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser.new_context
        browser.close()


class Desk:
    """A browser window and what it complained about."""

    def __init__(self, context: BrowserContext, web: BrowserSite) -> None:
        self.context = context
        self.web = web
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def go(self, path: str) -> None:
        self.page.goto(self.web.address + path)

    def sign_in(self) -> None:
        self.go("/login")
        self.page.locator("#login").fill("wang")
        self.page.locator("#password").fill(PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(self.web.address + "/")


@pytest.fixture
def desk(context_of: object, web: BrowserSite) -> Iterator[Desk]:
    context: BrowserContext = context_of(viewport={"width": 1440, "height": 900}, locale="en-GB")  # type: ignore[operator]
    window = Desk(context, web)
    yield window
    context.close()
    assert not window.complaints


@pytest.fixture
def site(web: BrowserSite) -> FakeSite:
    return web.site


def test_a_live_row_arrives_and_its_outcome_replaces_it(desk: Desk, web: BrowserSite) -> None:
    desk.sign_in()
    desk.page.keyboard.press("g")
    desk.page.keyboard.press("l")
    expect(desk.page.locator("#line-state")).to_have_attribute("data-state", "open")
    rows = desk.page.locator(".live-row")
    expect(rows).to_have_count(5)
    web.call(web.site.live.push(an_event(6, Reason.CARD_LOST, holder=Holder("<b>赵磊</b>", "财政局"))))
    expect(rows).to_have_count(6)
    expect(rows.first).to_contain_text("<b>赵磊</b>")
    expect(rows.first).to_contain_text("Alarm")
    expect(rows.first).to_contain_text("Card was reported lost")
    web.call(web.site.live.push(an_event(7)))
    web.call(web.site.live.push(an_event(8, tap_id=an_id(10_006), outcome=OutcomeKind.NOT_USED)))
    expect(rows.nth(1)).to_contain_text("Did not pass")
    expect(rows).to_have_count(7)


def test_the_live_page_forgets_old_rows(desk: Desk, web: BrowserSite) -> None:
    desk.sign_in()
    desk.go("/live")
    expect(desk.page.locator("#line-state")).to_have_attribute("data-state", "open")
    for number in range(6, 126):
        web.call(web.site.live.push(an_event(number)))
    expect(desk.page.locator(".live-row").first).to_have_attribute("data-tap", str(an_id(10_125)))
    expect(desk.page.locator(".live-row")).to_have_count(100)


def test_a55_the_guards_wall_shows_the_last_person_of_each_lane_with_the_photo(
    context_of: object, web: BrowserSite
) -> None:
    context: BrowserContext = context_of(viewport={"width": WALL[0], "height": WALL[1]}, locale="en-GB")  # type: ignore[operator]
    desk = Desk(context, web)
    face = io.BytesIO()
    Image.new("RGB", (110, 140), "teal").save(face, "JPEG")
    whole: list[str] = []

    def give(route: Route) -> None:
        whole.append(route.request.url)
        route.fulfill(body=face.getvalue(), content_type="image/jpeg")

    desk.page.route("**/people/*/photo", give)
    desk.sign_in()
    desk.go("/live/wall")
    expect(desk.page.locator("#line-state")).to_have_attribute("data-state", "open")
    here = desk.page.locator('[data-wall="g03"] > .live-row')
    zhao = Holder("赵磊", "财政局")
    web.call(web.site.live.push(an_event(6, holder=zhao, person_id=an_id(77), photo=face.getvalue())))
    web.call(web.site.live.push(an_event(7, Reason.CHARGED, place_id="t01", holder=Holder("别处", "民政局"))))
    expect(here.first).to_contain_text("赵磊")
    expect(here.first).to_contain_text("Granted")
    expect(here.first.locator(".live-photo img")).to_have_attribute("src", f"/people/{an_id(77)}/photo")
    assert whole
    assert not any("赵" in address for address in whole)
    web.call(web.site.live.push(an_event(8, tap_id=an_id(10_006), holder=zhao, outcome=OutcomeKind.PASSED)))
    expect(here.first).to_contain_text("Passed")
    expect(here.first.locator(".live-photo img")).to_be_visible()
    web.call(web.site.live.push(an_event(9, tap_id=an_id(1), outcome=OutcomeKind.NOT_USED)))  # of a tap long gone
    web.call(web.site.live.push(an_event(10, Reason.CARD_LOST, holder=Holder("李四", "民政局"))))
    expect(here.first).to_contain_text("李四")
    expect(here.nth(1)).to_contain_text("赵磊")
    expect(desk.page.locator(".wall")).not_to_contain_text("别处")
    type_px = here.first.locator(".live-who strong").evaluate("word => parseFloat(getComputedStyle(word).fontSize)")
    photo = here.first.locator(".live-photo").bounding_box()
    assert photo is not None
    assert (type_px > 60, photo["height"] > 700) == (True, True)
    context.close()
    assert not desk.complaints


def test_the_live_page_leaves_when_signed_out(desk: Desk, web: BrowserSite) -> None:
    desk.sign_in()
    desk.go("/live")
    expect(desk.page.locator("#line-state")).to_have_attribute("data-state", "open")
    web.site.sign_in.sessions.clear()
    desk.page.wait_for_url("**/login?next=/live")


def test_the_overview_renews_itself_and_keeps_what_was_opened(desk: Desk, site: FakeSite) -> None:
    desk.sign_in()
    desk.page.locator(".chart-table summary").first.click()
    site.overview.day_figures = replace(site.overview.day_figures, taps=98_765)
    expect(desk.page.locator("#figures")).to_contain_text("98,765", timeout=30_000)
    expect(desk.page.locator(".chart-table table").first).to_be_visible()
    expect(desk.page.locator(".chart canvas")).to_have_count(2)


def test_the_language_is_switched_and_stays(desk: Desk) -> None:
    desk.sign_in()
    expect(desk.page.locator("h1")).to_have_text("Today")
    desk.page.get_by_role("button", name="中文").click()
    expect(desk.page.locator("h1")).to_have_text("今日概览")
    desk.page.get_by_role("link", name="设备").first.click()
    expect(desk.page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(desk.page.locator(".hints").first).to_contain_text("无响应")


def test_a_search_needs_only_the_keyboard(desk: Desk) -> None:
    desk.sign_in()
    desk.go("/people")
    desk.page.keyboard.press("/")
    desk.page.keyboard.type("李娜")
    expect(desk.page.locator("#results tbody tr")).to_have_count(5)
    assert desk.page.url.endswith("/people")
    expect(desk.page.locator("#q")).to_be_focused()
    desk.page.locator("#q").fill("")
    expect(desk.page.locator("#results tbody tr")).to_have_count(50)
    desk.page.get_by_role("button", name="Next").click()
    expect(desk.page.locator("#results tbody tr")).to_have_count(10)


def test_a_card_is_blocked_and_the_page_says_so(desk: Desk, site: FakeSite) -> None:
    desk.sign_in()
    desk.go(f"/cards/{an_id(2_001)}")
    desk.page.get_by_role("button", name="Block card").click()
    sheet = desk.page.get_by_role("dialog")
    expect(sheet).to_contain_text("王秀英")
    sheet.get_by_role("button", name="Block card").click()
    expect(desk.page.get_by_role("alert")).to_contain_text("Done")
    expect(desk.page.get_by_role("button", name="Put back into use")).to_be_visible()
    assert len(site.cards.calls) == 1


@pytest.mark.parametrize("size", [PHONE, DESK, WALL], ids=["phone", "desk", "wall"])
@pytest.mark.parametrize(("language", "scheme"), [("zh-CN", "light"), ("en-GB", "dark")])
def test_every_page_fits_and_charts_are_drawn(
    context_of: object, web: BrowserSite, size: tuple[int, int], language: str, scheme: str
) -> None:
    width, height = size
    context: BrowserContext = context_of(  # type: ignore[operator]
        viewport={"width": width, "height": height}, locale=language, color_scheme=scheme
    )
    desk = Desk(context, web)
    desk.sign_in()
    for path in PLACES:
        desk.go(path)
        expect(desk.page.locator("html")).to_have_attribute("data-bs-theme", scheme)
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= width, path
        if path == "/":
            expect(desk.page.locator(".chart canvas")).to_have_count(2)
    context.close()
    assert not desk.complaints
