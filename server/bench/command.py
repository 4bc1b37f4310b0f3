"""The command line of `onecard bench`: which cases, how long, where the disk is, where the figures go."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from server.bench import charges, floors, gate, machine, readers, rig_repository
from server.bench.bench_site import BenchCards
from server.bench.charges import Rounds
from server.bench.figures import Report, table
from server.bench.processes import BenchError
from server.bench.rig import Rig, rig
from server.logs import configure_logs

CASES = ("frames", "pgbench", "charges", "gate", "readers")
PEER_IN_CHECKOUT = Path("tests") / "bench" / "usual_service.py"
LARGE_CARDS = 240_000
_FAILED = 1


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long everything takes: `quick` about a minute in all."""

    rounds: Rounds
    frames_seconds: float
    pgbench_seconds: float
    gate_rounds: int
    gate_seconds: float
    large_cards: int
    reader_taps: int


QUICK = Lengths(Rounds(3, 1.5, (1, 16, 64), 20), 1.0, 2.0, 3, 1.5, LARGE_CARDS, 60)
FULL = Lengths(Rounds(5, 6.0, (1, 16, 64), 100), 3.0, 8.0, 3, 10.0, LARGE_CARDS, 600)
TINY = Lengths(Rounds(1, 0.3, (1, 64), 1, 0.1), 0.1, 1.0, 1, 0.3, 2_000, 4)
"""For the tests: every step once, figures of no worth."""


def run(argv: list[str]) -> int:
    """Run the cases, print the table, write the file; returns 0, or 1 when a case could not be measured."""
    arguments = _parser().parse_args(argv)
    lengths = QUICK if arguments.quick else TINY if arguments.tiny else FULL
    cases = arguments.only.split(",") if arguments.only else list(CASES)
    unknown = set(cases) - set(CASES)
    if unknown:
        sys.stderr.write(f"onecard bench: there is no case {min(unknown)}; cases are {', '.join(CASES)}\n")
        return 2
    configure_logs("error", "console")
    try:
        report = _measured(arguments, lengths, cases)
    except BenchError as error:
        sys.stderr.write(f"onecard bench: {error}\n")
        return _FAILED
    sys.stdout.write(table(report))
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    return 0


def _measured(arguments: argparse.Namespace, lengths: Lengths, cases: list[str]) -> Report:
    load = machine.load_average()
    with rig(arguments.dir, arguments.database_url) as stand:
        report = Report(_command(arguments), _machine(stand, load))
        cards: BenchCards | None = None
        if set(cases) & {"frames", "charges", "gate", "readers"}:
            _say("writing the reference site")
            cards = stand.reference_cards()
        if "frames" in cases:
            _say("no-op frames")
            floors.frames(stand, lengths.frames_seconds, report)
        best = 0.0
        if "pgbench" in cases:
            _say("pgbench")
            best = floors.pgbench(stand, lengths.pgbench_seconds, report)
        if "charges" in cases and cards is not None:
            _say("charges, product and peer in turns")
            charges.run(stand, cards, _peer(arguments.peer), lengths.rounds, report, arguments.servers)
            charges.compare_pgbench(report, best)
        if "gate" in cases and cards is not None:
            _say(f"gate decisions, {lengths.large_cards:,} cards")
            gate.run(stand, cards, lengths.large_cards, lengths.gate_rounds, lengths.gate_seconds, report)
        if "readers" in cases:
            _say("readers")
            readers.run(stand, lengths.reader_taps, report)
    return report


def _machine(stand: Rig, load: str) -> dict[str, str]:
    p50, p99 = machine.fdatasync_us(stand.folder)
    return {
        "machine": f"{machine.processor()}; client, server and database share it",
        "load": load,
        "disk": f"{machine.file_system(stand.folder)}, fdatasync of 8 KiB p50 {p50} us, p99 {p99} us",
        **rig_repository.server_settings(stand.url),
        "python": sys.version.split()[0],
    }


def _peer(named: Path | None) -> Path | None:
    """Return the peer's file: as named, else the checkout's when this runs from one."""
    if named is not None:
        if not named.is_file():
            msg = f"there is no peer at {named}"
            raise BenchError(msg)
        return named.absolute()
    found = Path(__file__).parents[2] / PEER_IN_CHECKOUT
    return found if found.is_file() else None


def _command(arguments: argparse.Namespace) -> str:
    words = ["onecard bench"]
    words += [f"--{name}" for name in ("quick", "tiny") if getattr(arguments, name)]
    words += [f"--servers {arguments.servers}"] if arguments.servers > 1 else []
    words += [f"--only {arguments.only}"] if arguments.only else []
    return " ".join(words)


def _say(what: str) -> None:
    sys.stderr.write(f"bench: {what} ...\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="onecard bench", description="Measure this machine; see docs/performance.md.")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="about a minute in all")
    length.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", metavar="CASES", help=f"some of {','.join(CASES)}")
    parser.add_argument(
        "--servers", type=int, default=1, choices=range(1, 9), metavar="N", help="server processes for the charges (1)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--peer", type=Path, metavar="FILE", help="the usual service to compare with")
    parser.add_argument("--dir", type=Path, help="folder on the disk to measure (default: the temporary folder)")
    parser.add_argument(
        "--database-url", default="", help="measure this PostgreSQL; databases onecard_bench* are made and dropped"
    )
    return parser
