"""A tap at an OSDP mock to the relay at the OSDP mock: the whole line, with the real daemon in the middle.

Twelve mock turnstiles on ptys, two a bus, secure channel on; `python -m reader_daemon` reads them and asks the real
server; the mocks time themselves from the card shown to the unlock input closed. Poll time is part of it: a reader can
only speak when it is asked.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server.bench import rig_repository
from server.bench.bench_site import enrolment_code
from server.bench.figures import Report, Row, percentile
from server.bench.machine import memory_mib, processor_seconds
from server.bench.processes import BenchError, Serving, stop
from server.bench.rig import Rig
from server.demo.daemon_settings import daemon_settings
from server.demo.plant_client import PlantClient
from server.seed.reference_site import LANES

READERS_A_BUS = 2
CARDS = 2_000
"""Indices of combined cards, which may pass every lane at any time."""
WALK_MS = 100
PACE_SECONDS = 0.12
"""Between taps anywhere; each of twelve lanes is used about every 1.4 s, as in a rush."""
WARM_TAPS = 12
ANSWER_SECONDS = 5.0
READY_SECONDS = 30.0
ENROL_SECONDS = 30.0
SCBK_BYTES = 16
P95_MS = 80.0
MEMORY_MIB = 150.0
DAEMON = "gates-box"


def run(rig: Rig, taps: int, report: Report) -> None:
    """Measure, with a server, a plant and a daemon of our own."""
    folder = rig.folder / "site"
    (folder / DAEMON / "data").mkdir(parents=True)
    (folder / "plant.json").write_text(json.dumps(_plant(rig, folder)))
    with rig.product() as server, _started(folder, "plant", "firmware_mocks", "plant", str(folder / "plant.json")):
        config = _enrolled(rig, server, folder)
        with _started(folder, "daemon", "reader_daemon", "--config", str(config), "--log", "warning", "run") as daemon:
            taken, refused, busy = asyncio.run(_tap(folder / "plant.sock", taps, daemon))
            memory = memory_mib(daemon.pid)
    if not taken:
        msg = f"no tap reached a relay; the daemon says: {_last_words(folder / 'daemon.log')}"
        raise BenchError(msg)
    offline = rig.database.read(lambda session: rig_repository.decided_offline(session, rig.sites["reference"]))
    p50, p95 = percentile(taken, 50), percentile(taken, 95)
    detail = (
        f"p50 {p50} ms, most {taken[-1]} ms, {len(taken)} taps, {refused} without a relay, {offline} decided offline"
    )
    name = f"tap to relay, {len(LANES)} readers, p95"
    report.rows.append(Row(name, p95, "ms", detail, bar=f"<= {P95_MS:.0f} ms", met=p95 <= P95_MS and not refused))
    held = f"highest {memory[1]:.0f} MiB, {busy:.1f} % of a core, {len(LANES)} readers, {len(rig.cards):,} cards"
    bar = f"<= {MEMORY_MIB:.0f} MiB"
    report.rows.append(Row("daemon memory", memory[0], "MiB", held, bar=bar, met=memory[1] <= MEMORY_MIB))


def _plant(rig: Rig, folder: Path) -> dict[str, Any]:
    """Return the plant file: a turnstile at every lane, two a bus, each with a key of its own."""
    readers = [
        {
            "name": str(lane.id),
            "bus": f"bus{index // READERS_A_BUS + 1}",
            "address": index % READERS_A_BUS,
            "kind": "turnstile",
            "scbk": rig.system.ids.random_bytes(SCBK_BYTES).hex(),
        }
        for index, lane in enumerate(LANES)
    ]
    control, state = str(folder / "plant.sock"), str(folder / "plant")
    return {"control": control, "state_dir": state, "readers": readers, "scanners": []}


def _enrolled(rig: Rig, server: Serving, folder: Path) -> Path:
    """Write the daemon's settings and enrol it as an installer would; return its settings file."""
    lanes = [str(lane.id) for lane in LANES]
    config = folder / DAEMON / "reader.toml"
    config.write_text(daemon_settings(folder, DAEMON, server.port, lanes))
    code, assign = enrolment_code(rig.database, rig.system, "reference", DAEMON)
    command = [sys.executable, "-m", "reader_daemon", "--config", str(config), "--log", "warning", "enrol", code]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=ENROL_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.CalledProcessError as error:
        msg = f"the daemon could not be enrolled: {error.stderr.decode(errors='replace')[-500:]}"
        raise BenchError(msg) from error
    assign(lanes)
    return config


async def _tap(control: Path, taps: int, daemon: subprocess.Popen[bytes]) -> tuple[list[int], int, float]:
    """Tap all over the site; return the latencies in ms in ascending order, taps without a relay, % of a core."""
    answers: dict[str, asyncio.Future[int]] = {}

    def happened(event: dict[str, Any]) -> None:
        waiting = answers.get(event["device"])
        if event["event"] == "pulse" and waiting is not None and not waiting.done():
            waiting.set_result(event["after_tap_ms"])

    plant = PlantClient(control, happened)
    await plant.connect()
    try:
        await _ready(plant, daemon)
        chance = random.Random(7)
        await _round(plant, answers, chance, WARM_TAPS)
        began, worked = time.monotonic(), processor_seconds(daemon.pid)
        found = await _round(plant, answers, chance, taps)
        busy = 100 * (processor_seconds(daemon.pid) - worked) / (time.monotonic() - began)
    finally:
        await plant.close()
    taken = sorted(one for one in found if one is not None)
    return taken, len(found) - len(taken), busy


async def _round(
    plant: PlantClient, answers: dict[str, asyncio.Future[int]], chance: random.Random, taps: int
) -> list[int | None]:
    lanes = [str(lane.id) for lane in LANES]
    waiting = []
    for number in range(taps):
        lane = lanes[number % len(lanes)]
        answer = answers[lane] = asyncio.get_running_loop().create_future()
        await plant.order("tap", reader=lane, index=chance.randrange(CARDS), walk_ms=WALK_MS)
        waiting.append(asyncio.create_task(_answer(answer)))
        await asyncio.sleep(PACE_SECONDS * chance.uniform(0.5, 1.5))  # never in step with the polls
    return await asyncio.gather(*waiting)


async def _answer(answer: asyncio.Future[int]) -> int | None:
    try:
        return await asyncio.wait_for(answer, ANSWER_SECONDS)
    except TimeoutError:
        return None


async def _ready(plant: PlantClient, daemon: subprocess.Popen[bytes]) -> None:
    """Wait until every reader is online with its secure channel."""
    ends = time.monotonic() + READY_SECONDS
    while time.monotonic() < ends:
        status = await plant.order("status")
        if all(reader["online"] and reader["secure"] for reader in status["readers"]):
            return
        if daemon.poll() is not None:
            break
        await asyncio.sleep(0.1)
    msg = "not every reader came online in secure channel"
    raise BenchError(msg)


@contextmanager
def _started(folder: Path, name: str, module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run another part of the distribution for the body, as its own process."""
    with (folder / f"{name}.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        stop(process)


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-800:] if log.exists() else ""
