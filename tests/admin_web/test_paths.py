"""After signing in the visitor stays on this site, whatever the address asked for."""

from __future__ import annotations

import pytest

from admin_web.paths import local_path


@pytest.mark.parametrize("path", ["/", "/people", "/charges?day=2026-11-20&till=a%2Fb"])
def test_paths_of_this_site_are_kept(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "people",
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/a\r\nSet-Cookie: x",
        "/\t/evil",
        "/" + "a" * 600,
        "/你好",
    ],
)
def test_everything_else_leads_home(path: str | None) -> None:
    assert local_path(path) == "/"
