"""The system administrator's pages and REST on the real server: webhooks."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx2

from server.staff.roles import Permission, Role
from server.tokens import service as tokens
from server.tokens.service import MadeToken, NewToken
from tests.admin_web.real_site import ADDRESS, RealSite

HOOK = {"name": "erp", "url": "https://hooks.example/in"}


def bearer(real_site: RealSite, role: Role, permission: Permission) -> dict[str, str]:
    new = NewToken("program", frozenset({permission}), timedelta(days=1))
    owner = real_site.staff[role]
    made = real_site.write(lambda session: tokens.create(session, real_site.system, real_site.site_id, owner, new))
    assert isinstance(made, MadeToken)
    return {"Authorization": f"Bearer {made.text}"}


async def test_a71_a_webhook_on_the_pages_shows_its_secret_once(real_site: RealSite) -> None:
    async with real_site.client(Role.SYSTEM_ADMIN) as admin:
        refused = await admin.send_form("/webhooks", name="erp", url="https://other.example/in")
        assert refused.status_code == 422
        assert "may not send there" in refused.text
        made = await admin.send_form("/webhooks", **HOOK, topic_alarms="1")
        secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made.text)
        assert secret is not None
        page = re.search(r'href="/webhooks/([0-9a-f-]{36})"', made.text)
        assert page is not None
        shown = await admin.get(f"/webhooks/{page[1]}")
        assert "whsec_" not in shown.text
        assert "whsec_" not in (await admin.get("/webhooks")).text
        for deed in ("pause", "resume", "ping"):
            assert (await admin.send_form(f"/webhooks/{page[1]}/{deed}")).status_code == 303
        assert (await admin.send_form(f"/webhooks/{page[1]}/replay", after="99999999")).status_code == 422
        rotated = await admin.send_form(f"/webhooks/{page[1]}/rotate")
        assert "whsec_" in rotated.text
        assert secret[0] not in rotated.text
        assert (await admin.send_form(f"/webhooks/{page[1]}/remove")).status_code == 303
        assert (await admin.get(f"/webhooks/{page[1]}")).status_code == 404
    async with real_site.client(Role.FINANCE) as other:
        assert (await other.get("/webhooks")).status_code == 403


async def test_a71_webhooks_over_rest(real_site: RealSite) -> None:
    own = bearer(real_site, Role.SYSTEM_ADMIN, Permission.WEBHOOKS_WRITE)
    transport = httpx2.ASGITransport(real_site.app)
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS, headers=own) as program:
        made = await program.post("/api/v1/webhooks", json={"name": "rest", "url": HOOK["url"], "topics": ["taps"]})
        assert made.status_code == 201
        place = f"/api/v1/webhooks/{made.json()['id']}"
        rows = (await program.get("/api/v1/webhooks")).json()["rows"]
        assert [(row["name"], row["topics"], row["state"]) for row in rows] == [("rest", ["taps"], "active")]
        assert "secret" not in rows[0]
        for deed in ("ping", "pause", "resume"):
            assert (await program.post(f"{place}/{deed}")).status_code == 204
        assert (await program.post(f"{place}/replay", json={"after": 10**9})).status_code == 409
        assert (await program.get(f"{place}/deliveries")).json()["rows"] == []
        assert (await program.post(f"{place}/rotate")).json()["secret"] != made.json()["secret"]
        assert (await program.delete(place)).status_code == 204
        assert (await program.delete(place)).status_code == 404
        other = await program.post("/api/v1/webhooks", json={"name": "x", "url": "http://127.0.0.1/"})
        assert other.json()["refusal"] == "target_not_allowed"
