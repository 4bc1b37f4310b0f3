"""The installation's one secret: 32 random bytes in `server.key`, from which every key of the server is derived.

HKDF-SHA-256 (RFC 5869) makes one key a purpose: the Ed25519 identity that daemons pin, the AES-256-GCM key that seals
device secrets in the database, the key that hashes document numbers, and the secret of the web's form tokens. Losing
the file means enrolling every device again; it belongs into the backup, apart from the database's. Refuses a file that
others may read, or a known sample.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cardcore.ids import IdSource

FILE_NAME = "server.key"
SECRET_BYTES = 32
NONCE_BYTES = 12
"""NIST SP 800-38D section 8.2: 96 bits; random, below 2^32 seals a key."""
FEWEST_DISTINCT_BYTES = 12
"""32 random bytes have about 30 distinct values and never so few; repeated and typed samples do."""
SAMPLE = bytes(range(SECRET_BYTES))
"""The key of the manuals: counts as no key."""


class SecretsFileError(Exception):
    """The secret file cannot be used; says what to type."""


class WrongKeyError(Exception):
    """Sealed data that this installation's secret does not open: another server.key, or altered data."""


@dataclass(frozen=True, slots=True)
class ServerSecrets:
    """What the secret file yields. Never printed."""

    identity: Ed25519PrivateKey = field(repr=False)
    session_secret: bytes = field(repr=False)
    document_secret: bytes = field(repr=False)
    """The key under which the numbers of identity documents are hashed."""
    _sealing: AESGCM = field(repr=False)
    _ids: IdSource = field(repr=False)

    @property
    def identity_public(self) -> bytes:
        """The 32-byte public key that daemons pin at enrolment."""
        return self.identity.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def seal(self, plain: bytes, belongs_to: bytes) -> bytes:
        """Return nonce (12), ciphertext and tag (16); opens only with the same `belongs_to`."""
        nonce = self._ids.random_bytes(NONCE_BYTES)
        return nonce + self._sealing.encrypt(nonce, plain, belongs_to)

    def open(self, sealed: bytes, belongs_to: bytes) -> bytes:
        """Return what was sealed; raises WrongKeyError."""
        try:
            return self._sealing.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], belongs_to)
        except (InvalidTag, ValueError) as error:
            msg = "sealed data does not open with this server.key: restore the key file that belongs to the database"
            raise WrongKeyError(msg) from error


def secrets_from(secret: bytes, ids: IdSource) -> ServerSecrets:
    """Derive every key from the 32 bytes."""
    return ServerSecrets(
        identity=Ed25519PrivateKey.from_private_bytes(_derived(secret, b"onecard identity 1")),
        session_secret=_derived(secret, b"onecard session 1"),
        document_secret=_derived(secret, b"onecard document 1"),
        _sealing=AESGCM(_derived(secret, b"onecard sealing 1")),
        _ids=ids,
    )


def load_secrets(data_dir: Path, ids: IdSource) -> ServerSecrets:
    """Read `data_dir`/server.key, or make it at the very first start. Raises SecretsFileError."""
    path = data_dir / FILE_NAME
    if not path.exists():
        _create(path, ids)
    return secrets_from(_checked(path), ids)


def check_secrets_file(path: Path) -> None:
    """Raise SecretsFileError when the file is missing, readable by others, of the wrong size, or a sample."""
    _checked(path)


def _create(path: Path, ids: IdSource) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{FILE_NAME}.{ids.random_bytes(8).hex()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(ids.random_bytes(SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(fresh, path)  # whole or not at all, and never over a key that another process just made
    fresh.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _checked(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}. Restore it from the backup, owned by the server's account"
        raise SecretsFileError(msg) from error
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        secret = file.read(SECRET_BYTES + 1)
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        msg = f"{path} can be read by other accounts. Type: chmod 600 {path}"
        raise SecretsFileError(msg)
    if about.st_uid not in {os.geteuid(), 0}:
        msg = f"{path} belongs to another account. Type: chown {os.geteuid()} {path}"
        raise SecretsFileError(msg)
    if len(secret) != SECRET_BYTES:
        msg = f"{path} must hold exactly {SECRET_BYTES} bytes, it holds {about.st_size}. Restore it from the backup"
        raise SecretsFileError(msg)
    if secret == SAMPLE or len(set(secret)) < FEWEST_DISTINCT_BYTES:
        msg = f"{path} holds a sample, not a secret. Delete it before the first device is enrolled; a new one is made"
        raise SecretsFileError(msg)
    return secret


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)
