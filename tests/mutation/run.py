"""The mutation run: `make mutation`. Every mutant is tried in a process of its own, forked from a warm one.

A mutant is killed when a test fails, or when its tests do not end in time. The table says how many were; the mutants
that nobody noticed are listed below it, so that a better test can be written.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.abc
import importlib.util
import itertools
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutation.mutants import Mutant, mutants
from tests.mutation.targets import TARGETS, Target
from tests.private_postgres import PrivatePostgres

WARM = ("alembic", "cryptography", "hypothesis", "msgspec", "psycopg", "pydantic", "sqlalchemy", "structlog")
"""What most tests import; none of our own modules, which would import a mutant's whole."""
TRY_SECONDS = 300
"""A mutant whose tests take longer is killed: it hangs, and a build would notice."""
DATABASES_A_TRY = 1_000
FAILED = 99
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a mutant."""

    module: str
    mutant: Mutant
    killed: bool


class _Broken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a mutant's tree."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self._module = module
        self._tree = tree

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(source_of(fullname)))

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._tree, str(source_of(self._module)), "exec"), module.__dict__)  # noqa: S102 - our own source


def source_of(module: str) -> Path:
    """Return the file of a module."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


@contextlib.contextmanager
def _database(*, wanted: bool) -> Iterator[None]:
    """Run one PostgreSQL for all mutants, with its template made."""
    if not wanted:
        yield
        return
    folder = Path(tempfile.mkdtemp(prefix="onecard-"))
    folder.chmod(0o755)
    cluster = PrivatePostgres(folder / "postgres")
    cluster.start()
    try:
        if _in_a_fork(lambda: _make_template(cluster)) != 0:
            message = "the database's template could not be made"
            raise RuntimeError(message)
        _lend(cluster)
        yield
    finally:
        PrivatePostgres.stop = _STOP  # type: ignore[method-assign]
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


_STOP = PrivatePostgres.stop


def _make_template(cluster: PrivatePostgres) -> int:
    with cluster.fresh_database(migrated=True):
        return 0


def _lend(warm: PrivatePostgres) -> None:
    """Let every cluster that a test starts be the warm one."""

    def start(self: PrivatePostgres) -> None:
        self._server, self._first_rows = warm._server, warm._first_rows
        self._numbers = itertools.count(os.getpid() * DATABASES_A_TRY)

    PrivatePostgres.start = start  # type: ignore[method-assign]
    PrivatePostgres.stop = lambda self: None  # type: ignore[method-assign]  # noqa: ARG005 - a method
    # A try ends without giving back what it swept: so it drops its databases.
    PrivatePostgres._swept = lambda self, name: False  # type: ignore[method-assign]  # noqa: ARG005 - a method


def _in_a_fork(work: Callable[[], int]) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = FAILED
    try:
        code = work()
    finally:  # whatever it was, this process must end here
        os._exit(code)


def _try_tests(tests: Sequence[str], module: str = "", tree: ast.Module | None = None) -> int:
    """Run tests in this process, which is a fork; returns pytest's code."""
    signal.alarm(TRY_SECONDS)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    if tree is not None:
        sys.meta_path.insert(0, _Broken(module, tree))
    return int(pytest.main(["-q", "-x", "-n0", "-p", "no:cacheprovider", "-W", "ignore", *tests]))


def drawn(target: Target, only: str, sample: int) -> list[tuple[str, Mutant]]:
    """Return the mutants of a target, or that many of them, the same ones every time."""
    found = [
        (module, mutant)
        for module in target.modules
        if only in module
        for mutant in mutants(source_of(module).read_text())
    ]
    if not 0 < sample < len(found):
        return found
    kept = sorted(random.Random(target.name).sample(range(len(found)), sample))
    return [found[number] for number in kept]


def run_target(target: Target, jobs: int, found: Sequence[tuple[str, Mutant]]) -> list[Tried]:
    """Try mutants of a target."""
    tried: list[Tried] = []
    with _database(wanted=target.needs_database):
        if _in_a_fork(lambda: _try_tests(target.tests)) != 0:
            message = f"the tests of {target.name} are red without any mutant"
            raise RuntimeError(message)
        running: dict[int, tuple[str, Mutant]] = {}
        for module, mutant in [*found, *[("", None)] * jobs]:
            while len(running) >= jobs or (mutant is None and running):
                child, status = os.wait()
                tried.append(Tried(*running.pop(child), killed=status != 0))
                print(f"\r{target.name}: {len(tried)} of {len(found)}", end="", file=sys.stderr, flush=True)
            if mutant is not None:
                child = os.fork()
                if not child:
                    os._exit(_try_tests(target.tests, module, mutant.tree()))
                running[child] = (module, mutant)
    print(file=sys.stderr)
    return tried


def table(results: dict[str, list[Tried]]) -> str:
    """Return the table of `docs/reliability.md`."""
    rows = ["| part | mutants | noticed | score |", "|---|---|---|---|"]
    for name, tried in results.items():
        killed = sum(one.killed for one in tried)
        rows.append(f"| {name} | {len(tried)} | {killed} | {killed * 100 / max(1, len(tried)):.1f} % |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 when a part's score is below the wanted one."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.run", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*(target.name for target in TARGETS), []], help="default: all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--least", type=float, default=85.0, help="the score in percent that every part must reach")
    parser.add_argument("--only", default="", help="only modules whose name has this in it")
    parser.add_argument("--sample", type=int, default=0, help="try only so many mutants a part; 0 = all")
    options = parser.parse_args(arguments)
    os.environ["CI"] = "1"  # the same examples of hypothesis for every mutant
    for name in WARM:
        importlib.import_module(name)
    begun = time.monotonic()
    results = {
        target.name: run_target(target, options.jobs, drawn(target, options.only, options.sample))
        for target in TARGETS
        if not options.parts or target.name in options.parts
    }
    print(table(results))
    print(f"{time.monotonic() - begun:.0f} s")
    for name, tried in results.items():
        for one in sorted(tried, key=lambda found: (found.module, found.mutant.line)):
            if not one.killed:
                print(f"UNNOTICED {name} {one.module}:{one.mutant.line}: {one.mutant.what}")
    scores = [sum(one.killed for one in tried) * 100 / max(1, len(tried)) for tried in results.values()]
    return 0 if all(score >= options.least for score in scores) else 1


if __name__ == "__main__":
    sys.exit(main())
