"""The table in `docs/features.md`: every feature once, in a known state, and with tests that exist."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
IDS = [
    f"{letter}{number}"
    for letter, last in (("A", 75), ("C", 85), ("S", 16), ("N", 10))
    for number in range(1, last + 1)
]
STATES = frozenset({"works", "partly", "not yet"})
ROW = re.compile(r"\| (?P<id>[A-Z]\d+) \| (?P<feature>[^|]+) \| (?P<state>[^|]+) \| (?P<tests>[^|]*)\|")
NAMED_TEST = re.compile(r"`(?P<file>[\w/]+\.py)::(?P<name>test_\w+)`")
SEPARATOR = "<br>"


def mistakes(table: str, tests: Path) -> Iterator[str]:
    """Yield what is wrong with the text of a feature table whose tests stand in the folder `tests`."""
    rows = [row for line in table.splitlines() if (row := ROW.fullmatch(line))]
    counts = Counter(row["id"] for row in rows)
    yield from (f"{row_id} is there {counts[row_id]} times" for row_id in IDS if counts[row_id] != 1)
    yield from (f"{row_id} is no feature" for row_id in counts if row_id not in IDS)
    for row in rows:
        yield from (f"{row['id']}: {problem}" for problem in _row_mistakes(row["state"], row["tests"].strip(), tests))


def _row_mistakes(state: str, named: str, tests: Path) -> Iterator[str]:
    if state not in STATES:
        yield f"{state} is not among {sorted(STATES)}"
    if bool(named) == (state == "not yet"):
        yield "what is there needs a test, and what is not there has none"
    for part in filter(None, named.split(SEPARATOR)):
        match = NAMED_TEST.fullmatch(part)
        if match is None:
            yield f"{part} is not written `file.py::test_name`"
        elif not _exists(tests / match["file"], match["name"]):
            yield f"there is no test {part}"


def _exists(file: Path, name: str) -> bool:
    return file.is_file() and re.search(rf"\bdef {name}\(", file.read_text(encoding="utf-8")) is not None


def a_table(**states: str) -> str:
    """Return a table in which every feature is missing but the ones given."""
    return "\n".join(f"| {row_id} | something | {states.get(row_id, 'not yet | ')}|" for row_id in IDS)


def test_the_table_is_right() -> None:
    assert list(mistakes((ROOT / "docs" / "features.md").read_text(encoding="utf-8"), TESTS)) == []


def test_a_good_table_passes(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("async def test_y(site):\n    pass\n")
    assert list(mistakes(a_table(C1="works | `test_x.py::test_y` "), tmp_path)) == []


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("nearly | `test_x.py::test_y` ", "nearly is not among"),
        ("works | ", "needs a test"),
        ("partly | ", "needs a test"),
        ("not yet | `test_x.py::test_y` ", "not there has none"),
        ("works | `test_gone.py::test_y` ", "there is no test"),
        ("works | `test_x.py::test_yy` ", "there is no test"),
        ("works | test_x.py ", "is not written"),
    ],
)
def test_a_wrong_row_is_noticed(tmp_path: Path, row: str, complaint: str) -> None:
    (tmp_path / "test_x.py").write_text("def test_y():\n    pass\n")
    (found,) = mistakes(a_table(A7=row), tmp_path)
    assert found.startswith("A7: ")
    assert complaint in found


def test_missing_doubled_and_strange_features_are_noticed(tmp_path: Path) -> None:
    table = a_table().replace("| A1 |", "| A99 |").replace("| N2 |", "| N1 |")
    assert list(mistakes(table, tmp_path)) == [
        "A1 is there 0 times",
        "N1 is there 2 times",
        "N2 is there 0 times",
        "A99 is no feature",
    ]
