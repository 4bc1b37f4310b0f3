"""Every parser that meets the outside: its corpus, and a short guided run of all of them in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
ROOT = Path(__file__).parents[2]
SECONDS = 10
INPUTS = [(name, file) for name in TARGETS for file in sorted((CORPUS / name).glob("*"))]


def test_every_target_has_a_corpus() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    assert {name for name, _ in INPUTS} == set(TARGETS)


@pytest.mark.parametrize(("name", "file"), INPUTS, ids=[f"{name}-{file.name}" for name, file in INPUTS])
def test_the_corpus_breaks_no_promise(name: str, file: Path) -> None:
    data = file.read_bytes()
    TARGETS[name](data)
    for end in range(0, len(data), max(1, len(data) // 40)):
        TARGETS[name](data[:end])


def test_a_guided_run_finds_nothing() -> None:
    words = [
        sys.executable,
        "-m",
        "tests.fuzz.run",
        "all",
        f"-max_total_time={SECONDS}",
        "-max_len=4096",
        "-timeout=10",
    ]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    done = re.search(r"Done (\d+) runs", ended.stderr)
    assert done is not None, ended.stderr[-2000:]
    assert int(done[1]) > 1_000
