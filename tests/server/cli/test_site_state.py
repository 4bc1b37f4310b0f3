"""`onecard presence` and `onecard lockdown`: what an operator types in the night, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cardcore.access.items import ThreatEffect
from cardcore.ids import ZoneId
from server.access import service as access
from server.access import threats
from server.access.threats import ThreatPlan
from server.cli import NOT_WELL, main
from server.cli.repository import sites
from server.database import Database, ReadSession, WriteSession
from server.system import real_system


@pytest.fixture
def say(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Return how to type a command on a machine with one site, one zone and one plan."""
    monkeypatch.setenv("ONECARD_DATABASE_URL", postgres_url)
    monkeypatch.setenv("ONECARD_DATA_DIR", str(tmp_path))
    assert main(["seed", "site", "test", "--name-en", "Test", "--name-zh", "测试"]) == 0
    database = Database(postgres_url)

    def prepare(session: WriteSession) -> None:
        system, ((site, _), *_) = real_system(), sites(ReadSession(session))
        zone = access.Zone(ZoneId("hall"), "Hall", "大厅", occupancy_limit=40)
        access.put_zones(session, system, site, [zone], "test")
        plan = ThreatPlan("drill", "Drill", "演习", (ZoneId("hall"),), effect=ThreatEffect.NORMAL, minutes=5)
        assert threats.put_plan(session, system, site, plan, "test") is None

    database.write(prepare)
    database.close()

    def typed(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(list(words))
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return typed


def test_a_plan_is_begun_listed_and_ended(say: Callable[..., tuple[int, str]]) -> None:
    assert say("lockdown", "begin", "flood", "--reason", "x") == (
        NOT_WELL, "onecard: there is no such plan: onecard lockdown list shows them\n",
    )  # fmt: skip
    assert say("lockdown", "begin", "drill", "--reason", "yearly drill") == (0, "drill: in force\n")
    code, listed = say("lockdown", "list")
    assert code == 0
    assert "drill" in listed
    assert "in force until" in listed
    assert say("lockdown", "end", "drill", "--reason", "over") == (0, "drill: ended\n")
    assert "ready" in say("lockdown", "list")[1]


def test_heads_are_counted_and_a_zone_is_reset(say: Callable[..., tuple[int, str]]) -> None:
    code, heads = say("presence", "heads")
    assert (code, "hall" in heads, "0 of 40" in heads) == (0, True, True)
    assert say("presence", "inside", "hall") == (0, "")
    assert say("presence", "reset", "moon", "--reason", "x")[0] == NOT_WELL
    assert say("presence", "reset", "hall", "--reason", "counted by hand")[0] == 0
    assert say("presence", "forgive", "9999", "--reason", "x") == (NOT_WELL, "onecard: nobody has the number 9999\n")


def test_a58_a59_a66_lanes_and_alarms_from_the_command_line(say: Callable[..., tuple[int, str]]) -> None:
    assert say("alarms", "list") == (0, "")
    nothing = "00000000-0000-0000-0000-000000000001"
    assert say("alarms", "acknowledge", nothing, "--note", "looked")[0] == NOT_WELL
    assert say("lane", "list") == (0, "")
    assert say("lane", "hold", "g01", "free", "--reason", "x") == (
        NOT_WELL, "onecard: there is no such lane: onecard lane list shows them\n",
    )  # fmt: skip
    assert say("lane", "why", "9999", "g01") == (NOT_WELL, "onecard: nobody has this number\n")
    code, odd = say("lane", "warnings")
    assert (code, "zone_without_way_in  zone:hall  lanes" in odd) == (0, True)
