"""A security officer's minute on the whole site: sign in, watch people tap, block a card, see it refused at the lane.

Chromium, server, daemons, mock devices and PostgreSQL are real processes; the page hears from the server alone.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from cardcore.reasons import Reason
from cardcore.texts import REASON_TEXTS
from server.demo.logins import LOGIN
from server.demo.site import DemoSite
from tests.site.running_site import running_site
from tests.site.turns import enters, is_refused

CHROMIUM = "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE_MS = 20_000

pytestmark = [pytest.mark.timeout(150)]


@pytest.fixture
async def site(short_tmp: Path) -> AsyncIterator[DemoSite]:
    async with running_site(short_tmp / "desk") as running:
        yield running


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """Yield a page of a fresh English profile; whatever it complains of fails the test."""
    assert shutil.which("chromium") == CHROMIUM, "install chromium: apt-get install chromium"
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        yield page
        await browser.close()
    assert not complaints


async def test_a_card_blocked_on_its_page_is_refused_at_the_lane_and_the_live_page_says_why(
    site: DemoSite, page: Page
) -> None:
    assert site.site is not None
    holder = next(one for one in site.site.holders if one.product == "combined")
    await page.goto(site.url + "login")
    await page.locator("#login").fill(LOGIN)
    await page.locator("#password").fill(site.password)
    await page.keyboard.press("Enter")
    await page.wait_for_url(site.url)

    await page.goto(site.url + "live")
    await expect(page.locator("#line-state")).to_have_attribute("data-state", "open")
    await enters(site, "g01", holder)
    row = page.locator(".live-row").first
    await expect(row).to_contain_text(REASON_TEXTS[Reason.GRANTED].en)
    await expect(row).to_contain_text("North gate lane 1")
    number = holder.credential.removeprefix("wiegand:34-")
    assert number not in await page.content()

    await page.goto(f"{site.url}cards/{holder.card}")
    await page.get_by_role("button", name="Block card").click()
    sheet = page.get_by_role("dialog")
    await sheet.locator("input[value=suspended]").check()
    await sheet.get_by_role("button", name="Block card").click()
    await expect(page.get_by_role("button", name="Put back into use")).to_be_visible()

    await page.goto(site.url + "live")
    await expect(page.locator("#line-state")).to_have_attribute("data-state", "open")
    await is_refused(site, "g02", holder)
    row = page.locator(".live-row").first
    await expect(row).to_contain_text(REASON_TEXTS[Reason.CARD_SUSPENDED].en)
    await expect(row).to_contain_text("North gate lane 2")

    await page.get_by_role("button", name="中文").click()
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    await expect(page.locator(".live-row").first).to_contain_text(REASON_TEXTS[Reason.CARD_SUSPENDED].zh)
    await expect(page.locator(".live-row").first).to_contain_text("北门2号通道")
    await is_refused(site, "g02", holder)
    await expect(page.locator(".live-row", has_text=re.compile(REASON_TEXTS[Reason.CARD_SUSPENDED].zh))).to_have_count(
        2
    )
