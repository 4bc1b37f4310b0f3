"""Providers from a file of the server's own: wrong ones are named, keys are not for others to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.payments.config import FILE, load_providers
from server.settings import SettingsError
from server.system import System

KEY = "00" * 32
GOOD = f'[[provider]]\nname = "bank-a"\nurl = "https://pay.example/onecard"\nkey_hex = "{KEY}"\n'


def write(folder: Path, content: str, mode: int = 0o600) -> Path:
    file = folder / FILE
    file.write_text(content)
    file.chmod(mode)
    return folder


def test_no_file_is_no_provider(tmp_path: Path, system: System) -> None:
    assert load_providers(tmp_path, system) == {}


def test_a_provider_is_known_by_its_name(tmp_path: Path, system: System) -> None:
    assert set(load_providers(write(tmp_path, GOOD), system)) == {"bank-a"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("provider = [", "no TOML"),
        (GOOD + "x = 1\n", "give the texts"),
        (GOOD.replace("bank-a", "Bank A"), "small letters"),
        (GOOD.replace(KEY, "00"), "fewer than 32 bytes"),
        (GOOD.replace(KEY, "zz"), "provider 1"),
        (GOOD.replace("https", "ftp"), "begins with http"),
        (GOOD + GOOD, "twice"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, system: System, content: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_providers(write(tmp_path, content), system)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path, system: System) -> None:
    with pytest.raises(SettingsError, match="chmod 600"):
        load_providers(write(tmp_path, GOOD, 0o644), system)
