"""`onecard-mock` as a person or the demo starts it: files written, devices up with one line, errors in one line."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_mocks.__main__ import main
from firmware_mocks.plant.plant_file import load_plant_file

ROOT = Path(__file__).parents[2]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command in its own process; it is gone when the block ends."""
    command = [sys.executable, "-m", "firmware_mocks", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_cards_are_written(tmp_path: Path) -> None:
    assert main(["cards", "--json", str(tmp_path / "cards.json")]) == 0
    assert json.loads((tmp_path / "cards.json").read_text(encoding="utf-8"))["version"] == 1


def test_the_plant_file_is_private_and_its_keys_are_fresh(tmp_path: Path) -> None:
    keys = []
    for name in ("one.json", "two.json"):
        path = tmp_path / name
        assert main(["plant-file", "--out", str(path), "--state-dir", str(tmp_path / "s")]) == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        keys.append({each.scbk for each in load_plant_file(path).readers})
    assert keys[0].isdisjoint(keys[1])


def test_a_plant_says_when_it_is_ready_and_leaves_nothing_behind(short_tmp: Path) -> None:
    folder = short_tmp / "command-line"
    folder.mkdir()
    assert main(["plant-file", "--out", str(folder / "p.json"), "--state-dir", str(folder / "s")]) == 0
    with started("plant", str(folder / "p.json")) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        assert len(ready["ports"]) == 12
        assert all(Path(path).exists() for path in ready["ports"].values())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert not any(Path(path).is_symlink() for path in ready["ports"].values())
        assert not Path(ready["control"]).exists()


def test_a_plant_on_a_leash_ends_with_its_parent(short_tmp: Path) -> None:
    with started("till", "--state-dir", str(short_tmp / "leash"), "--until-stdin-ends") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        ready = json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(timeout=20) == 0
        assert not Path(ready["control"]).exists()


@pytest.mark.parametrize("command", ["osdp-reader", "turnstile", "till", "scanner"])
def test_a_single_device_comes_up(short_tmp: Path, command: str) -> None:
    folder = short_tmp / f"one-{command}"
    key = [] if command == "scanner" else ["--address", "3", "--scbk", "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"]
    with started(command, "--state-dir", str(folder), *key) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["ports"] == {command: str(folder / "ports" / command)}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["plant", "/nowhere/plant.json"], "/nowhere/plant.json"),
        (["till", "--state-dir", "s", "--address", "200"], "address"),
        (["till", "--state-dir", "s", "--scbk", "xyz"], "scbk"),
        (["turnstile", "--state-dir", "s", "--name", "A B"], "name"),
        (["cards", "--json", "/nowhere/cards.json"], "/nowhere/cards.json"),
    ],
)
def test_an_error_is_one_line_that_names_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert named in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["fly"], ["cards"], ["till"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
