"""What is done to a running site in the middle of lunch, by the names of the reliability sheet's list (K1-K24).

Each does its harm, lets it last, and mends it. None looks at the books: `test_chaos` does, the same way after each.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
import redis

from server.demo.processes import Child
from server.demo.site import DemoSite
from tests.private_redis import PrivateRedis
from tests.site.link_proxy import LinkProxy, Mode
from tests.site.running_site import kill_postgres, signal_postgres, unused_port
from tests.site.turns import until

HARM_SECONDS = 3.0
STALL_SECONDS = 10.0
"""K4 asks for ten."""
SMALL_FILE_BYTES = 4_096
FEW = 8
"""Every lower number is taken."""
TRIES = 3
"""More than there are daemons: somebody tried again."""
TILL_BUSES = ("till1", "till2", "till3", "till4")


@dataclass
class Ground:
    """A running site and what stands around it."""

    site: DemoSite
    proxy: LinkProxy
    redis: PrivateRedis
    difference: int = 0
    """Meals charged beyond those that were seen, so far."""


Harm = Callable[[Ground], Awaitable[None]]


def answers_to(url: str) -> bool:
    """Tell whether PostgreSQL takes a connection."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


async def held(child: Child) -> None:
    """End a process and keep it down."""
    child.hold()
    await until(lambda: child.pid is None, f"{child.name} to end")


def pid_of(site: DemoSite, name: str) -> int:
    pid = site.children[name].pid
    assert pid is not None, name
    return pid


async def server_killed(ground: Ground) -> None:
    """K1: kill -9 of the server."""
    ground.site.children["server"].kill()


async def daemon_killed(ground: Ground) -> None:
    """K2: kill -9 of the daemon behind the tills."""
    ground.site.children["canteen"].kill()


async def postgres_killed(ground: Ground) -> None:
    """K3: kill -9 of every process of PostgreSQL."""
    assert await asyncio.to_thread(kill_postgres, ground.site.folder) > 1


async def postgres_stopped(ground: Ground) -> None:
    """K4: PostgreSQL stands still for ten seconds."""
    signal_postgres(ground.site.folder, signal.SIGSTOP)
    await asyncio.sleep(STALL_SECONDS)
    signal_postgres(ground.site.folder, signal.SIGCONT)


async def backends_terminated(ground: Ground) -> None:
    """K5: PostgreSQL ends every session, again and again."""
    ended = 0
    for _ in range(12):
        ended += await asyncio.to_thread(_terminate, ground.site.embedded.url)
        await asyncio.sleep(0.25)
    assert ended > 0


def _terminate(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and usename is not null"
        )
        return len(rows.fetchall())


async def redis_emptied_stopped_and_killed(ground: Ground) -> None:
    """K6: Redis is flushed, stands still, is killed, and comes back empty."""
    await asyncio.to_thread(ground.redis.flush)
    process = ground.redis.process
    os.kill(process, signal.SIGSTOP)
    await asyncio.sleep(HARM_SECONDS)
    os.kill(process, signal.SIGCONT)
    with redis.Redis.from_url(ground.redis.url) as client:
        client.set("onecard:rubbish", b"\xff" * 100)
    os.kill(process, signal.SIGKILL)
    await asyncio.to_thread(ground.redis.stop)
    await asyncio.sleep(HARM_SECONDS)
    await asyncio.to_thread(ground.redis.start)


async def link_flaps(ground: Ground) -> None:
    """K7: the line between daemons and server comes and goes."""
    for _ in range(6):
        ground.proxy.become(Mode.CUT)
        await asyncio.sleep(0.4)
        ground.proxy.become(Mode.PASS)
        await asyncio.sleep(0.6)


async def link_dead_upwards(ground: Ground) -> None:
    """K7: nothing reaches the server, everything from it arrives."""
    ground.proxy.up.clear()
    await asyncio.sleep(HARM_SECONDS)
    ground.proxy.up.set()


async def link_dead_downwards(ground: Ground) -> None:
    """K7: the server hears everything and nobody hears it: answers that came too late must not count twice."""
    ground.proxy.down.clear()
    await asyncio.sleep(HARM_SECONDS)
    ground.proxy.down.set()


async def link_slow(ground: Ground) -> None:
    """K7: every message takes as long as a decision may."""
    for delay in (0.3, 1.0):
        ground.proxy.delay_seconds = delay
        await asyncio.sleep(HARM_SECONDS)
    ground.proxy.delay_seconds = 0.0


