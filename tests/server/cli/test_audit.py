"""The audit commands on a real database: export, verify offline, a doctor that sees tampering, restore statements."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from cardcore.checkpoint import Checkpoint, origin_of, read_restore
from cardcore.merkle import leaf_hash
from server.audit.sealer import seal
from server.cli import NOT_WELL, USED_WRONGLY, main
from server.database import Database
from server.secrets_file import load_secrets
from server.system import real_system


@pytest.fixture
def home(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a machine's data folder, with a site in the database and its audit log sealed."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("ONECARD_DATABASE_URL", postgres_url)
    monkeypatch.setenv("ONECARD_DATA_DIR", str(data))
    assert main(["seed", "site", "test", "--name-en", "Test", "--name-zh", "测试"]) == 0
    seal_all(postgres_url, data)
    return data


def seal_all(url: str, data: Path) -> None:
    system = real_system()
    key = load_secrets(data, system.ids).identity
    database = Database(url)
    database.write(lambda session: seal(session, system, key, "g1"))
    database.close()


def doctor_on_audit(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    capsys.readouterr()
    main(["doctor", "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(line["level"], line["detail"]) for line in lines if line["check"] == "audit"]


def exported(home: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    file = home.parent / "audit.jsonl"
    assert main(["audit", "export", str(file)]) == 0
    capsys.readouterr()
    assert main(["audit", "key"]) == 0
    return file, capsys.readouterr().out.strip()


def test_an_export_is_proven_offline(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, key = exported(home, capsys)
    monkeypatch.setenv("ONECARD_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("ONECARD_DATA_DIR", str(home / "elsewhere"))
    assert main(["verify-audit", str(file), "--key", key]) == 0
    assert "proven: the first" in capsys.readouterr().out
    assert main(["verify-audit", str(file), "--key", key, "--quorum", "1"]) == NOT_WELL
    file.write_bytes(file.read_bytes().replace(b"site_created", b"site_destroyed"))
    assert main(["verify-audit", str(file), "--key", key]) == NOT_WELL
    assert "DIFFERENCE" in capsys.readouterr().out
    assert main(["verify-audit", str(home / "none"), "--key", key]) == USED_WRONGLY


def test_a_superuser_who_edits_a_row_is_seen_by_the_doctor_and_the_export(
    home: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {level for level, _ in doctor_on_audit(capsys)} == {"fine", "note"}
    with psycopg.connect(postgres_url) as owner:
        owner.execute("alter table audit disable trigger append_only")
        owner.execute("update audit set actor = 'somebody else'")
    assert ("trouble", "1 rows are not what was sealed: 0") in doctor_on_audit(capsys)
    file, key = exported(home, capsys)
    assert main(["verify-audit", str(file), "--key", key]) == NOT_WELL


def test_the_doctor_names_rows_that_nobody_seals(
    home: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(postgres_url) as owner:
        owner.execute(
            "insert into audit (id, actor, action, object, at)"
            " values (gen_random_uuid(), 'x', 'y', 'z', now() - interval '2 minutes')"
        )
    assert ("trouble", "1 rows wait for their seal") in doctor_on_audit(capsys)


def test_two_officers_sign_a_restore_statement(
    home: Path, postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = load_secrets(home, real_system().ids)
    seen, statement = tmp_path / "seen", tmp_path / "statement"
    origin = origin_of(secrets.identity_public)
    before = Checkpoint(origin, 9, leaf_hash(b"before"), "g0", 1)
    seen.write_text(before.signed(secrets.identity))
    words = ["audit", "restore-statement", str(statement), "--witness", str(seen), "--reason", "disk lost"]
    assert main(words) == 0
    officers = {}
    for name in ("li.wei", "wang.fang"):
        key = tmp_path / f"{name}.key"
        capsys.readouterr()
        assert main(["audit", "officer-key", str(key)]) == 0
        officers[name] = bytes.fromhex(capsys.readouterr().out.strip())
        assert read_restore(statement.read_text(), officers) is None
        assert main(["audit", "sign", str(statement), "--name", name, "--key", str(key)]) == 0
    found = read_restore(statement.read_text(), officers)
    assert found is not None
    assert (found.old, found.new[0], found.reason) == (before.tree, 1, "disk lost")
    assert main(["audit", "publish", str(statement)]) == 0
    with psycopg.connect(postgres_url) as connection:
        (note,) = connection.execute("select note from audit_restore").fetchone() or ("",)
    assert note == statement.read_text()


def test_a_log_that_is_not_shorter_needs_no_statement(home: Path, tmp_path: Path) -> None:
    secrets = load_secrets(home, real_system().ids)
    seen = tmp_path / "seen"
    seen.write_text(Checkpoint("onecard/audit/else", 0, leaf_hash(b""), "g0", 1).signed(secrets.identity))
    words = ["audit", "restore-statement", str(tmp_path / "s"), "--witness", str(seen), "--reason", "why"]
    assert main(words) == NOT_WELL
