"""Rules for tests: none is skipped, and none waits for the time to pass (style, house rule 10)."""

from __future__ import annotations

import ast

from tests.architecture.source import Source, Violation

_SKIPS = {
    "pytest.skip",
    "pytest.xfail",
    "pytest.importorskip",
    "pytest.mark.skip",
    "pytest.mark.skipif",
    "pytest.mark.xfail",
    "unittest.skip",
    "unittest.skipIf",
}
_SLEEPS = {"time.sleep", "asyncio.sleep"}
_LOOPS = (ast.While, ast.For, ast.AsyncFor)


def no_test_is_skipped(source: Source) -> list[Violation]:
    """Let no test be skipped: a part that is missing makes it fail, and the failure says what to install."""
    if source.part != "tests":
        return []
    return [
        source.found(node, f"{name}: a missing part is a failure")
        for node in source.nodes
        if isinstance(node, ast.Attribute | ast.Name) and (name := source.qualified(node)) in _SKIPS
    ]


def no_test_sleeps(source: Source) -> list[Violation]:
    """Let a sleep stand only in a loop that polls, or where time is virtual.

    `asyncio.sleep(0)` lets others run and is free. A fake, which is no test, may take as long as a test tells it to.
    """
    if source.part != "tests" or any(name.endswith(".VirtualLoop") for name in source.imports.values()):
        return []
    is_fake = not source.path.name.startswith("test_")
    polling = {id(inner) for loop in source.nodes if isinstance(loop, _LOOPS) for inner in ast.walk(loop)}
    return [
        source.found(node, "wait for the event, or poll with a deadline")
        for node in source.nodes
        if isinstance(node, ast.Call)
        and source.qualified(node.func) in _SLEEPS
        and id(node) not in polling
        and node.args
        and not (isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
        and not (is_fake and not isinstance(node.args[0], ast.Constant))
    ]
