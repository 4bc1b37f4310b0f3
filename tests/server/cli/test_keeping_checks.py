"""What the doctor says of backups and their trials, a restore that waits, certificates, clocks and old cases."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from cardcore.ids import DeviceId, SiteId
from cardcore.journal import Purpose
from server.backup import manifest, service
from server.backup.manifest import MANIFEST_FILE, VERIFIED_FILE, Kind, Manifest, Verified
from server.cli import keeping_checks as checks
from server.cli.findings import ADVICE, Finding, Level, as_line
from server.database import Database
from server.devices import repository as device_rows
from server.devices.models import DeviceState, DeviceStatus
from server.settings import Settings
from server.system import System
from tests.server.conftest import StillClock
from tests.server.link.link_site import make_link_site


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", backup_dir=tmp_path / "backups", database_url="")


def backup(settings: Settings, system: System, hours: int, trial: Verified | None = None) -> None:
    made_at = system.clock.now() - timedelta(hours=hours)
    folder = settings.backups / f"{made_at:%Y-%m-%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    manifest.write(folder, MANIFEST_FILE, Manifest(folder.name, Kind.BASE, made_at, "1", "0001", "18", "", (), 1, ""))
    if trial is not None:
        manifest.write(folder, VERIFIED_FILE, trial)


def found(settings: Settings, system: System) -> dict[str, Finding]:
    return {finding.check: finding for finding in checks.check_backup(settings, system)}


def test_no_backup_is_trouble_and_a_note_where_postgresql_is_your_own(settings: Settings, system: System) -> None:
    assert found(settings, system)["backup"].level is Level.TROUBLE
    own = settings.replaced(database_url="postgresql://x/y")
    assert found(own, system)["backup"].level is Level.NOTE


def test_a_backup_is_late_after_26_hours(settings: Settings, system: System) -> None:
    backup(settings, system, 27)
    assert found(settings, system)["backup"].level is Level.TROUBLE
    assert "1 d 3 h old" in found(settings, system)["backup"].detail
    backup(settings, system, 25)
    assert found(settings, system)["backup"].level is Level.FINE


def test_a_backup_that_was_not_tried_is_noted_and_one_that_failed_is_trouble(
    settings: Settings, system: System
) -> None:
    now = system.clock.now()
    backup(settings, system, 300)
    assert found(settings, system)["backup_trial"].level is Level.NOTE
    backup(settings, system, 200, Verified(now - timedelta(days=9)))
    assert found(settings, system)["backup_trial"].level is Level.NOTE
    backup(settings, system, 20, Verified(now - timedelta(hours=1)))
    assert found(settings, system)["backup_trial"].level is Level.FINE
    backup(settings, system, 2, Verified(now, ("i02: purse",)))
    assert found(settings, system)["backup_trial"].level is Level.TROUBLE
    assert "i02: purse" in found(settings, system)["backup_trial"].detail


def test_a_disk_that_is_too_full_for_the_next_backup(
    settings: Settings, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(settings, system, 1)
    assert "backup_room" not in found(settings, system)
    monkeypatch.setattr(checks, "LEAST_FREE_BYTES", 2**62)
    assert found(settings, system)["backup_room"].level is Level.TROUBLE


@pytest.mark.parametrize(
    ("days", "level"), [(40, Level.FINE), (29, Level.NOTE), (6, Level.TROUBLE), (-1, Level.TROUBLE)]
)
def test_certificates_are_named_before_they_end(settings: Settings, system: System, days: int, level: Level) -> None:
    now, key = system.clock.now(), Ed25519PrivateKey.from_private_bytes(b"c" * 32)
    name = x509.Name([])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=90)).not_valid_after(now + timedelta(days=days)).sign(key, None)
    )  # fmt: skip
    settings.data_dir.mkdir()
    path = settings.data_dir / "cert.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM))
    (finding,) = checks.check_certificate(settings.replaced(tls_certificate=path), system)
    assert finding.level is level
    assert list(checks.check_certificate(settings, system)) == []
    path.write_text("no certificate")
    (finding,) = checks.check_certificate(settings.replaced(tls_certificate=path), system)
    assert finding.level is Level.TROUBLE


def test_an_archive_is_looked_at_only_where_there_is_one(database: Database) -> None:
    assert database.read(checks.check_archive) == Finding("log_archive", Level.FINE, "none configured")


def test_a_restore_that_waits_is_trouble_by_name(database: Database, system: System, clock: StillClock) -> None:
    site = make_link_site(database, system)
    database.write(lambda session: device_rows.set_connected(session, site.box.device, clock.at, "test"))
    assert list(database.read(lambda session: list(checks.check_restore(session)))) == []
    database.write(lambda session: service.begin_restored(session, system, clock.at))
    (finding,) = database.read(lambda session: list(checks.check_restore(session)))
    assert finding.level is Level.TROUBLE
    assert finding.detail.endswith("waits for gate-1")


def test_a_case_that_waits_for_days_is_trouble(database: Database, system: System, site: SiteId) -> None:
    now = system.clock.now()
    with psycopg.connect(database.url) as connection:
        for kind, days in (("young", 1), ("old", 4)):
            connection.execute(
                "insert into finding (id, site_id, kind, subject, opened_at) values (%s, %s, %s, 'x', %s)",
                (system.ids.uuid7(), site, kind, now - timedelta(days=days)),
            )
    findings = database.read(lambda session: list(checks.check_ages(session, site, now)))
    assert [finding.detail for finding in findings] == ["old: 4 d 0 h old"]


def status(software: str = "1", skew_ms: int = 0, *, connected: bool = True) -> DeviceStatus:
    return DeviceStatus(
        id=DeviceId(UUID(int=1)), name="box", purposes=(Purpose.GATE,), state=DeviceState.ACTIVE,
        enrolled_at=StillClock().at, last_seen_at=None, is_connected=connected, policy_version=1, deny_version=1,
        software=software, problem="", health={"clock_skew_ms": skew_ms},
    )  # fmt: skip


def test_clocks_and_versions_of_connected_boxes_are_compared() -> None:
    assert list(checks.check_device_clock(status(skew_ms=1_900))) == []
    assert list(checks.check_device_clock(status(skew_ms=-90_000, connected=False))) == []
    (finding,) = checks.check_device_clock(status(skew_ms=-90_000))
    assert (finding.level, finding.detail) == (Level.TROUBLE, "box: -90.0 s apart")
    assert list(checks.check_versions([status("1"), status("1"), status("2", connected=False)])) == []
    (finding,) = checks.check_versions([status("2"), status("1")])
    assert (finding.level, finding.detail) == (Level.NOTE, "1, 2")


@pytest.mark.parametrize("check", [
    "backup", "backup_trial", "backup_room", "log_archive", "restored", "certificate", "old_case", "device_clock",
    "versions",
])  # fmt: skip
def test_each_says_what_to_do_in_both_languages(check: str) -> None:
    finding = Finding(check, Level.TROUBLE, "x")
    assert ADVICE[check].do_en in as_line(finding, "en")
    assert ADVICE[check].do_zh in as_line(finding, "zh-CN")
