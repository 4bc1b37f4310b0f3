"""Signing in in two steps, one's own account, staff and approvals: on the real server, without a browser."""

from __future__ import annotations

import re

import httpx2

from server.staff import factors, totp
from server.staff.factors import FactorRefusal
from server.staff.roles import Role
from tests.admin_web.real_site import PASSWORD, Desk, RealSite

PEER = "127.0.0.1"
NEW_PASSWORD = "a bicycle under the bridge"


def phone_of(site: RealSite, role: Role) -> bytes:
    """Put an authenticator app into use for somebody, some steps ago, and return its secret."""
    owner, secrets = site.staff[role], site.app.state.parts.secrets
    secret = site.write(lambda session: factors.begin_totp(session, site.system, secrets, owner))
    code = totp.code_at(secret, totp.step_at(site.now()) - 1)
    made = site.write(lambda session: factors.confirm_totp(session, site.system, secrets, site.site_id, owner, code))
    assert not isinstance(made, FactorRefusal)
    return secret


def code_now(site: RealSite, secret: bytes) -> str:
    return totp.code_at(secret, totp.step_at(site.now()))


async def step(client: Desk, path: str, answer: httpx2.Response, **fields: str) -> httpx2.Response:
    """Send the form of a step with the token that its page holds."""
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', answer.text)
    assert found is not None
    return await client.post(path, data={"form_token": found.group(1), **fields})


async def test_a_second_step_stands_between_password_and_session(real_site: RealSite) -> None:
    secret = phone_of(real_site, Role.FINANCE)
    async with real_site.client(None) as client:
        answer = await client.post("/login", data={"login": "finance", "password": PASSWORD})
        assert answer.headers["location"].startswith("/login/second")
        assert (await client.get("/approvals")).status_code == 303
        page = await client.get("/login/second")
        waiting = dict(client.cookies)
        wrong = await step(client, "/login/second", page, code="000000")
        assert wrong.status_code == 422
        right = await step(client, "/login/second", page, code=code_now(real_site, secret), next="/approvals")
        assert right.headers["location"] == "/approvals"
        assert dict(client.cookies) != waiting
        assert (await client.get("/approvals")).status_code == 200


async def test_an_app_is_set_up_with_the_password_and_its_first_code(real_site: RealSite) -> None:
    async with real_site.client(Role.AUDITOR) as client:
        assert (await client.send_form("/account/totp", current="not my password")).status_code == 422
        page = await client.send_form("/account/totp", current=PASSWORD)
        assert 'src="data:image/svg+xml' in page.text
        assert (await client.send_form("/account/totp/confirm", code="000000")).status_code == 422
        owner, secrets = real_site.staff[Role.AUDITOR], real_site.app.state.parts.secrets
        secret = real_site.write(lambda session: factors.begin_totp(session, real_site.system, secrets, owner))
        done = await client.send_form("/account/totp/confirm", code=code_now(real_site, secret))
        assert len(re.findall(r"<code>[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}</code>", done.text)) == factors.RECOVERY_CODES


async def test_a_login_is_added_by_two_and_begins_with_a_password_of_its_own(real_site: RealSite) -> None:
    number = f"s-{Role.RECEPTION}"
    form = {"login": "gate2", "name": "门岗二", "number": number, "language": "zh-CN", "reason": "夜班"}
    async with real_site.client(Role.SYSTEM_ADMIN) as admin, real_site.client(Role.SECURITY_OFFICER) as officer:
        nothing = await admin.send_form("/staff/new", **form)
        assert nothing.status_code == 422
        added = await admin.send_form("/staff/new", **form, role_reception="1")
        found = re.search(r"<code>([a-z0-9-]{23})</code>", added.text)
        assert found is not None
        shown = (await officer.get("/approvals")).text
        waiting = re.search(r'action="/approvals/([0-9a-f-]{36})"', shown)
        assert waiting is not None
        seen = re.search(r'name="seen" value="([0-9a-f]+)"', shown)
        assert seen is not None
        done = await officer.send_form(f"/approvals/{waiting[1]}", verdict="approve", seen=seen[1])
        assert done.headers["location"] == "/approvals?said=approvals.approved"
    async with real_site.client(None) as client:
        answer = await client.post("/login", data={"login": "gate2", "password": found[1]})
        assert answer.headers["location"].startswith("/login/password")
        page = await client.get("/login/password")
        weak = await step(client, "/login/password", page, password="gate2gate2gate2", again="gate2gate2gate2")
        assert weak.status_code == 422
        good = await step(client, "/login/password", page, password=NEW_PASSWORD, again=NEW_PASSWORD)
        assert good.status_code == 303
        assert (await client.get("/live")).status_code == 200


async def test_a_token_is_shown_once_and_revoked(real_site: RealSite) -> None:
    async with real_site.client(Role.SYSTEM_ADMIN) as admin:
        made = await admin.send_form("/tokens", name="考勤系统", days="30", may_devices_read="1")
        text = re.search(r"onecard_[\w-]{43}", made.text)
        assert text is not None
        listed = (await admin.get("/tokens")).text
        assert "考勤系统" in listed
        assert text[0] not in listed
        token = re.search(r'action="/tokens/([0-9a-f-]{36})/revoke"', listed)
        assert token is not None
        own = {"Authorization": f"Bearer {text[0]}"}
        assert (await admin.get("/api/v1/tokens/own", headers=own)).status_code == 200
        assert (await admin.send_form(f"/tokens/{token[1]}/revoke")).status_code == 303
        assert (await admin.get("/api/v1/tokens/own", headers=own)).status_code == 401


async def test_a69_the_trail_is_read_with_before_and_after_and_proves_itself(real_site: RealSite) -> None:
    async with real_site.client(Role.AUDITOR) as auditor:
        page = (await auditor.get("/audit")).text
        assert "signed_in" in page or "staff_created" in page
        now = real_site.now().date().isoformat()
        found = await auditor.send_form("/audit", since=now, until=now, action="staff_created")
        assert "staff_created" in found.text
        assert "sign_in_refused</code>" not in found.text
        assert (await auditor.send_form("/audit/verify")).status_code == 200
    async with real_site.client(Role.SYSTEM_ADMIN) as admin:
        assert (await admin.get("/audit")).status_code == 403


async def test_c83_the_trail_and_the_own_account_say_from_where(real_site: RealSite) -> None:
    async with real_site.client(None) as client:
        await client.post("/login", data={"login": "auditor", "password": "no, not this one"})
    async with real_site.client(Role.AUDITOR) as auditor:
        own = (await auditor.get("/account")).text
        assert "tried to sign in in vain" in own
        assert PEER in own
        found = await auditor.send_form("/audit", since="2020-01-01", until="2099-01-01", origin=PEER)
        assert PEER in found.text
        assert "sign_in_refused" in found.text
        none = await auditor.send_form("/audit", since="2020-01-01", until="2099-01-01", origin="203.0.113.99")
        assert "sign_in_refused</span>" not in none.text
        assert 'id="results"' in none.text
