"""What every case stands on: a data folder, a real PostgreSQL with its promises on, databases, keys, the sites."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from cardcore.ids import SiteId
from cardcore.journal import Purpose
from server.bench import rig_repository
from server.bench.bench_site import TILLS, TILLS_A_DAEMON, BenchCards, enrol_device, write_large, write_reference
from server.bench.daemon import DevicePlan
from server.bench.orders import Connect
from server.bench.processes import HOST, BenchError, LoadProcess, Serving, load_process, serving
from server.bench.serving import load_peer
from server.database import Database, migrate
from server.embedded import embedded_postgres
from server.secrets_file import ServerSecrets, load_secrets
from server.seed.card_list import SeedCard, read_card_list
from server.seed.reference_site import LANES
from server.seed.service import SeededHolder
from server.system import System, real_system

PRODUCT_DATABASE = "onecard_bench"
PGBENCH_DATABASE = "onecard_bench_pgbench"
PEER_DATABASE = "onecard_bench_peer"
CARDS_SECONDS = 60


@dataclass(slots=True)
class Rig:
    """Everything that stands during a run."""

    folder: Path
    url: str
    product_url: str
    database: Database
    system: System
    secrets: ServerSecrets
    load: LoadProcess
    cards: tuple[SeedCard, ...]
    sites: dict[str, SiteId] = field(default_factory=dict)
    """By slug."""
    holders: tuple[SeededHolder, ...] = ()
    """Of the reference site."""
    _enrolled: int = 0

    def beside(self, database: str) -> str:
        """Return the address of another database of the same server."""
        return _beside(self.url, database)

    def till_daemons(self) -> tuple[DevicePlan, ...]:
        """Enrol the daemons of all 64 tills, anew each time: a new box has a new journal."""
        self._enrolled += 1
        return tuple(
            self._till_daemon(first // TILLS_A_DAEMON, range(first + 1, first + TILLS_A_DAEMON + 1))
            for first in range(0, TILLS, TILLS_A_DAEMON)
        )

    def _till_daemon(self, index: int, numbers: range) -> DevicePlan:
        name = f"tills-{self._enrolled}-{index + 1}"
        places = tuple(f"t{number:02d}" for number in numbers)
        return enrol_device(self.database, self.system, self.secrets, "reference", name, Purpose.TILL, places)

    def gate_daemon(self, site_slug: str) -> DevicePlan:
        """Enrol a daemon for all lanes of a site."""
        lanes = tuple(str(lane.id) for lane in LANES)
        return enrol_device(self.database, self.system, self.secrets, site_slug, "gates", Purpose.GATE, lanes)

    def reference_cards(self) -> BenchCards:
        """Write the reference site."""
        site, cards = write_reference(self.database, self.system, self.cards)
        self.sites["reference"], self.holders = site.site_id, site.holders
        rig_repository.analyze(self.product_url)
        return cards

    def large_site(self, cards: int) -> BenchCards:
        """Write the large site."""
        self.sites["district"], made = write_large(self.database, self.system, cards)
        rig_repository.analyze(self.product_url)
        return made

    @contextmanager
    def product(self) -> Iterator[Serving]:
        """Run the product's server for the body."""
        arguments = {"database": self.product_url, "data": str(self.folder)}
        with serving("product", arguments, self.folder / "server.log") as server:
            yield server

    @contextmanager
    def peer(self, path: Path, cards: BenchCards) -> Iterator[Serving]:
        """Run the peer's server with the same cards for the body."""
        rig_repository.recreate_database(self.url, PEER_DATABASE)
        url = self.beside(PEER_DATABASE)
        load_peer(path).prepare(url, cards.peer)
        rig_repository.analyze(url)
        with serving("peer", {"database": url, "peer": str(path)}, self.folder / "peer.log") as server:
            yield server

    def connect(self, server: Serving, *daemons: DevicePlan) -> None:
        """Let the load process open the links of these daemons."""
        self.load.give(Connect(HOST, (server.port,), daemons))


@contextmanager
def rig(folder: Path | None, database_url: str) -> Iterator[Rig]:
    """Build the rig for the body and clear everything away; `folder` says on which disk, default the temporary one."""
    with ExitStack() as stack:
        data = Path(tempfile.mkdtemp(prefix="onecard-bench-", dir=folder))
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        url = database_url or stack.enter_context(embedded_postgres(data))
        for name in (PEER_DATABASE, PGBENCH_DATABASE):
            stack.callback(rig_repository.drop_database, url, name)
        stack.callback(rig_repository.drop_database, url, PRODUCT_DATABASE)
        rig_repository.recreate_database(url, PRODUCT_DATABASE)
        product_url = _beside(url, PRODUCT_DATABASE)
        migrate(product_url)
        database = Database(product_url)
        stack.callback(database.close)
        system = real_system()
        load = stack.enter_context(load_process(data / "load.log"))
        yield Rig(data, url, product_url, database, system, load_secrets(data, system.ids), load, _reference_list(data))


def _beside(url: str, database: str) -> str:
    parts = urlsplit(url)
    changed = urlunsplit(parts._replace(path=f"/{database}"))
    # urlunsplit drops the empty authority of a socket address: "user@" stays, nothing else may be lost
    return changed if parts.netloc else changed.replace(f"{parts.scheme}:/", f"{parts.scheme}:///", 1)


def _reference_list(folder: Path) -> tuple[SeedCard, ...]:
    """Let the mocks write the reference site's cards, as the demo does."""
    path = folder / "cards.json"
    try:
        subprocess.run(
            [sys.executable, "-m", "firmware_mocks", "cards", "--json", str(path)],
            check=True, capture_output=True, timeout=CARDS_SECONDS,
        )  # fmt: skip
    except subprocess.SubprocessError as error:
        msg = f"the reference site's cards could not be written: {error}"
        raise BenchError(msg) from error
    return tuple(read_card_list(path))
