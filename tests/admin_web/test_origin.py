"""Forms are taken from our own pages only, and only small ones."""

from __future__ import annotations

import httpx2
import pytest

from admin_web.origin import body_refusal, is_same_origin
from admin_web.settings import MAX_BODY_BYTES
from tests.admin_web.fakes import FakeSite


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://desk:8000"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "http://desk:8000"}, True),
        ({"origin": "https://desk:8000"}, False),
        ({"origin": "http://desk:9000"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({}, False),
    ],
)
def test_only_this_origin_counts(headers: dict[str, str], verdict: bool) -> None:
    assert is_same_origin({"host": "desk:8000", **headers}, "http") is verdict


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-length": "20", "content-type": "application/x-www-form-urlencoded; charset=utf-8"}, None),
        ({"content-length": "0"}, None),
        ({}, 411),
        ({"content-length": "-1"}, 411),
        ({"content-length": str(MAX_BODY_BYTES + 1)}, 413),
        ({"content-length": "20", "content-type": "multipart/form-data"}, 415),
        ({"content-length": "20", "content-type": "text/plain"}, 415),
    ],
)
def test_only_small_forms_are_read(headers: dict[str, str], status: int | None) -> None:
    assert body_refusal(headers) == status


@pytest.mark.parametrize("path", ["/login", "/logout", "/preferences", "/people", "/cards", "/nowhere"])
async def test_a_foreign_page_can_send_nothing(staff: httpx2.AsyncClient, site: FakeSite, path: str) -> None:
    answer = await staff.post(path, data={"login": "wang"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert site.sign_in.sessions
    assert site.sign_in.failures == 0
