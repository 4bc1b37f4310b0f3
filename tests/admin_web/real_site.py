"""The whole server on a small reference site: real services, a real PostgreSQL, pages, REST and, if served, a browser.

For pages without fakes: one a test module (`real_site` in conftest), with a member of staff of every role. `client`
talks to it in process, `serve` puts it on a port for Chromium with all background tasks running.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import httpx2
import uvicorn

from admin_web.visitor import form_token
from admin_web.visits import LOOPBACK_COOKIE, TOKEN_FIELD
from cardcore.access.items import Product
from cardcore.clock import ShiftedClock
from cardcore.ids import CategoryId, CredentialKey, PersonId, SiteId, StaffId
from server.asgi import create_app
from server.database import Database, ReadSession, WriteSession
from server.demo.shifted import LUNCH_START
from server.parts import Parts
from server.people import service as people
from server.seed.card_list import SeedCard
from server.seed.service import SeededSite, seed_reference_site
from server.settings import Settings
from server.staff import service as staff
from server.staff.passwords import Passwords
from server.staff.roles import Role
from server.staff.sign_in import SignIn
from server.system import System, SystemClock, SystemIds

Answer = TypeVar("Answer")

ADDRESS = "http://localhost"
PASSWORD = "correct horse battery"
HOLDERS = 24
PRODUCTS = (Product.COMBINED, Product.COMBINED, Product.GATE_ONLY)
START_LIMIT_S = 30.0
INTO_LUNCH = timedelta(hours=1)


class SiteClock(ShiftedClock):
    """A clock that a test moves on."""

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        self._shift += by


class RealSite:
    """One seeded site; its time begins at 11:30 on a workday, in the middle of lunch, and runs."""

    def __init__(self, url: str, folder: Path) -> None:
        started = LUNCH_START + INTO_LUNCH - SystemClock().now()
        clock = SiteClock(SystemClock(), timedelta(seconds=int(started.total_seconds())))
        self.clock = clock
        self.system = System(clock, SystemIds(clock))
        self.database = Database(url)
        cards = [SeedCard(n, PRODUCTS[n % 3], CredentialKey(f"uid:{n:08x}")) for n in range(HOLDERS)]
        self.seeded: SeededSite = seed_reference_site(self.database, self.system, cards)
        self.site_id: SiteId = self.seeded.site_id
        self.passwords = Passwords(self.system.ids, memory_kib=8, time_cost=1)
        self.people: dict[Role, PersonId] = {}
        self.staff: dict[Role, StaffId] = {role: self.hire(role, str(role)) for role in Role}
        settings = Settings(
            database_url=url, data_dir=folder, log_level="warning", webhook_targets="https://hooks.example"
        )
        self.app = create_app(settings, self.system)

    def close(self) -> None:
        """Let go of the database; what was served has stopped its parts itself."""
        parts: Parts = self.app.state.parts
        parts.run.close()
        parts.keys.close()
        parts.database.close()
        self.database.close()

    def now(self) -> datetime:
        """Return the site's time."""
        return self.system.clock.now()

    def hire(self, role: Role, login: str) -> StaffId:
        """Add a login of one role, and the person behind it."""
        return self.write(lambda session: self._hire(session, role, login))

    def _hire(self, session: WriteSession, role: Role, login: str) -> StaffId:
        new = people.NewPerson(f"s-{login}", f"职员 {login}", CategoryId("staff"))
        person = people.create_person(session, self.system, self.site_id, new, "test")
        assert not isinstance(person, people.PersonRefusal)
        self.people.setdefault(role, person)
        member = staff.NewStaff(login, f"职员 {login}", PASSWORD, frozenset({role}), person=person)
        made = staff.create_staff(session, self.system, self.site_id, self.passwords, member, "test")
        assert not isinstance(made, staff.StaffRefusal)
        return made

    def read(self, call: Callable[[ReadSession], Answer]) -> Answer:
        """Ask a service."""
        return self.database.read(call)

    def write(self, call: Callable[[WriteSession], Answer]) -> Answer:
        """Let a service do something."""
        return self.database.write(call)

    def token(self, who: Role | StaffId) -> str:
        """Open a session and return its token."""
        staff_id = self.staff[who] if isinstance(who, Role) else who
        return SignIn(self.database, self.system, self.site_id, self.passwords).open_session(staff_id)

    def client(self, who: Role | StaffId | None, language: str = "en") -> Desk:
        """Return a browser-like client, signed in as somebody, or as nobody."""
        return Desk(self, self.token(who) if who is not None else None, language)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve everything on a free port with its background tasks, and yield the address."""
        listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(self.app, log_level="warning", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        loop = asyncio.new_event_loop()

        def work() -> None:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(server.serve([listening]))
            loop.close()

        thread = threading.Thread(target=work, name="real-site")
        thread.start()
        started = threading.Event()
        waiting = START_LIMIT_S
        while not server.started and waiting > 0:
            started.wait(0.02)
            waiting -= 0.02
        assert server.started, "the server did not start"
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(START_LIMIT_S)
            listening.close()


class Desk(httpx2.AsyncClient):
    """A client whose forms carry the session's token; redirects are shown, not followed."""

    def __init__(self, site: RealSite, token: str | None, language: str) -> None:
        headers = {"Sec-Fetch-Site": "same-origin", "Accept-Language": language}
        cookies = {LOOPBACK_COOKIE: token} if token is not None else {}
        transport = httpx2.ASGITransport(site.app, raise_app_exceptions=False)
        super().__init__(transport=transport, base_url=ADDRESS, headers=headers, cookies=cookies)
        self.form_token = form_token(token) if token is not None else ""

    async def send_form(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form as its page would."""
        return await self.post(path, data={TOKEN_FIELD: self.form_token, **fields})

    async def send_file(self, path: str, name: str, content: bytes, **fields: str) -> httpx2.Response:
        """Send a file with its form as the page would; the path ends in `/upload`."""
        return await self.post(path, data={TOKEN_FIELD: self.form_token, **fields}, files={"file": (name, content)})
