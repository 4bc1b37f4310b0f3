"""Who may see what: every route has its rule, no session shows nothing, and forms need their token."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from admin_web.app import create_pages
from admin_web.areas import OPEN_ROUTES, PAGE_PERMISSIONS
from admin_web.visitor import form_token
from admin_web.visits import SECURE_COOKIE, is_loopback
from server.staff.roles import Permission
from tests.admin_web.conftest import ADDRESS
from tests.admin_web.fakes import PASSWORD, FakeSite, an_id, settings
from tests.admin_web.sample_site import lunch_site

TOKENLESS = frozenset({"static", "sign_in_form", "sign_in", "preferences"})


def routes_of(app: FastAPI) -> Iterator[APIRoute]:
    """Yield every route of the pages, those of included routers too."""
    pending = list(app.routes)
    while pending:
        route = pending.pop()
        if isinstance(route, APIRoute):
            yield route
        else:
            pending += route.original_router.routes  # type: ignore[attr-defined]


SITE = lunch_site()
ROUTES = sorted(routes_of(create_pages(SITE.services(), SITE.clock, settings())), key=lambda route: route.name)
GUARDED = [route for route in ROUTES if route.name not in OPEN_ROUTES]
by_route = pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)


def path_of(route: APIRoute) -> str:
    known = route.path.replace("{person_id}", str(an_id(1_001))).replace("{card_id}", str(an_id(2_001)))
    return re.sub(r"\{\w+\}", str(an_id(3_001)), known)


def method_of(route: APIRoute) -> str:
    return next(method for method in ("POST", "GET") if method in (route.methods or ()))


def is_staff_form(route: APIRoute) -> bool:
    """Tell whether a member of staff sends it; holders' forms have tokens of their own (`pages/test_me.py`)."""
    return method_of(route) == "POST" and route.name not in TOKENLESS and not route.path.startswith("/me/")


def test_every_route_has_exactly_one_rule() -> None:
    names = {route.name for route in ROUTES}
    assert len(names) == len(ROUTES)
    assert names == PAGE_PERMISSIONS.keys() | OPEN_ROUTES
    assert not PAGE_PERMISSIONS.keys() & OPEN_ROUTES


@by_route
async def test_without_a_session_nothing_is_shown(visitor: httpx2.AsyncClient, route: APIRoute) -> None:
    answer = await visitor.request(method_of(route), path_of(route))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")
    assert "张伟" not in answer.text


