"""Where the passphrase comes from at start, and what happens when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.keys.key_file import KeyFileError, OpenedFile, sealed_file, write_key_file
from server.keys.opening import open_vault, unlocking_secret
from server.keys.software import SoftwareVault
from tests.server.keys.key_site import PASSPHRASE, drawn


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "onecard-keys"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def folder(tmp_path: Path, opened_file: OpenedFile) -> Path:
    write_key_file(tmp_path / "card.keys", sealed_file(opened_file, drawn("s")), drawn("w"))
    return tmp_path


def test_without_a_ceremony_there_is_no_vault(tmp_path: Path) -> None:
    assert open_vault(tmp_path, None, None, "", {}) is None


def test_without_a_secret_the_keys_stay_locked(folder: Path) -> None:
    assert open_vault(folder, None, None, "", {"CREDENTIALS_DIRECTORY": str(folder / "none")}) is None


@pytest.mark.parametrize("by_credential", [True, False])
def test_a_file_or_a_credential_opens_them(folder: Path, secret_file: Path, by_credential: bool) -> None:
    named, environment = (None, {"CREDENTIALS_DIRECTORY": str(folder)}) if by_credential else (secret_file, {})
    vault = open_vault(folder, named, None, "", environment)
    assert isinstance(vault, SoftwareVault)
    vault.close()


def test_a_wrong_passphrase_stops_the_start(folder: Path, secret_file: Path) -> None:
    secret_file.write_text("another passphrase of ours")
    with pytest.raises(KeyFileError, match="passphrase is wrong"):
        open_vault(folder, secret_file, None, "", {})


def test_a_passphrase_that_others_may_read_is_refused(secret_file: Path) -> None:
    secret_file.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        unlocking_secret(secret_file, {})


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 2000])
def test_a_secret_that_is_no_line_of_text_is_refused(secret_file: Path, content: bytes) -> None:
    secret_file.write_bytes(content)
    with pytest.raises(KeyFileError):
        unlocking_secret(secret_file, {})


def test_a_secret_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be read"):
        unlocking_secret(tmp_path / "missing", {})
