"""Coverage-guided fuzzing: `python -m tests.fuzz.run NAME|all [options of libFuzzer]`. Ends at a find.

The corpus in the tree is read and never written. A find is written into the folder `.fuzz`: put it into the corpus with
its repair.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["cardcore", "reader_daemon", "server"]):
    from tests.fuzz.targets import TARGETS, any_target

CORPUS = Path(__file__).parent / "corpus"
FINDS = Path(__file__).parents[2] / ".fuzz"
ALL = "all"


def collected(folder: Path) -> Path:
    """Return a folder with the corpus of all targets, each input behind the byte that names its target."""
    for number, name in enumerate(TARGETS):
        for file in sorted((CORPUS / name).iterdir()):
            (folder / f"{name}-{file.name}").write_bytes(bytes([number]) + file.read_bytes())
    return folder


def main(words: list[str]) -> None:
    """Fuzz one target, or all of them in turns."""
    name, options = words[0], words[1:]
    target = any_target if name == ALL else TARGETS[name]
    with tempfile.TemporaryDirectory(prefix="onecard-fuzz-") as fresh:
        known, grown = Path(fresh) / "known", Path(fresh) / "grown"
        for folder in (known, grown, FINDS):
            folder.mkdir(exist_ok=True)
        corpus = collected(known) if name == ALL else CORPUS / name
        atheris.Setup(["fuzz", f"-artifact_prefix={FINDS}/", *options, str(grown), str(corpus)], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