@by_route
async def test_scripts_without_a_session_are_led_to_the_sign_in(visitor: httpx2.AsyncClient, route: APIRoute) -> None:
    answer = await visitor.request(method_of(route), path_of(route), headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"], answer.text) == (401, "/login", "")


@by_route
async def test_a_role_without_the_permission_is_refused(
    staff: httpx2.AsyncClient, site: FakeSite, route: APIRoute
) -> None:
    site.sign_in.permissions = frozenset(Permission) - PAGE_PERMISSIONS[route.name]
    answer = await staff.request(
        method_of(route), path_of(route), data=form_of(site) if method_of(route) == "POST" else None
    )
    assert answer.status_code == 403
    assert "张伟" not in answer.text
    assert not site.cards.calls


@pytest.mark.parametrize("route", [r for r in ROUTES if is_staff_form(r)], ids=lambda r: r.name)
@pytest.mark.parametrize("token", ["", "0" * 64, form_token("another session")])
async def test_a_form_without_its_token_changes_nothing(
    staff: httpx2.AsyncClient, site: FakeSite, route: APIRoute, token: str
) -> None:
    answer = await staff.post(path_of(route), data={"form_token": token, "reason": "lost", "q": "张伟"})
    assert answer.status_code == 403
    assert site.sign_in.sessions
    assert not site.cards.calls


def form_of(site: FakeSite, **fields: str) -> dict[str, str]:
    """Return a form with the token of the only session."""
    return {"form_token": form_token(next(iter(site.sign_in.sessions))), **fields}


async def test_over_https_the_cookie_is_bound_to_the_host(pages: FastAPI, site: FakeSite) -> None:
    transport = httpx2.ASGITransport(pages)
    async with httpx2.AsyncClient(transport=transport, base_url="https://onecard.example") as client:
        answer = await client.post(
            "/login", data={"login": "wang", "password": PASSWORD}, headers={"Sec-Fetch-Site": "same-origin"}
        )
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(SECURE_COOKIE.lower() + "=")
    for part in ("secure", "httponly", "samesite=lax", "path=/"):
        assert part in cookie
    assert "domain" not in cookie
    assert "max-age" in answer.headers["strict-transport-security"]
    assert site.sign_in.sessions


async def test_on_the_machine_itself_http_will_do(visitor: httpx2.AsyncClient) -> None:
    answer = await visitor.post("/login", data={"login": "wang", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("onecard=")
    assert "httponly" in cookie
    assert "secure" not in cookie
    assert "strict-transport-security" not in answer.headers


async def test_on_a_plain_network_no_password_is_taken(pages: FastAPI, site: FakeSite) -> None:
    transport = httpx2.ASGITransport(pages)
    headers = {"Origin": "http://desk.lan", "Accept-Language": "en"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://desk.lan", headers=headers) as client:
        form = await client.get("/login")
        answer = await client.post("/login", data={"login": "wang", "password": PASSWORD})
    assert "https" in form.text
    assert 'name="password"' not in form.text
    assert answer.status_code == 403
    assert not site.sign_in.sessions


@pytest.mark.parametrize(
    ("host", "verdict"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("192.168.1.2", False),
        ("localhost.evil", False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, verdict: bool) -> None:
    assert is_loopback(host) is verdict


async def test_pages_are_never_stored_and_carry_the_policy(staff: httpx2.AsyncClient) -> None:
    for path in ("/", "/people", "/nowhere"):
        headers = (await staff.get(path)).headers
        assert headers["cache-control"] == "no-store"
        assert "script-src 'self';" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"


async def test_background_renewals_keep_nobody_signed_in(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    await staff.get("/devices")
    await staff.get("/devices", headers={"Onecard-Background": "1"})
    assert site.sign_in.activities == [True, False]


async def test_an_endless_cookie_is_not_asked_about(visitor: httpx2.AsyncClient, site: FakeSite) -> None:
    answer = await visitor.get("/", headers={"Cookie": "onecard=" + "a" * 3_000})
    assert answer.status_code == 303
    assert not site.sign_in.activities


async def test_a_fault_tells_nothing_but_a_reference(
    staff: httpx2.AsyncClient, site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str, page: int) -> None:
        message = "SELECT secret"
        raise RuntimeError(message, text, page)

    monkeypatch.setattr(site.people, "search", broken)
    answer = await staff.get(ADDRESS + "/people")
    assert answer.status_code == 500
    assert "SELECT" not in answer.text
    assert "Traceback" not in answer.text
    assert str(an_id(900_001)) in answer.text
    assert answer.headers["content-security-policy"]


async def test_no_interface_description_is_published(staff: httpx2.AsyncClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await staff.get(path)).status_code == 404


async def test_the_pages_work_behind_other_routes_of_one_application(pages: FastAPI, site: FakeSite) -> None:
    whole = FastAPI()

    @whole.get("/healthz")
    async def healthz() -> str:
        return "well"

    whole.mount("/", pages)
    token = site.sign_in.open_session(site.sign_in.staff.id)
    transport = httpx2.ASGITransport(whole)
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS, cookies={"onecard": token}) as client:
        assert (await client.get("/healthz")).json() == "well"
        assert (await client.get("/devices")).status_code == 200
        assert (await client.get("/static/app.css")).status_code == 200
        headers = {"Sec-Fetch-Site": "same-origin"}
        answer = await client.post("/people", data=form_of(site, q="李娜"), headers=headers)
        assert answer.status_code == 200
        assert (await client.get("/nowhere")).status_code == 404
