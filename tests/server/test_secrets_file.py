"""The secret file: made once and private, refused when others may read it or when it is a sample."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.secrets_file import FILE_NAME, SAMPLE, SecretsFileError, WrongKeyError, load_secrets, secrets_from
from server.system import System, real_system


def test_the_first_start_makes_it_and_every_later_one_keeps_it(tmp_path: Path) -> None:
    ids = real_system().ids
    first = load_secrets(tmp_path / "data", ids)
    assert (tmp_path / "data" / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert load_secrets(tmp_path / "data", ids).identity_public == first.identity_public
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE_NAME]


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    ids = real_system().ids
    with ThreadPoolExecutor(8) as threads:
        keys = {secrets.identity_public for secrets in threads.map(lambda _: load_secrets(tmp_path, ids), range(16))}
    assert len(keys) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    ids = real_system().ids
    load_secrets(tmp_path, ids)
    (tmp_path / FILE_NAME).chmod(mode)
    with pytest.raises(SecretsFileError, match="chmod 600"):
        load_secrets(tmp_path, ids)


@pytest.mark.parametrize("content", [SAMPLE, bytes(32), b"changeme" * 4, b"short", b"x" * 33])
def test_a_sample_or_a_wrong_size_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SecretsFileError):
        load_secrets(tmp_path, real_system().ids)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).symlink_to("/dev/zero")
    with pytest.raises(SecretsFileError):
        load_secrets(tmp_path, real_system().ids)


def test_what_is_sealed_opens_only_for_its_owner_and_only_whole(system: System) -> None:
    secrets = secrets_from(system.ids.random_bytes(32), system.ids)
    sealed = secrets.seal(b"record key", b"device 1")
    assert secrets.open(sealed, b"device 1") == b"record key"
    assert secrets.seal(b"record key", b"device 1") != sealed
    for damaged, owner in ((sealed, b"device 2"), (sealed[:-1], b"device 1"), (b"", b"device 1")):
        with pytest.raises(WrongKeyError):
            secrets.open(damaged, owner)


def test_the_derived_keys_differ_and_are_not_shown(system: System) -> None:
    secret = system.ids.random_bytes(32)
    secrets = secrets_from(secret, system.ids)
    assert len({secret, secrets.session_secret, secrets.identity.private_bytes_raw()}) == 3
    assert secrets.session_secret.hex() not in repr(secrets)
