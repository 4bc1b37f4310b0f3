"""The tree holds what the design names and nothing else, and its lock files can be used anywhere."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from tests.architecture.source import ROOT, Violation, tracked_files
from tests.architecture.tree_shape import (
    code_folders_say_their_purpose,
    lock_is_hashed_and_portable,
    mirrored_folders_exist,
    names_no_machine,
    top_level_is_known,
)

LOCKS = ("requirements.lock", "requirements-dev.lock")
HASH = "    --hash=sha256:" + "0" * 64 + "\n"


def listed(found: list[Violation]) -> str:
    return "\n".join(["", *map(str, found)])


def paths(*names: str) -> list[PurePosixPath]:
    return [PurePosixPath(name) for name in names]


def test_nothing_else_stands_at_the_top() -> None:
    found = top_level_is_known(tracked_files())
    assert not found, listed(found)


@pytest.mark.parametrize("name", ["scripts/run.sh", "notes.md", "setup.py", ".github/x.yml"])
def test_a_stranger_at_the_top_is_noticed(name: str) -> None:
    assert top_level_is_known(paths(name))


def test_known_things_at_the_top_pass() -> None:
    assert not top_level_is_known(paths("server/a.py", ".gitignore", ".ci/run", "docs/a.md", "README.zh-CN.md"))


def test_every_code_folder_is_a_package() -> None:
    found = code_folders_say_their_purpose(tracked_files())
    assert not found, listed(found)


def test_a_code_folder_without_its_purpose_is_noticed() -> None:
    assert code_folders_say_their_purpose(paths("server/__init__.py", "server/cards/service.py"))
    assert not code_folders_say_their_purpose(paths("server/__init__.py", "server/x.py", "server/templates/a.html"))


def test_tests_mirror_the_tree() -> None:
    found = mirrored_folders_exist(tracked_files())
    assert not found, listed(found)


def test_a_test_folder_that_mirrors_nothing_is_noticed() -> None:
    assert mirrored_folders_exist(paths("server/cards/api.py", "tests/server/badges/test_api.py"))
    assert not mirrored_folders_exist(paths("server/cards/api.py", "tests/server/cards/test_a.py", "tests/bench/a.py"))
    assert not mirrored_folders_exist(paths("server/database.py", "tests/server/database/test_roles.py"))


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_are_hashed_and_portable(name: str) -> None:
    found = lock_is_hashed_and_portable(PurePosixPath(name), (ROOT / name).read_text())
    assert not found, listed(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "six==1.17.0\n",
        "six==1.17.0 \\\n" + HASH + "rich==15.0\n",
        "--extra-index" + "-url https://example.org\nsix==1.17.0 \\\n" + HASH,
        "six @ https://example.org/six.whl \\\n" + HASH,
    ],
)
def test_a_lock_file_that_is_not_is_noticed(text: str) -> None:
    assert lock_is_hashed_and_portable(PurePosixPath("requirements.lock"), text)


def test_a_good_lock_file_passes() -> None:
    text = "six==1.17.0 ; python_version < '4' \\\n" + HASH + "    # via nothing\n"
    assert not lock_is_hashed_and_portable(PurePosixPath("requirements.lock"), text)


def test_no_file_names_a_machine_or_a_registry() -> None:
    found: list[Violation] = []
    for path in tracked_files():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture or a font
            continue
        found += names_no_machine(path, text)
    assert not found, listed(found)


@pytest.mark.parametrize(
    "line", ["cd /" + "ro" + "ot/project", "open('/" + "ho" + "me/anna/x')", "pip install --index" + "-url x"]
)
def test_a_file_that_names_a_machine_is_noticed(line: str) -> None:
    assert names_no_machine(PurePosixPath("docs/a.md"), line)


@pytest.mark.parametrize("line", ["uv --no-emit-index-url", "GET /people/root", "$HOME/x", "/var/lib/onecard/"])
def test_a_file_that_names_none_passes(line: str) -> None:
    assert not names_no_machine(PurePosixPath("docs/a.md"), line)
