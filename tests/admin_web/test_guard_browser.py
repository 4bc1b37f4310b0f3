"""A guard's day in Chinese on a phone and a system administrator's in English at a dark desk, judged by axe-core."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser

from server.access import repository
from server.alarms import service as alarms
from server.alarms.rows import NewAlarm
from server.seed.holders import FIRST_NUMBER
from server.staff.roles import Role
from tests.admin_web.chromium import DESK, PHONE, Window
from tests.admin_web.real_site import PASSWORD, RealSite

pytestmark = [pytest.mark.timeout(240)]


def judge(window: Window, what: str) -> None:
    """Assert that the page as it stands fits its window and is open to all."""
    assert window.fits(), what
    assert not window.faults(), what


def test_a_guards_day_on_a_phone_in_chinese(browser: Browser, real_site: RealSite, served: str) -> None:
    lane = real_site.read(lambda session: repository.lane_rows(session, real_site.site_id))[0]["id"]
    new = NewAlarm("held_open", lane, real_site.now())
    real_site.write(lambda session: alarms.raise_alarm(session, real_site.system, real_site.site_id, new))
    window = Window(browser, served, None, language="zh-CN", size=PHONE)
    page = window.go("/login?next=/alarms")
    page.fill("#login", str(Role.SECURITY_OFFICER))
    page.fill("#password", PASSWORD)
    page.click("form[action='/login'] button[type=submit]")
    page.get_by_text("通道未关").first.wait_for()
    judge(window, "alarms")
    page.locator("[data-opens^='ack-']").first.click()
    page.locator("dialog[open] textarea").fill("已到场关闭")
    page.locator("dialog[open] button[type=submit]").click()
    page.get_by_text("没有待处理报警").wait_for()
    window.go("/alarms/past")
    assert page.get_by_text("已到场关闭").is_visible()
    judge(window, "past alarms")
    window.go("/lanes")
    judge(window, "lanes")
    page.locator(f"[data-opens='hold-{lane}']").click()
    page.locator("dialog[open] input[name=reason]").fill("消防演练")
    page.locator("dialog[open] button[type=submit]").click()
    page.locator(f"[data-opens='release-{lane}']").wait_for()
    window.go("/why")
    page.fill("#number", str(FIRST_NUMBER))
    page.locator("form[action='/why'] button[type=submit]").click()
    page.locator(".checks").first.wait_for()
    judge(window, "why")
    for path in ("/lockdown", "/access", "/access/week", "/access/schedules/always", "/public/lobby"):
        window.go(path)
        judge(window, path)
    window.close()
    assert not window.complaints


def test_an_administrators_day_at_a_dark_desk_in_english(browser: Browser, real_site: RealSite, served: str) -> None:
    window = Window(browser, served, real_site.token(Role.SYSTEM_ADMIN), size=DESK, dark=True)
    page = window.go("/staff")
    judge(window, "staff")
    page.get_by_role("link", name="Add a login").click()
    page.fill("#number", f"s-{Role.RECEPTION}")
    page.fill("#name", "门岗三")
    page.fill("#login", "gate3")
    page.check("input[name=role_reception]")
    page.fill("#reason", "night shift")
    judge(window, "new login")
    page.locator("form[action='/staff/new'] button[type=submit]").click()
    page.get_by_text(re.compile(r"^[a-z0-9]{5}(-[a-z0-9]{5}){3}$")).wait_for()
    judge(window, "temporary password")
    window.go("/tokens")
    page.fill("#name", "attendance")
    page.check("input[name=may_devices_read]")
    judge(window, "tokens")
    page.locator("form[action='/tokens'] button[type=submit]").click()
    page.get_by_text("It is not shown again").wait_for()
    window.go("/devices/new")
    page.fill("#name", "gate-west")
    page.check("input[name=purpose_gate]")
    page.locator("form[action='/devices/new'] button[type=submit]").click()
    page.locator("img.qr").wait_for()
    judge(window, "one-time code")
    window.go("/calendar?year=2027")
    page.locator("button[value='2027-05-03']").click()
    page.locator("button[value='2027-05-03'].day-holiday").wait_for()
    judge(window, "calendar")
    window.go("/account")
    judge(window, "account")
    page.locator("[data-opens='totp']").click()
    page.fill("#totp-current", PASSWORD)
    page.locator("dialog[open] button[type=submit]").click()
    page.locator("img.qr").wait_for()
    judge(window, "authenticator app")
    window.close()
    assert not window.complaints


def test_the_audit_trail_fits_a_phone(browser: Browser, real_site: RealSite, served: str) -> None:
    window = Window(browser, served, real_site.token(Role.AUDITOR), size=PHONE)
    page = window.go("/audit")
    judge(window, "audit")
    page.locator("form[action='/audit/verify'] button").click()
    page.locator(".facts").wait_for()
    judge(window, "proof")
    window.close()
    assert not window.complaints
