"""`onecard keys`: a ceremony, its state, a further epoch, a restore from paper, a token; no key is ever printed."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from server.cli import NOT_WELL, main
from server.keys.key_file import open_with_passphrase, read_key_file

PASSPHRASE = "correct horse, battery, staple"


@pytest.fixture
def home(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a machine with a site, and a passphrase in a file."""
    monkeypatch.setenv("ONECARD_DATABASE_URL", postgres_url)
    monkeypatch.setenv("ONECARD_DATA_DIR", str(tmp_path))
    assert main(["seed", "site", "test", "--name-en", "Test", "--name-zh", "测试"]) == 0
    _secret(tmp_path / "passphrase", PASSPHRASE)
    return tmp_path


def _secret(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


def keys(*words: str) -> int:
    return main(["keys", *words])


def with_passphrase(home: Path, *words: str) -> int:
    return keys(*words, "--passphrase-file", str(home / "passphrase"))


def printed_shares(output: str) -> list[str]:
    return re.findall(r"--- share \d.*? ---\n(.*?)(?=---|\w+_\w+ +epoch)", output, re.DOTALL)


def test_a_ceremony_prints_shares_and_check_values_and_no_key(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert with_passphrase(home, "ceremony", "--needed", "2", "--shares", "3") == 0
    output = capsys.readouterr().out
    assert len(printed_shares(output)) == 3
    assert keys("status") == 0
    output += capsys.readouterr().out
    assert keys("export-kcv") == 0
    output += capsys.readouterr().out
    file = open_with_passphrase(read_key_file(home / "card.keys"), PASSPHRASE)
    for row in file.public.masters:
        assert output.count(row.check_value) == 3
    flat = re.sub(r"\s", "", output.lower())
    assert not [key for key in (*file.secret.masters.values(), file.file_key) if key.hex() in flat]


def test_a_second_ceremony_for_the_same_site_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert with_passphrase(home, "ceremony") == 0
    before = (home / "card.keys").read_bytes()
    assert with_passphrase(home, "ceremony") == NOT_WELL
    assert "onecard keys rotate" in capsys.readouterr().err
    assert (home / "card.keys").read_bytes() == before


def test_a_rotation_begins_an_epoch_of_one_role(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_passphrase(home, "ceremony")
    assert with_passphrase(home, "rotate", "--role", "gate_read") == 0
    capsys.readouterr()
    keys("status")
    lines = [line.split()[:4] for line in capsys.readouterr().out.splitlines() if "epoch" in line]
    assert [line for line in lines if line[2] == "2"] == [["gate_read", "epoch", "2", "newest"]]
    assert ["gate_read", "epoch", "1", "previous"] in lines


def test_shares_restore_the_keys_under_a_new_passphrase(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_passphrase(home, "ceremony", "--needed", "2", "--shares", "3")
    before = open_with_passphrase(read_key_file(home / "card.keys"), PASSPHRASE)
    shares = printed_shares(capsys.readouterr().out)
    paths = [_secret(home / f"share{number}", text) for number, text in enumerate(shares)]
    new = _secret(home / "new", "another passphrase of ours")
    one = ["restore", "--share", str(paths[2]), "--passphrase-file", str(new)]
    assert keys(*one) == NOT_WELL
    assert "2 shares are needed, 1 were given" in capsys.readouterr().err
    assert keys(*one, "--share", str(paths[0])) == 0
    after = open_with_passphrase(read_key_file(home / "card.keys"), "another passphrase of ours")
    assert after.secret == before.secret


def test_a_wrong_passphrase_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_passphrase(home, "ceremony")
    before = (home / "card.keys").read_bytes()
    wrong = _secret(home / "wrong", "another passphrase of ours")
    assert keys("rotate", "--role", "gate_read", "--passphrase-file", str(wrong)) == NOT_WELL
    assert "passphrase is wrong" in capsys.readouterr().err
    assert (home / "card.keys").read_bytes() == before


def test_every_deed_is_in_the_trail_with_check_values_only(home: Path, postgres_url: str) -> None:
    with_passphrase(home, "ceremony")
    with_passphrase(home, "rotate", "--role", "gate_read")
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute(
            "select action, after from audit where object like 'card_keys:%' order by at"
        ).fetchall()
    assert [action for action, _ in rows] == ["card_keys_made", "card_keys_rotated"]
    assert {len(value) for _, after in rows for value in after.values()} == {6}