async def disk_full(ground: Ground) -> None:
    """K8, K9: the daemon's files cannot grow: no meal without a record."""
    canteen = ground.site.children["canteen"]
    with limited(pid_of(ground.site, "canteen"), resource.RLIMIT_FSIZE, SMALL_FILE_BYTES):
        await until(lambda: "store_failed" in canteen.tail() or canteen.pid is None, canteen.tail)
        await asyncio.sleep(HARM_SECONDS)


async def no_descriptors(ground: Ground) -> None:
    """K20: the server may open nothing more, and every daemon must come anew."""
    pid, accepted = pid_of(ground.site, "server"), ground.proxy.accepted
    with limited(pid, resource.RLIMIT_NOFILE, FEW):
        ground.proxy.become(Mode.PASS)
        await until(lambda: ground.proxy.accepted > accepted + TRIES, "daemons to try in vain")


@contextmanager
def limited(pid: int, what: int, most: int) -> Iterator[None]:
    """Hold a running process to a limit for the body; it may prefer to end."""
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, what, before)


async def servers_restarted_in_turn(ground: Ground) -> None:
    """K11: two servers on one database, each ended politely and started again while the other serves."""
    site, port = ground.site, unused_port()
    first = site.children["server"]
    second = Child(
        "server2", first.command, {**first.environment, "ONECARD_PORT": str(port)}, site.folder / "server2.log"
    )
    await second.start()
    try:
        await until(lambda: _answers(port), second.tail)
        for target, ended in ((port, first), (site.port, second)):
            ground.proxy.target = target
            restarts = ended.restarts
            os.kill(ended.pid or 0, signal.SIGTERM)
            await until(lambda ended=ended, restarts=restarts: ended.restarts > restarts, "a restart")  # type: ignore[misc]
            await until(lambda port=site.port if target == port else port: _answers(port), ended.tail)  # type: ignore[misc]
    finally:
        ground.proxy.target = site.port
        ground.proxy.become(Mode.PASS)
        await second.stop()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


async def clock_stepped(ground: Ground) -> None:
    """K10: the daemon's box starts with a clock an hour slow, then a year ahead, then right again."""
    child = ground.site.children["canteen"]
    right = child.command
    at = right.index("reader_daemon.demonstration") + 1
    for step in (-3_600, 365 * 86_400, 0):
        child.command = (*right[:at], str(int(right[at]) + step), *right[at + 1 :])
        restarts = child.restarts
        child.kill()
        await until(lambda restarts=restarts: child.restarts > restarts, "a restart")  # type: ignore[misc]
        await asyncio.sleep(HARM_SECONDS)


async def server_accepts_and_says_nothing(ground: Ground) -> None:
    """K18: something accepts connections and never answers; then a portal answers 200 with a page."""
    for mode in (Mode.SILENT, Mode.PORTAL):
        ground.proxy.become(mode)
        await asyncio.sleep(HARM_SECONDS)
    ground.proxy.become(Mode.PASS)


async def readers_unplugged(ground: Ground) -> None:
    """K21: a till's cable is pulled and put back, twice."""
    for bus in TILL_BUSES[:2]:
        await ground.site.plant.order("unplug", bus=bus, seconds=2.0)
        await asyncio.sleep(HARM_SECONDS)


async def line_noise(ground: Ground) -> None:
    """K22: one bit in a thousand is wrong on every till's line."""
    for bus in TILL_BUSES:
        await ground.site.plant.order("noise", bus=bus, rate=0.001, seconds=HARM_SECONDS * 2)
    await asyncio.sleep(HARM_SECONDS * 2)


async def identity_doubled(ground: Ground) -> None:
    """K23: a copy of the box, without readers, fights for the same identity."""
    site = ground.site
    folder = site.folder / "copy"
    folder.mkdir(exist_ok=True)
    shutil.copytree(site.folder / "canteen" / "data", folder / "data", dirs_exist_ok=True)
    text = (site.folder / "canteen" / "reader.toml").read_text()
    head = text.partition("[[")[0].replace(str(site.folder / "canteen"), str(folder))
    (folder / "reader.toml").write_text(head)
    shift = str(int(site.shift.total_seconds()))
    words = [sys.executable, "-m", "reader_daemon.demonstration", shift, "--config", str(folder / "reader.toml")]
    copy = Child("copy", words, {}, folder / "copy.log")
    accepted = ground.proxy.accepted
    await copy.start()
    try:
        await until(lambda: ground.proxy.accepted > accepted + 1, copy.tail)
        await asyncio.sleep(HARM_SECONDS)
    finally:
        await copy.stop()
        shutil.rmtree(folder)
