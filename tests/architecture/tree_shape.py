"""Rules about the tree as a whole: what may stand at the top, what a folder needs, what no file may name.

The patterns below are put together from pieces, so that this file does not break its own rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from tests.architecture.source import PACKAGES, Violation

_TOP_FOLDERS = {*PACKAGES, "tests", "docs", ".ci"}
_TOP_FILES = {
    "pyproject.toml",
    "README.md",
    "README.zh-CN.md",
    "Makefile",
    "LICENSE",
    "CHANGELOG.md",
    "requirements.lock",
    "requirements-dev.lock",
}
_MACHINE_PATH = re.compile(
    "(?<![\\w.$}])/(" + "|".join(("ro" + "ot", "wo" + "rk", "ho" + "me/[a-z]+", "Us" + "ers")) + ")/"
)
_REGISTRY = re.compile(
    "|".join(
        (
            "(?<!no-emit)--index" + "-url",
            "(?<!no-emit)--find" + "-links",
            "pypi\\." + "org/simple",
            "registry\\." + "npmjs",
            "files\\.pytho" + "nhosted",
        )
    )
)
_HASHED = re.compile(r"[a-z0-9._-]+==[^ ]+( ; [^\\]+)? \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+")
_VENDORED = "admin_web/static/"


def top_level_is_known(paths: Iterable[PurePosixPath]) -> list[Violation]:
    """Nothing stands at the top but what the design names, and dot files."""
    found = []
    for path in paths:
        top, *rest = path.parts
        if top not in (_TOP_FOLDERS if rest else _TOP_FILES) and not (top.startswith(".") and not rest):
            found.append(Violation(path, 1, f"'{top}' is not one of the things that stand at the top"))
    return found


def code_folders_say_their_purpose(paths: Iterable[PurePosixPath]) -> list[Violation]:
    """Every folder of code that ships is a package: its `__init__.py` is where it says what it is for."""
    known = set(paths)
    folders = {
        folder
        for path in known
        if path.suffix == ".py" and path.parts[0] in PACKAGES
        for folder in path.parents
        if folder.parts
    }
    return [
        Violation(folder / "__init__.py", 1, "missing: it says what the folder is for")
        for folder in sorted(folders)
        if folder / "__init__.py" not in known
    ]


def mirrored_folders_exist(paths: Iterable[PurePosixPath]) -> list[Violation]:
    """Each folder of tests of a part bears the name of a folder or a module of that part."""
    known = set(paths)
    places = {folder for path in known if path.suffix == ".py" for folder in path.parents}
    places |= {path.with_suffix("") for path in known if path.suffix == ".py"}
    folders = {path.parent for path in known if path.parts[0] == "tests" and path.suffix == ".py"}
    return [
        Violation(folder, 1, f"tests of {mirrored}, which is not there")
        for folder in sorted(folders)
        if len(folder.parts) > 1
        and folder.parts[1] in PACKAGES
        and (mirrored := folder.relative_to("tests")) not in places
    ]


def lock_is_hashed_and_portable(path: PurePosixPath, text: str) -> list[Violation]:
    """Each locked package has its hashes, and the file names no address to fetch from."""
    found = [
        Violation(path, number, "a lock file names no address and no option")
        for number, line in enumerate(text.splitlines(), 1)
        if "://" in line or " @ " in line or line.startswith("-")
    ]
    entries = len(re.findall(r"^[a-zA-Z0-9]", text, re.MULTILINE))
    hashed = len(_HASHED.findall(text))
    if not entries or entries != hashed:
        found.append(Violation(path, 1, f"{entries} packages, {hashed} of them with hashes"))
    return found


def names_no_machine(path: PurePosixPath, text: str) -> list[Violation]:
    """No file names a path of one machine or the address of a package registry."""
    if str(path).startswith(_VENDORED):
        return []
    return [
        Violation(path, number, f"{what} {match[0]!r}")
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in (("a path of one machine:", _MACHINE_PATH), ("a package registry:", _REGISTRY))
        if (match := pattern.search(line))
    ]
