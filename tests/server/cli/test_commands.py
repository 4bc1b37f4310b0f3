"""The command line on real databases: a site, staff, a device; and the doctor, well and ill."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import psycopg
import pytest

from cardcore.access.items import SiteItem
from server.cli import NOT_WELL, USED_WRONGLY, main
from server.cli.repository import sites
from server.database import Database
from server.policy import service as policy
from tests.private_redis import PrivateRedis


@pytest.fixture
def home(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a machine whose settings point at a fresh database."""
    monkeypatch.setenv("ONECARD_DATABASE_URL", postgres_url)
    monkeypatch.setenv("ONECARD_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    assert main(["seed", "site", "test", "--name-en", "Test", "--name-zh", "测试"]) == 0
    return tmp_path


def doctor(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, dict[str, str]]]:
    capsys.readouterr()
    code = main(["doctor", "--json", *options])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    worst: dict[str, dict[str, str]] = {}
    for line in lines:
        if line["check"] not in worst or line["level"] == "trouble":
            worst[line["check"]] = line
    return code, worst


def test_the_doctor_of_a_healthy_site_finds_no_trouble(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(_url(), autocommit=True) as connection:
        connection.execute("delete from outbox")
    code, found = doctor(capsys)
    troubles = {check for check, line in found.items() if line["level"] == "trouble"}
    assert troubles == {"durability"}  # the test database has fsync off
    assert code == NOT_WELL
    assert {"invariant", "policy", "schema", "append_only", "clock"} <= found.keys()


def test_the_doctor_names_a_database_that_is_down(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_DATABASE_URL", "postgresql://nobody:hidden@127.0.0.1:1/none")
    code, found = doctor(capsys)
    assert code == NOT_WELL
    assert found["database"]["level"] == "trouble"
    assert "ONECARD_DATABASE_URL" in found["database"]["do"]
    assert "hidden" not in json.dumps(found)


def test_the_doctor_names_an_embedded_database_that_does_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("ONECARD_DATABASE_URL", raising=False)
    code, found = doctor(capsys)
    assert (code, found["database"]["level"]) == (NOT_WELL, "trouble")
    assert list(tmp_path.iterdir()) == []  # it looked and started nothing


def test_the_doctor_names_redis(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    private_redis: PrivateRedis,
    redis_url: str,
) -> None:
    monkeypatch.setenv("ONECARD_REDIS_URL", redis_url)
    assert doctor(capsys)[1]["redis"]["level"] == "fine"
    private_redis.stop()
    try:
        code, found = doctor(capsys)
    finally:
        private_redis.start()
    assert (code, found["redis"]["level"]) == (NOT_WELL, "trouble")


def test_the_doctor_names_settings_keys_rights_and_books(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_DATABSE_URL", "x")
    (home / "data" / "server.key").write_bytes(bytes(32))
    with psycopg.connect(_url(), autocommit=True) as connection:
        connection.execute("grant update on audit to onecard_app")
        connection.execute(MONEY_FROM_NOWHERE)
    code, found = doctor(capsys)
    assert code == NOT_WELL
    troubles = {check for check, line in found.items() if line["level"] == "trouble"}
    assert {"settings", "secrets", "append_only", "invariant"} <= troubles
    assert "i02_balances_equal_postings: 1 wrong" in found["invariant"]["detail"]
    assert "did you mean ONECARD_DATABASE_URL" in found["settings"]["detail"]
    assert "audit" in found["append_only"]["detail"]


def test_the_doctor_speaks_chinese(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    main(["doctor", "--language", "zh-CN"])
    assert "数据库结构" in capsys.readouterr().out


def test_a_silent_device_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(_url(), autocommit=True) as connection:
        connection.execute(
            "insert into device (id, site_id, name, purposes, public_key, record_key_sealed, enrolled_at)"
            " select gen_random_uuid(), id, 'gate-north', '{gate}', sha256('key'), 'x', now() from site"
        )
    found = doctor(capsys)[1]
    assert found["device"]["level"] == "trouble"
    assert "gate-north: never connected" in found["device"]["detail"]
    assert main(["device", "list"]) == 0
    assert "gate-north" in capsys.readouterr().out
    assert main(["device", "revoke", "gate-north"]) == 0
    assert "device" not in doctor(capsys)[1]


def test_staff_from_the_command_line(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery staple\n"))
    assert main(["user", "add", "li.wei", "--role", "auditor", "--password-stdin"]) == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert main(["user", "add", "other", "--role", "auditor", "--password-stdin"]) == 1
    assert "at least 15 characters" in capsys.readouterr().err
    assert main(["user", "disable", "li.wei"]) == 0
    main(["user", "list"])
    assert capsys.readouterr().out.split()[:3] == ["li.wei", "disabled", "auditor"]
    assert main(["user", "disable", "nobody"]) == 1


def test_a_code_for_a_device(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["device", "code", "gate-north", "--purpose", "gate"]) == 0
    said = capsys.readouterr()
    assert len(said.out.strip()) == 23
    assert said.out.strip() in said.err
    assert main(["device", "code", "Gate North", "--purpose", "gate"]) == 1
    assert main(["device", "code", "gate-south"]) == 1


def test_migrating_publishes_what_an_older_version_wrote_otherwise(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Database(_url())
    ((site, _),) = database.read(sites)
    database.write(lambda session: policy.publish(session, site, [SiteItem(offline_limit_hours=71)]))
    database.close()
    assert doctor(capsys)[1]["policy"]["level"] == "trouble"
    assert main(["migrate"]) == 0
    assert doctor(capsys)[1]["policy"]["level"] != "trouble"


def test_n5_the_worst_loss_of_tills_alone_is_printed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(_url(), autocommit=True) as connection:
        connection.execute("insert into stall select id, 'main', 'Main', '主食堂' from site")
        connection.execute(
            "insert into till (site_id, id, name_en, name_zh, reader, stall_id, offline_tap_cap_fen, offline_card_cap,"
            " offline_count_cap, offline_sum_cap_fen)"
            " select id, 't' || n, 'Till', '机', 't' || n, 'main', 1500, 2, 100, 200000 * n"
            " from site, generate_series(1, 2) n"
        )
    capsys.readouterr()
    assert main(["device", "bound", "--lost-cards", "3"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert lines == [
        ["t1", "main", "90.00", "1500.00"],
        ["t2", "main", "90.00", "1500.00"],
        ["all", "180.00", "3000.00"],
    ]
    assert main(["device", "bound", "--lost-cards", "-1"]) == USED_WRONGLY


def test_wrong_settings_are_explained_line_by_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONECARD_PORT", "many")
    monkeypatch.setenv("ONECARD_LOG_LEVEL", "loud")
    assert main(["migrate"]) == USED_WRONGLY
    assert len(capsys.readouterr().err.splitlines()) == 2


MONEY_FROM_NOWHERE = """
    with place as (select id from site),
    kind as (insert into category select id, 'staff', 'Staff', '职工' from place returning site_id),
    someone as (insert into person (id, site_id, number, name, category_id, created_at)
        select gen_random_uuid(), site_id, '1', 'Li', 'staff', now() from kind returning id, site_id),
    opened as (insert into account (id, site_id, person_id, opened_at)
        select gen_random_uuid(), site_id, id, now() from someone returning id, site_id),
    book as (insert into ledger_account (id, site_id, role, name)
        select gen_random_uuid(), site_id, 'purse', 'x' from opened returning id, site_id)
    insert into purse (id, site_id, account_id, kind, balance_fen)
        select book.id, book.site_id, opened.id, 'cash', 500 from book, opened
"""


def _url() -> str:
    return os.environ["ONECARD_DATABASE_URL"]
