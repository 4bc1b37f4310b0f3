"""The command line: exit codes, and what `doctor` says of a box that is well and of one that is not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from unittest.mock import patch

import pytest

from cardcore.journal import DeviceEvent, Stamp
from reader_daemon.cli import main
from reader_daemon.doctor import examine
from reader_daemon.identity import save_identity
from reader_daemon.settings import parse_settings
from reader_daemon.store.host import host_fingerprint
from reader_daemon.store.journal_db import JournalSettings, JournalStore
from reader_daemon.store.journal_schema import JournalKeys
from reader_daemon.system import real_system
from tests.reader_daemon.fake_server import FakeServer
from tests.reader_daemon.listening import listening
from tests.reader_daemon.virtual_time import CountingIds


@pytest.fixture(autouse=True)
def _logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test process's own logging: the command would send it to a stream that ends with the test."""
    monkeypatch.setattr("reader_daemon.logs.set_up_logs", lambda _level: None)


def settings_file(directory: Path, url: str = "ws://127.0.0.1:1") -> Path:
    data = directory / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    path = directory / "reader.toml"
    path.write_text(f'[server]\nurl = "{url}"\n[data]\ndir = "{data}"\n')
    return path


def test_settings_that_are_wrong_end_with_2_and_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "reader.toml"
    path.write_text("[server]\nurl = 7\n")
    assert main(["--config", str(path), "run"]) == 2
    assert f"{path}:2: server.url: must be text" in capsys.readouterr().err


def test_a_box_without_identity_is_told_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(settings_file(tmp_path)), "run"]) == 1
    assert "onecard-reader enrol" in capsys.readouterr().err


def test_enrolling_at_a_server_that_is_not_there_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(settings_file(tmp_path)), "enrol", "CODE"]) == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_doctor_names_every_trouble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = settings_file(tmp_path)
    (tmp_path / "data").chmod(0o755)
    with path.open("a") as file:
        file.write('[[osdp_bus]]\nname = "b"\npath = "/dev/none"\n')
        file.write('[[osdp_bus.reader]]\nname = "g01"\naddress = 0\nkey_file = "/none"\n')
    assert main(["--config", str(path), "doctor"]) == 1
    said = capsys.readouterr().out.splitlines()
    bad = [line.removeprefix("BAD ").split(":")[0] for line in said if line.startswith("BAD ")]
    assert bad == ["data directory", "identity", "server", "key of g01", "port b"]


async def test_doctor_takes_a_server_of_several_sites_and_refuses_that_of_another(tmp_path: Path) -> None:
    system = real_system()
    server = FakeServer(system.clock)
    async with listening(server) as url:
        settings = parse_settings(settings_file(tmp_path, url).read_text(), "reader.toml", {})
        save_identity(settings.data_dir, server.identity)
        verdicts = {}
        for site in ("", server.identity.site, "another"):
            server.challenge_site = site
            findings = await asyncio.to_thread(lambda: list(examine(settings, system)))
            verdicts[site] = next(finding.good for finding in findings if finding.check == "server")
        assert verdicts == {"": True, server.identity.site: True, "another": False}


def test_a_missing_pcsc_library_is_one_line_that_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = settings_file(tmp_path)
    with path.open("a") as file:
        file.write('[[pcsc_reader]]\nname = "t01"\nmatch = "S0123456"\n')
    save_identity(tmp_path / "data", FakeServer(real_system().clock).identity)
    with patch.dict("sys.modules", {"smartcard": None}):
        assert main(["--config", str(path), "run"]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("{")]
    assert len(said) == 1
    assert "apt-get install pcscd" in said[0]
    assert "pip install pyscard" in said[0]


async def test_doctor_finds_a_box_well_and_then_a_journal_that_was_touched(tmp_path: Path) -> None:
    system = real_system()
    server = FakeServer(system.clock)
    async with listening(server) as url:
        text = settings_file(tmp_path, url).read_text()
        settings = parse_settings(text, "reader.toml", {})
        save_identity(settings.data_dir, server.identity)
        keys = JournalKeys(server.identity.device_id, server.identity.record_key)
        journal = JournalStore(
            JournalSettings(settings.data_dir / "journal.db", keys, host_fingerprint(settings.data_dir)),
            CountingIds(),
            microseconds=lambda: 0,
        )
        journal.open(1)
        journal.append(DeviceEvent("noted", "", "", Stamp(1, 1, "b")))
        found = {finding.check: finding for finding in await asyncio.to_thread(lambda: list(examine(settings, system)))}
        assert all(finding.good for finding in found.values()), found
        assert "1 records wait" in found["journal"].detail
        journal._live().execute("UPDATE record SET body = x'7b7d'")
        journal.close()
        found = {finding.check: finding for finding in await asyncio.to_thread(lambda: list(examine(settings, system)))}
        assert [name for name, finding in found.items() if not finding.good] == ["journal"]
