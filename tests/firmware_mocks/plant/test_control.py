"""The control socket answers every line, bad ones too, and bounds what a client can cost."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from firmware_mocks.plant.control import MAX_CLIENTS, PlantControl, SocketTakenError
from firmware_mocks.plant.plant import Plant
from tests.firmware_mocks.plant.running_plant import Client, connected, running, small_plant


@pytest_asyncio.fixture
async def plant(short_tmp: Path, request: pytest.FixtureRequest) -> AsyncIterator[Plant]:
    folder = short_tmp / f"p{abs(hash(request.node.name)) % 10**9}"
    async with running(small_plant(folder)) as (running_plant, _):
        yield running_plant


@pytest_asyncio.fixture
async def client(plant: Plant) -> AsyncIterator[Client]:
    async with connected(plant.file.control) as open_client:
        yield open_client


async def test_the_socket_and_ports_are_there(plant: Plant) -> None:
    assert stat.S_IMODE(plant.file.control.stat().st_mode) == 0o600
    assert sorted(each.name for each in (plant.file.state_dir / "ports").iterdir()) == ["gate1", "r01-qr", "till1"]


async def test_a_tap_is_queued_and_told(client: Client) -> None:
    await client.do("subscribe", kinds=["tap"])
    answer = await client.do("tap", reader="g01", index=3)
    assert answer["ok"]
    assert answer["queued"]
    assert (await client.event("tap"))["device"] == "g01"
    status = await client.do("status")
    assert status["readers"][0]["queued"] == 2  # the inputs as they stand, then the card
    assert status["readers"][0]["online"] is False


async def test_a_card_can_be_given_as_bits(client: Client) -> None:
    await client.do("subscribe", kinds=["tap"])
    assert (await client.do("tap", reader="t01", bits=26, card="00012340"))["ok"]
    assert (await client.event("tap"))["card"] == "00012340"


@pytest.mark.parametrize(
    ("order", "fields", "code", "named"),
    [
        ("tap", {"reader": "g09", "index": 1}, "refused", "no reader is called 'g09'"),
        ("tap", {"reader": "g01", "index": 99_999}, "bad_field", "index"),
        ("tap", {"reader": "g01", "bits": 26, "card": "zz"}, "bad_field", "card"),
        ("tap", {"reader": "g01", "bits": 26, "card": "00"}, "refused", "26 bits"),
        ("tap", {"reader": "g01", "index": 1, "colour": "red"}, "bad_field", "colour"),
        ("tap", {"reader": "t01", "index": 1, "walk_ms": 5}, "bad_field", "no turnstile"),
        ("tap", {"index": 1}, "bad_field", "reader is missing"),
        ("keys", {"reader": "t01", "keys": "AB"}, "refused", "keys are"),
        ("scan", {"scanner": "r01-qr", "text": "a\nb"}, "refused", "line end"),
        ("walk", {"reader": "g01", "after_ms": -1}, "bad_field", "after_ms"),
        ("force", {"reader": "g01", "direction": "up"}, "bad_field", "direction"),
        ("fault", {"reader": "g01", "fault": "explode"}, "bad_field", "one of drop"),
        ("fault", {"reader": "g01", "fault": "delay"}, "refused", "delay_ms"),
        ("cut", {"bus": "gate9", "seconds": 1}, "refused", "no bus is called"),
        ("cut", {"bus": "gate1"}, "bad_field", "seconds is missing"),
        ("noise", {"bus": "gate1", "rate": 2}, "bad_field", "rate"),
        ("latency", {"bus": "gate1", "delay_ms": 1e9}, "bad_field", "delay_ms"),
        ("subscribe", {"kinds": ["everything"]}, "bad_field", "kinds"),
        ("fly", {}, "bad_field", "do is 'fly'"),
    ],
)
async def test_a_wrong_order_is_refused_with_its_reason(
    client: Client, order: str, fields: dict[str, object], code: str, named: str
) -> None:
    answer = await client.do(order, **fields)
    assert (answer["ok"], answer["code"]) == (False, code)
    assert named in answer["error"]
    assert (await client.do("status"))["ok"]


@pytest.mark.parametrize(
    "line", [b"", b"xx", b"[]", b"7", b'{"id":{}}', b"\xff\xfe\x00", b"[" * 5_000, b'{"id":1,"do":["tap"]}', b"null"]
)
async def test_garbage_is_answered_and_survived(client: Client, line: bytes) -> None:
    client.writer.write(line + b"\n")
    assert (await client.line())["ok"] is False
    assert (await client.do("status"))["ok"]


async def test_an_endless_line_ends_the_connection_and_nothing_else(plant: Plant) -> None:
    async with connected(plant.file.control) as rude:
        rude.writer.write(b"x" * 200_000)
        assert (await rude.line())["code"] == "line_too_long"
    async with connected(plant.file.control) as polite:
        assert (await polite.do("status"))["ok"]


async def test_one_client_too_many_is_turned_away(plant: Plant) -> None:
    async with _many(plant.file.control, MAX_CLIENTS), connected(plant.file.control) as extra:
        assert (await extra.line())["code"] == "too_many_clients"


class _many:  # noqa: N801 - reads as a function
    """A number of connections, each of which has been answered once."""

    def __init__(self, path: Path, count: int) -> None:
        self._path, self._count = path, count
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> None:
        for _ in range(self._count):
            reader, writer = await asyncio.open_unix_connection(str(self._path))
            assert (await Client(reader, writer).do("cards"))["ok"]
            self._writers.append(writer)

    async def __aexit__(self, *_: object) -> None:
        for writer in self._writers:
            writer.close()


async def test_a_plant_that_runs_keeps_its_socket_and_a_dead_ones_is_replaced(plant: Plant) -> None:
    second = PlantControl(plant, plant.file.control)
    with pytest.raises(SocketTakenError, match="already running"):
        await second.start()


async def test_stop_is_answered_first(short_tmp: Path) -> None:
    async with running(small_plant(short_tmp / "stop")) as (plant, control), connected(plant.file.control) as client:
        assert (await client.do("stop"))["ok"]
        await asyncio.wait_for(control.stop_asked.wait(), 5)


async def test_cards_tells_ranges_and_a_number(client: Client) -> None:
    answer = await client.do("cards", index=0)
    assert answer["count"] == 3_837
    assert (answer["bits"], answer["product"], len(answer["card"])) == (34, "combined", 10)


async def test_lane_orders_reach_the_turnstile(client: Client, plant: Plant) -> None:
    await client.do("subscribe", kinds=["passage"])
    assert (await client.do("force", reader="g02"))["ok"]
    assert (await client.event("passage", device="g02"))["forced"] is True
    await client.do("fire", reader="g01", on=True)
    await client.do("lane_healthy", reader="g02", on=False)
    states = {each["name"]: each["inputs"] for each in (await client.do("status"))["readers"]}
    assert states["g01"] == [1, 1, 1, 1]
    assert states["g02"][2] == 0
    turnstile = plant.station("g02").turnstile
    assert turnstile is not None
    assert turnstile.counters.forced == 1


async def test_an_unplugged_port_disappears_and_comes_back(client: Client, plant: Plant) -> None:
    link = plant.file.port_path("gate1")
    first = link.resolve()
    assert (await client.do("unplug", bus="gate1", seconds=0.05))["ok"]
    assert not link.exists()
    deadline = asyncio.get_running_loop().time() + 10
    while not link.exists():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)
    assert link.is_symlink()
    assert first.name  # the pseudo terminal may be another one: only the link is stable


async def test_ids_may_be_text_and_come_back(client: Client) -> None:
    client.writer.write(json.dumps({"id": "a-7", "do": "cards"}).encode() + b"\n")
    assert (await client.line())["id"] == "a-7"
