"""Rules: time, randomness and ids are injected, and no instant is naive (design, decision 11).

Only the adapters read a clock or draw a number, so that the whole site can run under a virtual clock and a seed.
"""

from __future__ import annotations

import ast
import re

from tests.architecture.source import Source, Violation

ADAPTERS = {"server/system.py", "reader_daemon/system.py", "firmware_mocks/system.py"}
MEASURING = "server/bench/"
"""Benchmarks measure real time, and nothing else."""

COMPARES_CLOCKS = "server/cli/repository.py"
"""The doctor asks the database for its time in order to compare it with ours."""

_CLOCKS = {
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.localtime",
    "time.gmtime",
}
_CHANCE = {
    "os.urandom",
    "uuid.uuid1",
    "uuid.uuid4",
    "uuid.uuid6",
    "uuid.uuid7",
    "secrets.token_bytes",
    "secrets.token_hex",
    "secrets.token_urlsafe",
    "secrets.choice",
    "secrets.randbelow",
    "secrets.randbits",
    "secrets.SystemRandom",
    "random.SystemRandom",
}
_DATABASE_CLOCK = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|gen_random_uuid|random)\(\)|\bcurrent_timestamp\b", re.IGNORECASE
)
_NAIVE_ARGUMENTS = {
    # constructor or factory -> the position at which a time zone may stand
    "datetime.datetime": 7,
    "datetime.datetime.combine": 2,
    "datetime.datetime.fromtimestamp": 1,
}
_ZONE_KEYWORDS = {"tzinfo", "tz"}


def clock_and_chance_are_injected(source: Source) -> list[Violation]:
    """No direct clock, randomness or id outside the adapters; a `random.Random` needs its seed."""
    if not source.is_product or str(source.path) in ADAPTERS or str(source.path).startswith(MEASURING):
        return []
    seeded = {
        call.func
        for call in source.nodes
        if isinstance(call, ast.Call) and source.qualified(call.func) == "random.Random" and call.args
    }
    annotations = _annotation_nodes(source)
    found = []
    for node in source.nodes:
        if not isinstance(node, ast.Name | ast.Attribute):
            continue
        name = source.qualified(node) or ""
        if name in _CLOCKS:
            found.append(source.found(node, f"{name} reads a clock; take a cardcore.clock.Clock"))
        elif name in _CHANCE or name.endswith("PrivateKey.generate"):
            found.append(source.found(node, f"{name} draws a number; take a cardcore.ids.IdSource"))
        elif name == "random.Random" and node not in seeded and node not in annotations:
            found.append(source.found(node, "random.Random without a seed"))
        elif re.fullmatch(r"random\.[a-z_]+", name):
            found.append(source.found(node, f"{name} uses hidden state; take a seeded random.Random"))
        elif name.startswith("sqlalchemy.func.") and _DATABASE_CLOCK.search(name.rsplit(".", 1)[-1] + "()"):
            found.append(source.found(node, f"{name}: the database has a clock of its own; pass the instant"))
    return found


def sql_reads_no_clock(source: Source) -> list[Violation]:
    """No SQL text asks the database for the time, a number or an id."""
    if source.part != "server" or str(source.path) == COMPARES_CLOCKS:
        return []
    docstrings = {id(statement.value) for statement in source.nodes if isinstance(statement, ast.Expr)}
    return [
        source.found(node, "the database has a clock and chance of its own; pass the value")
        for node in source.nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
        and _DATABASE_CLOCK.search(node.value)
    ]


def instants_are_aware(source: Source) -> list[Violation]:
    """No naive datetime is made: a constructor gets its zone, and no zone is thrown away."""
    if not source.is_product:
        return []
    found = []
    for call in source.nodes:
        if not isinstance(call, ast.Call):
            continue
        name = source.qualified(call.func) or ""
        keywords = {keyword.arg for keyword in call.keywords}
        if name in _NAIVE_ARGUMENTS:
            if len(call.args) <= _NAIVE_ARGUMENTS[name] and not keywords & _ZONE_KEYWORDS:
                found.append(source.found(call, f"{name} without a time zone"))
        elif name in {"datetime.datetime.utcnow", "datetime.datetime.utcfromtimestamp"}:
            found.append(source.found(call, f"{name} is naive"))
        if any(
            keyword.arg == "tzinfo" and isinstance(keyword.value, ast.Constant) and keyword.value.value is None
            for keyword in call.keywords
        ):
            found.append(source.found(call, "tzinfo=None makes an instant naive"))
    return found


def _annotation_nodes(source: Source) -> set[ast.AST]:
    inside: set[ast.AST] = set()
    for node in source.nodes:
        for field in ("annotation", "returns"):
            annotation = getattr(node, field, None)
            if isinstance(annotation, ast.AST):
                inside.update(ast.walk(annotation))
    return inside
