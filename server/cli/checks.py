"""The doctor's checks: each looks at one thing and returns findings. Nothing is changed and nothing is started."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import redis

from cardcore.ids import SiteId
from server.cli import keeping_checks, repository
from server.cli.findings import Finding, Level
from server.database import Database, ReadSession, schema_version
from server.devices import repository as devices
from server.devices import service as device_service
from server.devices.models import DeviceStatus
from server.migrations.newest import newest_version
from server.secrets_file import SecretsFileError, ServerSecrets, check_secrets_file, load_secrets
from server.settings import Settings
from server.system import System

LEAST_FREE_BYTES = 1024**3
MOST_CLOCK_SKEW = timedelta(seconds=2)
FULL_JOURNAL_PERCENT = 80
EVENTS_LATE = timedelta(minutes=1)
REDIS_SECONDS = 2


def check_data_dir(settings: Settings) -> Finding:
    """Look for room on the disk."""
    if not settings.data_dir.exists():
        return Finding("data_dir", Level.NOTE, f"{settings.data_dir} does not exist yet")
    free = shutil.disk_usage(settings.data_dir).free
    level = Level.FINE if free >= LEAST_FREE_BYTES else Level.TROUBLE
    return Finding("data_dir", level, f"{settings.data_dir}, {free // 1024**2} MiB free")


def check_secrets(settings: Settings) -> Finding:
    """Look whether the secret file is there, private and no sample."""
    path = settings.data_dir / "server.key"
    if not path.exists():
        return Finding("secrets", Level.NOTE, f"{path} will be made at the first start")
    try:
        check_secrets_file(path)
    except SecretsFileError as error:
        return Finding("secrets", Level.TROUBLE, str(error))
    return Finding("secrets", Level.FINE, str(path))


def check_redis(settings: Settings) -> Finding:
    """Ask Redis for an answer, where one is configured."""
    if not settings.redis_url:
        return Finding("redis", Level.FINE, "none configured; one server process")
    try:
        with redis.Redis.from_url(
            settings.redis_url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS
        ) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        return Finding("redis", Level.TROUBLE, str(error))
    return Finding("redis", Level.FINE, "answers")


def check_server(session: ReadSession, system: System) -> Iterator[Finding]:
    """Look at the database's version, durability, clock, schema and rights."""
    facts = repository.server_facts(session)
    yield Finding("database", Level.FINE, f"PostgreSQL {facts['version']}")
    off = [name for name in ("fsync", "full_page_writes") if facts[name] != "on"]
    yield Finding("durability", Level.TROUBLE if off else Level.FINE, ", ".join(f"{name} is off" for name in off))
    skew = abs(facts["now"] - system.clock.now())
    yield Finding(
        "clock", Level.TROUBLE if skew > MOST_CLOCK_SKEW else Level.FINE, f"{skew.total_seconds():.1f} s apart"
    )
    version = schema_version(session)
    is_current = version == newest_version()
    detail = f"version {version or 'none'}" + ("" if is_current else f", this software needs {newest_version()}")
    yield Finding("schema", Level.FINE if is_current else Level.TROUBLE, detail)
    if is_current:
        changeable = repository.app_may_change(session)
        yield Finding("append_only", Level.TROUBLE if changeable else Level.FINE, ", ".join(changeable))


def check_server_key(database: Database, settings: Settings, system: System) -> Iterator[Finding]:
    """Try the key file on what the database holds sealed."""
    if (settings.data_dir / "server.key").exists():
        try:
            secrets: ServerSecrets = load_secrets(settings.data_dir, system.ids)
        except SecretsFileError:
            return  # told by `check_secrets`
        fits = database.read(lambda session: device_service.secrets_fit(session, secrets))
        yield Finding("server_key", Level.FINE if fits else Level.TROUBLE)


def check_site(session: ReadSession, site: SiteId, system: System, older: timedelta) -> Iterator[Finding]:
    """Look at the books, the policy, the devices and the open cases of one site."""
    now = system.clock.now()
    yield from check_invariants(session, site)
    yield from check_policy(session, site)
    statuses = devices.statuses(session, site, now)
    for status in statuses:
        yield from check_device(status)
        yield from keeping_checks.check_device_clock(status)
    yield from keeping_checks.check_versions(statuses)
    yield from keeping_checks.check_ages(session, site, now)
    waiting = repository.unconfirmed_charges(session, site, now - older)
    named = "; ".join(f"{row.device} no. {row.seq}: {row.amount_fen} fen" for row in waiting)
    yield Finding("unconfirmed", Level.TROUBLE if waiting else Level.FINE, named)
    cases = repository.open_cases(session, site)
    yield Finding("cases", Level.NOTE if cases else Level.FINE, ", ".join(f"{kind}: {cases[kind]}" for kind in cases))


def check_invariants(session: ReadSession, site: SiteId) -> Iterator[Finding]:
    """Run every function `inv_*` that the ledger has; each returns what is wrong."""
    from server.ledger import invariants

    found: dict[str, Callable[..., list[Any]]] = {
        name: call for name, call in inspect.getmembers(invariants, inspect.isfunction) if name.startswith("inv_")
    }
    for name, call in sorted(found.items()):
        wrong = call(session, site)
        named = "; ".join(str(one) for one in wrong[: repository.MAX_SHOWN])
        level = Level.TROUBLE if wrong else Level.FINE
        yield Finding(
            "invariant", level, name.removeprefix("inv_") + (f": {len(wrong)} wrong: {named}" if wrong else "")
        )


def check_policy(session: ReadSession, site: SiteId) -> Iterator[Finding]:
    """Compare what the edge is told with what the rows say."""
    from server.policy import service as policy

    wrong = policy.verify(session, site)
    detail = "; ".join(str(one) for one in wrong[: repository.MAX_SHOWN])
    yield Finding("policy", Level.TROUBLE if wrong else Level.FINE, detail)


def check_device(status: DeviceStatus) -> Iterator[Finding]:
    """Look whether a device is connected and sound, its readers online and its journal drained."""
    if not status.is_connected:
        seen = f"silent since {status.last_seen_at:%Y-%m-%d %H:%M:%S} UTC" if status.last_seen_at else "never connected"
        yield Finding("device", Level.TROUBLE, f"{status.name}: {seen}")
    elif status.problem:
        yield Finding("device", Level.TROUBLE, f"{status.name}: {status.problem}")
    else:
        yield Finding("device", Level.FINE, f"{status.name}: connected, policy {status.policy_version}")
    fill, pending = int(status.health.get("journal_fill_percent", 0)), int(status.health.get("pending", 0))
    if fill >= FULL_JOURNAL_PERCENT or (pending and not status.is_connected):
        yield Finding("journal", Level.TROUBLE, f"{status.name}: {pending} records wait, {fill} % full")
    for reader in status.health.get("readers", []):
        if status.is_connected and not reader["online"]:
            yield Finding(
                "device", Level.TROUBLE, f"{status.name}: reader {reader['name']} is offline {reader['detail']}"
            )


def check_outbox(session: ReadSession, system: System) -> Finding:
    """Look whether somebody publishes events."""
    waiting = repository.waiting_events(session, system.clock.now() - EVENTS_LATE)
    return Finding("outbox", Level.TROUBLE if waiting else Level.FINE, f"{waiting} events wait" if waiting else "")
