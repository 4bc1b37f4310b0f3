"""Signing in and out, language and theme."""

from __future__ import annotations

import httpx2
import pytest

from admin_web.visitor import form_token
from server.staff.roles import Permission
from tests.admin_web.fakes import PASSWORD, FakeSite

GOOD = {"login": "wang", "password": PASSWORD}


async def test_signing_in_opens_a_session_and_goes_where_one_wanted(visitor: httpx2.AsyncClient) -> None:
    sent_away = await visitor.get("/people")
    assert sent_away.headers["location"] == "/login?next=/people"
    form = await visitor.get(sent_away.headers["location"])
    assert 'value="/people"' in form.text
    answer = await visitor.post("/login", data={**GOOD, "next": "/people"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/people")
    assert (await visitor.get("/people")).status_code == 200


async def test_a_role_starts_at_the_first_page_it_may_see(visitor: httpx2.AsyncClient, site: FakeSite) -> None:
    site.sign_in.permissions = frozenset({Permission.CHARGES_READ, Permission.DEVICES_READ})
    assert (await visitor.post("/login", data=GOOD)).headers["location"] == "/charges"
    refused = await visitor.get("/")
    assert refused.status_code == 403
    assert 'href="/charges"' in refused.text


async def test_every_failure_reads_alike(visitor: httpx2.AsyncClient, site: FakeSite) -> None:
    texts = set()
    for fields in (
        {"login": "wang", "password": "wrong"},
        {"login": "nobody", "password": "wrong"},
        {},
        {"login": "x" * 999},
    ):
        answer = await visitor.post("/login", data={**fields, "next": "/"})
        assert answer.status_code == 401
        texts.add(answer.text.split("login-failure")[1].split("</div>")[0])
    assert len(texts) == 1
    assert not site.sign_in.sessions


async def test_too_many_tries_are_told_to_wait(visitor: httpx2.AsyncClient, site: FakeSite) -> None:
    site.sign_in.is_throttled = True
    answer = await visitor.post("/login", data=GOOD)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "610")
    assert "Try again in 11 min." in answer.text
    assert not site.sign_in.sessions


async def test_a_password_is_never_sent_back(visitor: httpx2.AsyncClient) -> None:
    answer = await visitor.post("/login", data={"login": "<b>wang</b>", "password": "hunter2hunter2"})
    assert "hunter2" not in answer.text
    assert "&lt;b&gt;wang" in answer.text


async def test_signing_in_again_ends_the_old_session(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    (old,) = site.sign_in.sessions
    await staff.post("/login", data=GOOD)
    assert old not in site.sign_in.sessions
    assert len(site.sign_in.sessions) == 1


async def test_signing_out_ends_the_session_at_once(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    (token,) = site.sign_in.sessions
    answer = await staff.post("/logout", data={"form_token": form_token(token)})
    assert answer.headers["location"] == "/login"
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert not site.sign_in.sessions


async def test_signing_out_is_no_link(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    assert (await staff.get("/logout")).status_code == 405
    assert site.sign_in.sessions


@pytest.mark.parametrize(("language", "words"), [("zh-CN", "用户名"), ("en", "User name")])
async def test_the_chosen_language_stays(visitor: httpx2.AsyncClient, language: str, words: str) -> None:
    answer = await visitor.post("/preferences", data={"language": language, "next": "/login"})
    assert answer.headers["location"] == "/login"
    page = await visitor.get("/login", headers={"Accept-Language": "fr"})
    assert words in page.text
    assert f'<html lang="{language}"' in page.text


async def test_the_chosen_theme_stays(visitor: httpx2.AsyncClient) -> None:
    await visitor.post("/preferences", data={"theme": "dark", "next": "/login"})
    assert 'data-bs-theme="dark"' in (await visitor.get("/login")).text


@pytest.mark.parametrize("fields", [{"language": "xx"}, {"theme": "<script>"}])
async def test_no_other_preference_is_kept(visitor: httpx2.AsyncClient, fields: dict[str, str]) -> None:
    answer = await visitor.post("/preferences", data=fields)
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


async def test_no_form_leads_to_another_host(visitor: httpx2.AsyncClient) -> None:
    for path, fields in (("/login", GOOD), ("/preferences", {"theme": "dark"})):
        answer = await visitor.post(path, data={**fields, "next": "//evil.example/"})
        assert answer.headers["location"] == "/"


async def test_a_form_that_is_none_is_refused(visitor: httpx2.AsyncClient) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"\xff\xfe=1", b"&".join(b"a%d=1" % number for number in range(140))):
        assert (await visitor.post("/preferences", content=body, headers=headers)).status_code == 400
