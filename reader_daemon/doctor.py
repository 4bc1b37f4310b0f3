"""`onecard-reader doctor`: looks at settings, keys, journal, server and ports, and says of each what is wrong.

It changes nothing, and it must not run the readers: a daemon may be using them. Every check ends within seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cardcore.clock import to_millis
from cardcore.wire.codec import decode_for_daemon
from cardcore.wire.messages import Challenge
from reader_daemon.identity import Identity, IdentityError, load_identity
from reader_daemon.ports import read_key
from reader_daemon.settings import Settings, SettingsError
from reader_daemon.store.inspection import inspect_journal
from reader_daemon.store.journal_schema import JournalDamagedError, JournalKeys
from reader_daemon.store.sqlite_file import StoreFault
from reader_daemon.store.witness_db import FILE_NAME, WitnessStore
from reader_daemon.system import System
from reader_daemon.uplink.connection import LinkClosedError
from reader_daemon.uplink.websocket import WebSocketConnector

ANSWER_SECONDS = 5.0
WORRYING_SKEW_MS = 2_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `advice` is empty when all is well."""

    check: str
    good: bool
    detail: str


def examine(settings: Settings, system: System) -> Iterator[Finding]:
    """Run every check, one after the other."""
    yield Finding("settings", good=True, detail="readable")
    yield _checked("data directory", lambda: _directory(settings.data_dir))
    identity: Identity | None = None
    try:
        identity = load_identity(settings.data_dir)
        yield Finding("identity", good=True, detail=f"{identity.name} ({identity.device})")
    except IdentityError as error:
        yield Finding("identity", good=False, detail=str(error))
    if identity is not None:
        known = identity
        yield _checked("journal", lambda: _journal(settings.data_dir / "journal.db", known))
    yield _audit(settings.data_dir)
    yield asyncio.run(_server(settings, system, identity))
    for bus in settings.buses:
        for reader in bus.readers:
            if reader.key_file is not None:
                key_file = reader.key_file
                yield _checked(f"key of {reader.name}", lambda key_file=key_file: _key(key_file))  # type: ignore[misc]
        yield _port(bus.name, bus.path)
    for scanner in settings.scanners:
        yield _port(scanner.name, scanner.path)


def _checked(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check, good=True, detail=look())
    except (OSError, JournalDamagedError, SettingsError) as error:
        return Finding(check, good=False, detail=str(error))


def _directory(path: Path) -> str:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        msg = f"{path} is open to others (mode {mode:o}); run: chmod 700 {path}"
        raise OSError(msg)
    return str(path)


def _key(path: Path) -> str:
    read_key(path)
    return "readable by its owner only"


def _journal(path: Path, identity: Identity) -> str:
    found = inspect_journal(path, JournalKeys(identity.device_id, identity.record_key))
    return f"verifies; {found.epochs} epoch(s), {found.pending} records wait for the server"


def _audit(directory: Path) -> Finding:
    held = WitnessStore(directory).load()
    if isinstance(held, StoreFault):
        return Finding("audit log", good=False, detail=f"{FILE_NAME} cannot be read: {held.detail}")
    if held.refused:
        kinds = ", ".join(sorted({why for _, why in held.refused}))
        detail = f"{len(held.refused)} checkpoints of the server were refused ({kinds}); tell the auditor"
        return Finding("audit log", good=False, detail=detail)
    rows = held.seen.split("\n")[1] if held.seen else "no"
    restores = f"; {held.restored} restores signed by two officers" if held.restored else ""
    return Finding("audit log", good=True, detail=f"{rows} rows witnessed{restores}")


async def _server(settings: Settings, system: System, identity: Identity | None) -> Finding:
    try:
        connection = await WebSocketConnector(settings.server_url, settings.ca_file).connect()
    except LinkClosedError as error:
        return Finding("server", good=False, detail=f"{settings.server_url}: {error}")
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            challenge = decode_for_daemon(await connection.receive())
    except (LinkClosedError, TimeoutError):
        return Finding("server", good=False, detail=f"{settings.server_url} takes connections and does not answer")
    finally:
        await connection.close()
    if not isinstance(challenge, Challenge):
        return Finding("server", good=False, detail=f"{settings.server_url} is no Onecard server")
    if identity is not None and challenge.site not in {"", identity.site}:
        return Finding("server", good=False, detail=f"it is site {challenge.site}, this device is of {identity.site}")
    skew_ms = challenge.server_time_ms - to_millis(system.clock.now())
    good = abs(skew_ms) <= WORRYING_SKEW_MS
    return Finding("server", good=good, detail=f"answers; its clock is {skew_ms} ms ahead of ours")


def _port(name: str, path: str) -> Finding:
    device = Path(path)
    if not device.exists():
        return Finding(f"port {name}", good=False, detail=f"{path} is not there; see: onecard-reader readers")
    try:
        with device.open("rb", buffering=0):
            pass
    except PermissionError:
        return Finding(f"port {name}", good=False, detail=f"{path}: no permission; add this user to group dialout")
    except OSError as error:
        return Finding(f"port {name}", good=False, detail=f"{path}: {error}")
    return Finding(f"port {name}", good=True, detail=path)
