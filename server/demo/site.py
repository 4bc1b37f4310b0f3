"""The demo's site: its folder, database, devices and processes. Prepares everything a person would type by hand."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from cardcore.clock import to_millis
from cardcore.ids import DeviceId, LaneId, SiteId, TillId
from cardcore.journal import Purpose
from cardcore.wire.messages import Health
from server.access import service as access
from server.canteen.charging import TillCharging, set_till_charging
from server.cards import service as cards
from server.database import Database, WriteSession, migrate
from server.demo.daemon_settings import daemon_settings
from server.demo.logins import make_logins
from server.demo.plant_client import PlantClient
from server.demo.processes import Child
from server.demo.shifted import LUNCH_START, shifted_system
from server.demo.story import IN_LANES, OUT_LANES, TILLS
from server.demo.tally import Tally
from server.devices import repository as device_rows
from server.devices import service as devices
from server.devices.models import EnrolmentCode
from server.embedded import EmbeddedSupervisor
from server.policy.service import current_version
from server.seed.card_list import read_card_list
from server.seed.service import SeededHolder, SeededSite, seed_reference_site

MARKER = ".onecard-demo"
"""Says that a folder was made by the demo and may be emptied by it."""
FIRST_PORT = 8080
PORTS_TRIED = 50
PASSWORD_BYTES = 10
READY_SECONDS = 60.0
DAEMONS = {
    "gatehouse": (Purpose.GATE, (*IN_LANES, *OUT_LANES, "r01", "v01")),
    "canteen": (Purpose.TILL, TILLS),
}
"""Daemon by name: what it is for and which readers stand behind it."""


class DemoError(RuntimeError):
    """The demo cannot go on; says what to do."""


@dataclass
class DemoSite:
    """A running demo site."""

    folder: Path
    seed: int
    shift: timedelta
    say: Callable[[str], None]
    tally: Tally = field(default_factory=Tally)
    children: dict[str, Child] = field(default_factory=dict)
    port: int = 0
    """Of the pages; 0 = the first free one."""
    link_port: int = 0
    """Where the daemons look for the server, if something stands between them; 0 = its own port."""
    password: str = ""
    site: SeededSite | None = None
    devices: dict[str, DeviceId] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set up what needs no process."""
        self.system = shifted_system(self.shift)
        self.embedded = EmbeddedSupervisor(self.folder)
        self.plant = PlantClient(self.folder / "plant.sock", self.tally.happened)

    @property
    def site_id(self) -> SiteId:
        """The seeded site."""
        if self.site is None:
            msg = "the site was not seeded yet"
            raise DemoError(msg)
        return self.site.site_id

    @property
    def url(self) -> str:
        """Where the pages are."""
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        """Bring everything up, from an empty folder to readers that answer."""
        self.say("starting PostgreSQL in the demo's own folder")
        address = await asyncio.to_thread(self.embedded.start)
        await asyncio.to_thread(migrate, address)
        self.database = Database(address)
        self.say("seeding the reference site")
        await self._tool("firmware_mocks", "cards", "--json", str(self.folder / "cards.json"))
        await self._tool(
            "firmware_mocks", "plant-file", "--state-dir", str(self.folder / "plant"),
            "--control", str(self.folder / "plant.sock"), "--out", str(self.folder / "plant.json"),
        )  # fmt: skip
        await asyncio.to_thread(self._seed)
        self.port = self.port or free_port()
        self.say("starting the server, the devices and two reader daemons")
        await self._child("plant", ["-m", "firmware_mocks", "plant", str(self.folder / "plant.json")], {})
        await self._child(
            "server",
            ["-m", "server.demo.serve", str(int(self.shift.total_seconds()))],
            {
                "ONECARD_DATABASE_URL": address,
                "ONECARD_DATA_DIR": str(self.folder),
                "ONECARD_PORT": str(self.port),
                "ONECARD_HOST": "127.0.0.1",
                "ONECARD_LOG_FORMAT": "json",
            },
        )
        await self.plant.connect()
        await self._until(self._server_answers, "the server to answer")
        for name in DAEMONS:
            await self._start_daemon(name)
        await self._until(self._all_ready, "every reader to be online and every daemon to have its card list")

    async def stop(self) -> None:
        """End every process and the database."""
        await self.plant.close()
        for child in reversed(tuple(self.children.values())):
            await child.stop()
        if hasattr(self, "database"):
            self.database.close()
        await asyncio.to_thread(self.embedded.stop)

    async def lose_card(self, holder: SeededHolder) -> None:
        """Report a card lost, as an administrator would."""

        def call(session: WriteSession) -> None:
            cards.report_lost(session, self.system, self.site_id, holder.card, "demo", "lost on the way to work")

        await asyncio.to_thread(self.database.write, call)

    async def charge_by(self, till: str, mode: str) -> None:
        """Set a till to a mode, as a manager would, and wait until its daemon has that policy."""

        def call(session: WriteSession) -> int:
            charging = TillCharging(mode=mode)
            problem = set_till_charging(session, self.system, self.site_id, TillId(till), charging, "demo")
            if problem is not None:
                raise DemoError(problem)
            return current_version(session, self.site_id)

        version = await asyncio.to_thread(self.database.write, call)
        await self._until(lambda: self._knows("canteen", version), "the canteen's daemon to hear of it")

    async def heard(self, name: str) -> None:
        """Wait until a daemon decides by the newest policy."""
        version = await asyncio.to_thread(self.database.read, lambda session: current_version(session, self.site_id))
        await self._until(lambda: self._knows(name, version), f"{name} to hear of it")

    async def server_outage(self, seconds: float) -> None:
        """Kill the server and keep it away."""
        server = self.children["server"]
        server.hold()
        await asyncio.sleep(seconds)
        server.release()
        await self._until(self._server_answers, "the server to come back")

    async def drained(self) -> None:
        """Wait until every daemon is connected and the server has all its records."""
        since_ms = to_millis(self.system.clock.now())
        await self._until(lambda: self._all_drained(since_ms), "the daemons to hand in their records")

    def seconds_until_lunch(self) -> float:
        """Return how long it is until the seeded lunch period begins; negative when it has."""
        return (LUNCH_START - self.system.clock.now()).total_seconds()

    def healths(self) -> dict[str, Health | None]:
        """Return the last health report of each daemon."""
        rows = self.database.read(lambda session: device_rows.statuses(session, self.site_id, self.system.clock.now()))
        return {row.name: _health(row.health) if row.is_connected else None for row in rows}

    def _knows(self, name: str, version: int) -> bool:
        rows = self.database.read(lambda session: device_rows.statuses(session, self.site_id, self.system.clock.now()))
        return any(row.name == name and row.policy_version >= version for row in rows)

    # --- steps ---------------------------------------------------------------------------------------------

    def _seed(self) -> None:
        self.site = seed_reference_site(
            self.database, self.system, read_card_list(self.folder / "cards.json"), seed=self.seed
        )
        self.password = base64.b32encode(self.system.ids.random_bytes(PASSWORD_BYTES)).decode().lower()
        self.database.write(lambda session: make_logins(session, self.system, self.site_id, self.password))

    async def _start_daemon(self, name: str) -> None:
        purpose, readers = DAEMONS[name]
        folder = self.folder / name
        folder.mkdir()
        settings = folder / "reader.toml"
        settings.write_text(daemon_settings(self.folder, name, self.link_port or self.port, readers))
        code = await asyncio.to_thread(self._code, name, purpose)
        await self._tool("reader_daemon", "--config", str(settings), "enrol", code)
        await asyncio.to_thread(self._assign, name, purpose, readers)
        shift = str(int(self.shift.total_seconds()))
        await self._child(name, ["-m", "reader_daemon.demonstration", shift, "--config", str(settings)], {})

    def _code(self, name: str, purpose: Purpose) -> str:
        made = self.database.write(
            lambda session: devices.make_code(session, self.system, "", name, frozenset({purpose}), "demo")
        )
        if not isinstance(made, EnrolmentCode):
            msg = f"no enrolment code for {name}: {made}"
            raise DemoError(msg)
        return made.code

    def _assign(self, name: str, purpose: Purpose, readers: tuple[str, ...]) -> None:
        rows = self.database.read(lambda session: device_rows.statuses(session, self.site_id, self.system.clock.now()))
        self.devices[name] = next(row.id for row in rows if row.name == name)
        is_gate = purpose is Purpose.GATE
        places = (
            [LaneId(reader) for reader in readers] if is_gate else [],
            [] if is_gate else [TillId(reader) for reader in readers],
        )
        self.database.write(
            lambda session: access.assign_device(session, self.system, self.site_id, self.devices[name], places, "demo")
        )

    async def _child(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        child = Child(name, [sys.executable, *arguments], environment, self.folder / f"{name}.log")
        self.children[name] = child
        await child.start()

    async def _tool(self, module: str, *arguments: str) -> None:
        """Run a program to its end. Raises DemoError with what it said."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode != 0:
            msg = f"{module} {' '.join(arguments)} failed:\n{said.decode(errors='replace')[-2000:]}"
            raise DemoError(msg)

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + READY_SECONDS
        while not await asyncio.to_thread(holds):
            for child in self.children.values():
                child.check()
            if loop.time() > ends_at:
                tails = "\n".join(f"--- {child.name}\n{child.tail()}" for child in self.children.values())
                msg = f"waited {READY_SECONDS:.0f} s for {what}; the logs are in {self.folder}\n{tails}"
                raise DemoError(msg)
            await asyncio.sleep(0.2)

    def _server_answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def _all_ready(self) -> bool:
        healths = self.healths()
        expected = {reader for _, readers in DAEMONS.values() for reader in readers}
        online = {
            reader.name
            for health in healths.values()
            if health is not None and health.policy_version > 0
            for reader in health.readers
            if reader.online
        }
        return expected <= online

    def _all_drained(self, since_ms: int) -> bool:
        """Believe only reports made after `since_ms`: an older one may be from before an outage."""
        healths = self.healths()
        return len(healths) == len(DAEMONS) and all(
            health is not None and health.at_ms > since_ms and health.pending == 0 for health in healths.values()
        )


def empty_folder(folder: Path) -> None:
    """Make the demo's folder, or empty one that a demo made before. Raises DemoError for anybody else's."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            msg = f"{folder} holds something that no demo made; choose another folder with --data"
            raise DemoError(msg)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(f"{os.getpid()}\n")


def free_port() -> int:
    """Return the first free port from `FIRST_PORT` on."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    msg = f"no free port from {FIRST_PORT} to {FIRST_PORT + PORTS_TRIED - 1}"
    raise DemoError(msg)


def _health(document: dict[str, object]) -> Health | None:
    try:
        return msgspec.convert(document, Health)
    except msgspec.ValidationError:
        return None
