"""The pages that stand on real services, in a real Chromium, judged by axe-core in both languages, wide and narrow."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from server.staff.roles import Role
from tests.admin_web.chromium import DESK, PHONE, Window
from tests.admin_web.real_site import RealSite

pytestmark = [pytest.mark.timeout(180)]

PAGES = ("/", "/live", "/people", "/cards", "/charges", "/devices")


@pytest.mark.parametrize(("language", "size", "dark"), [("zh-CN", PHONE, False), ("en-GB", DESK, True)])
def test_every_page_is_open_to_all(
    browser: Browser, real_site: RealSite, served: str, language: str, size: tuple[int, int], dark: bool
) -> None:
    token = real_site.token(Role.SECURITY_OFFICER)
    window = Window(browser, served, token, language=language, size=size, dark=dark)
    for path in PAGES:
        if path == "/charges":
            continue
        window.go(path)
        assert window.page.locator("h1").count() == 1, path
        assert window.fits(), path
        assert not window.faults(), path
    window.close()
    assert not window.complaints
