"""The doctor's checks of what keeps data alive: backups, the archive of the log, a restore under way, certificates.

Each looks at one thing and returns findings. Nothing is changed and nothing is started.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cryptography import x509

from cardcore.ids import SiteId
from server.backup import manifest, service
from server.backup.programs import BackupError
from server.cli import repository
from server.cli.findings import Finding, Level
from server.database import ReadSession
from server.devices.models import DeviceStatus
from server.settings import Settings
from server.system import System

BACKUP_LATE = timedelta(hours=26)
"""A nightly backup, and two hours for it to run."""
TRIAL_LATE = timedelta(days=8)
CERTIFICATE_SOON = timedelta(days=30)
CERTIFICATE_NOW = timedelta(days=7)
CASE_OLD = timedelta(days=3)
LEAST_FREE_BYTES = 1024**3
MOST_CLOCK_SKEW_MS = 2_000


def check_backup(settings: Settings, system: System) -> Iterator[Finding]:
    """Look how old the newest backup is, and how old the newest that was restored on trial."""
    now, found = system.clock.now(), manifest.listed(settings.backups)
    if not found:
        level = Level.NOTE if settings.database_url else Level.TROUBLE
        yield Finding("backup", level, f"there is none in {settings.backups}")
        return
    try:
        newest = manifest.read(found[-1])
    except BackupError as error:
        yield Finding("backup", Level.TROUBLE, str(error))
        return
    age = now - newest.made_at
    yield Finding("backup", Level.TROUBLE if age > BACKUP_LATE else Level.FINE, f"{newest.name}, {_told(age)} old")
    tried = [trial for folder in found if (trial := manifest.verified(folder)) is not None]
    good = [trial.at for trial in tried if not trial.problems]
    bad = [problem for trial in tried for problem in trial.problems]
    late = not good or now - max(good) > TRIAL_LATE
    detail = f"last good trial {_told(now - max(good))} ago" if good else "none was restored on trial"
    level = Level.TROUBLE if bad else Level.NOTE if late else Level.FINE
    yield Finding("backup_trial", level, "; ".join([detail, *bad[: repository.MAX_SHOWN]]))
    free = shutil.disk_usage(settings.backups).free
    if free < max(LEAST_FREE_BYTES, newest.size_bytes):
        yield Finding("backup_room", Level.TROUBLE, f"{settings.backups}, {free // 1024**2} MiB free")


def check_archive(session: ReadSession) -> Finding:
    """Look whether the log is archived, where it should be; an archive that fails fills the database's disk."""
    facts = repository.archive_facts(session)
    if facts["mode"] == "off":
        return Finding("log_archive", Level.FINE, "none configured")
    failed, done = facts["last_failed_time"], facts["last_archived_time"]
    failing = failed is not None and (done is None or failed > done)
    detail = f"last piece {facts['last_archived_wal'] or 'none yet'}"
    if failing:
        detail = f"failing at {facts['last_failed_wal']}, {facts['failed_count']} times"
    return Finding("log_archive", Level.TROUBLE if failing else Level.FINE, detail)


def check_restore(session: ReadSession) -> Iterator[Finding]:
    """Look whether the database was restored and still waits for devices."""
    status = service.status(session)
    if status is not None:
        awaited = ", ".join(status.awaited) or "nobody"
        detail = f"of {status.backup_made_at:%Y-%m-%d %H:%M} UTC, at {status.restored_at:%Y-%m-%d %H:%M} UTC; waits for"
        yield Finding("restored", Level.TROUBLE, f"{detail} {awaited}")


def check_certificate(settings: Settings, system: System) -> Iterator[Finding]:
    """Look how long the TLS certificate is good for."""
    if settings.tls_certificate is None:
        return
    try:
        found = x509.load_pem_x509_certificates(settings.tls_certificate.read_bytes())
    except (OSError, ValueError) as error:
        yield Finding("certificate", Level.TROUBLE, f"{settings.tls_certificate}: {error}")
        return
    ends = min(certificate.not_valid_after_utc for certificate in found)
    left = ends - system.clock.now()
    level = Level.TROUBLE if left < CERTIFICATE_NOW else Level.NOTE if left < CERTIFICATE_SOON else Level.FINE
    yield Finding("certificate", level, f"{settings.tls_certificate}, until {ends:%Y-%m-%d}")


def check_ages(session: ReadSession, site: SiteId, now: datetime) -> Iterator[Finding]:
    """Look how old the oldest open case is: a case nobody looks at is no case."""
    for kind, opened_at in repository.oldest_cases(session, site):
        if now - opened_at > CASE_OLD:
            yield Finding("old_case", Level.TROUBLE, f"{kind}: {_told(now - opened_at)} old")


def check_device_clock(status: DeviceStatus) -> Iterator[Finding]:
    """Look whether a device's clock goes with the server's."""
    skew_ms = int(status.health.get("clock_skew_ms", 0))
    if status.is_connected and abs(skew_ms) > MOST_CLOCK_SKEW_MS:
        yield Finding("device_clock", Level.TROUBLE, f"{status.name}: {skew_ms / 1000:.1f} s apart")


def check_versions(statuses: Sequence[DeviceStatus]) -> Iterator[Finding]:
    """Look whether the connected devices run one version."""
    found = sorted({status.software for status in statuses if status.is_connected and status.software})
    if len(found) > 1:
        yield Finding("versions", Level.NOTE, ", ".join(found))


def _told(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{hours // 24} d {hours % 24} h" if hours >= 24 else f"{hours} h"  # noqa: PLR2004 - hours of a day
