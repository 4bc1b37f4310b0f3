"""The vaults of the key service's tests: one of each backend, with the same keys in both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.keys.hsm import HsmVault
from server.keys.key_file import OpenedFile
from server.keys.software import SoftwareVault
from server.keys.vault import Vault
from tests.server.keys import key_site


@pytest.fixture(scope="session")
def opened_file() -> OpenedFile:
    """Return the opened key file of a site."""
    return key_site.key_file()


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory, opened_file: OpenedFile) -> Iterator[HsmVault]:
    """Return a vault over a SoftHSM token of this test process's own, loaded with the keys of the file."""
    before = os.environ.get("SOFTHSM2_CONF")
    key_site.private_token(tmp_path_factory.mktemp("softhsm"))
    vault = HsmVault(key_site.softhsm_module(), key_site.TOKEN, key_site.PIN, opened_file.public)
    vault.load(opened_file)
    yield vault
    vault.close()
    os.environ.pop("SOFTHSM2_CONF") if before is None else os.environ.update(SOFTHSM2_CONF=before)


@pytest.fixture(params=["software", "pkcs11"])
def vault(request: pytest.FixtureRequest, opened_file: OpenedFile) -> Iterator[Vault]:
    """Return each backend in turn."""
    if request.param == "pkcs11":
        yield request.getfixturevalue("token")
        return
    software = SoftwareVault(opened_file)
    yield software
    software.close()


@pytest.fixture
def key_path(tmp_path: Path) -> Path:
    """Return where a test's key file goes."""
    return tmp_path / "card.keys"
