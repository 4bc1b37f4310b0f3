"""Chromium for page tests: a window signed in as somebody, its complaints, and axe-core's verdict on a page.

axe-core judges WCAG 2.0 to 2.2, A and AA. A page may write no error to the console: that is where the browser reports
what the content policy refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from admin_web.visits import LOOPBACK_COOKIE

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, DESK = (375, 812), (1440, 900)
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start one browser; a test file needs one, a test a window."""
    assert Path(CHROMIUM).exists(), "install chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


class Window:
    """A browser window of one visitor, with what it complained about."""

    def __init__(
        self,
        browser: Browser,
        address: str,
        token: str | None,
        *,
        language: str = "en-GB",
        size: tuple[int, int] = DESK,
        dark: bool = False,
    ) -> None:
        self.address = address
        # scripts of axe are injected: the pages' own policy would refuse them
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale=language,
            color_scheme="dark" if dark else "light",
            bypass_csp=True,
        )
        if token is not None:
            self.context.add_cookies([{"name": LOOPBACK_COOKIE, "value": token, "url": address}])
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def go(self, path: str) -> Page:
        """Open a page of the site."""
        self.page.goto(self.address + path)
        return self.page

    def fits(self) -> bool:
        """Tell whether nothing is wider than the window."""
        wide = "document.documentElement.scrollWidth <= window.innerWidth"
        return bool(self.page.evaluate(wide))

    def faults(self) -> list[str]:
        """Return what axe-core finds wrong with the page as it stands: the rule and where, one line each."""
        self.page.evaluate(AXE)
        found: dict[str, Any] = self.page.evaluate(
            "(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}})", STANDARDS
        )
        return [
            f"{rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def close(self) -> None:
        """Close it."""
        self.context.close()
