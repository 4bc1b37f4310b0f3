"""Opening the key service at start: which backend, and where its passphrase or PIN comes from.

The secret is read from a file of 0600 (`ONECARD_KEYS_PASSPHRASE_FILE`) or from systemd's credential `onecard-keys`, and
from nowhere else: a variable would stand in every child's environment. Without one the server runs, and cards
that prove themselves with AES keys are refused until it is there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import structlog

from server.keys.key_file import FILE_NAME, KeyFileError, open_with_passphrase, read_key_file
from server.keys.software import SoftwareVault
from server.keys.vault import Vault, VaultError

CREDENTIAL = "onecard-keys"
MAX_SECRET_BYTES = 1024

log = structlog.get_logger(__name__)


def open_vault(
    folder: Path, secret_file: Path | None, module: Path | None, token: str, environment: Mapping[str, str]
) -> Vault | None:
    """Return the vault, or None when no ceremony was held or no secret is given. Raises KeyFileError, VaultError."""
    path = folder / FILE_NAME
    if not path.exists():
        return None
    secret = unlocking_secret(secret_file, environment)
    if secret is None:
        log.warning("card_keys_locked", file=str(path), advice=f"give the passphrase as credential {CREDENTIAL}")
        return None
    sealed = read_key_file(path)
    if module is None:
        return SoftwareVault(open_with_passphrase(sealed, secret))
    try:
        from server.keys.hsm import HsmVault  # noqa: PLC0415 - needs python-pkcs11, which only sites with a token have
    except ImportError:
        msg = "ONECARD_KEYS_MODULE is set but python-pkcs11 is missing: pip install 'onecard[hsm]'"
        raise VaultError(msg) from None
    return HsmVault(module, token, secret, sealed.public)


def unlocking_secret(secret_file: Path | None, environment: Mapping[str, str]) -> str | None:
    """Return the passphrase or PIN from the file, or from systemd's credential; None where there is none."""
    folder = environment.get("CREDENTIALS_DIRECTORY", "")
    path = secret_file or (Path(folder) / CREDENTIAL if folder else None)
    if path is None or (secret_file is None and not path.exists()):
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise KeyFileError(msg) from None
    with os.fdopen(descriptor, "rb") as file:
        mode, content = os.fstat(file.fileno()).st_mode, file.read(MAX_SECRET_BYTES + 1)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        msg = f"{path} can be read by other accounts. Type: chmod 600 {path}"
        raise KeyFileError(msg)
    try:
        secret = content[:MAX_SECRET_BYTES].decode().rstrip("\r\n")
    except UnicodeDecodeError:
        msg = f"{path} must hold the passphrase as text"
        raise KeyFileError(msg) from None
    if not secret or len(content) > MAX_SECRET_BYTES:
        msg = f"{path} must hold one line of 1 to {MAX_SECRET_BYTES} bytes"
        raise KeyFileError(msg)
    return secret
