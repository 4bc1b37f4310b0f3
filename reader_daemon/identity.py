"""Who this daemon is: its device key, the key that seals its records, and the server it trusts; one private file.

Keys never appear in a repr or a log.
"""

from __future__ import annotations

import stat
from pathlib import Path
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from cardcore.ids import DeviceId
from reader_daemon.store.private_file import replace_private
from reader_daemon.store.sqlite_file import sync_directory

IDENTITY_FILE = "identity.json"
KEY_BYTES = 32


class IdentityError(Exception):
    """There is no usable identity; the message says what to do."""


class Identity(Struct, frozen=True):
    """What enrolment left. `repr` hides the keys."""

    device: str
    site: str
    name: str
    private_key: bytes
    """Ed25519, 32 raw bytes."""
    record_key: bytes
    server_key: bytes
    """Ed25519 public key of the server, pinned at enrolment."""

    def __repr__(self) -> str:
        return f"Identity(device={self.device!r}, site={self.site!r}, name={self.name!r})"

    @property
    def device_id(self) -> DeviceId:
        """The device as an id."""
        return DeviceId(UUID(self.device))

    def signing_key(self) -> Ed25519PrivateKey:
        """Return the device key."""
        return Ed25519PrivateKey.from_private_bytes(self.private_key)


def save_identity(directory: Path, identity: Identity) -> Path:
    """Write the identity file durably and at once, readable by its owner only."""
    path = directory / IDENTITY_FILE
    replace_private(path, msgspec.json.encode(identity))
    sync_directory(directory)
    return path


def load_identity(directory: Path) -> Identity:
    """Read the identity file; raises IdentityError, also when others could read it."""
    path = directory / IDENTITY_FILE
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path}: {error.strerror}; enrol first: onecard-reader enrol CODE"
        raise IdentityError(msg) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        msg = f"{path}: others may read the device's keys (mode {stat.S_IMODE(mode):o}); run: chmod 600 {path}"
        raise IdentityError(msg)
    try:
        identity = msgspec.json.decode(content, type=Identity)
        UUID(identity.device)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        msg = f"{path}: no identity file ({error}); enrol again with a new code"
        raise IdentityError(msg) from error
    if {len(identity.private_key), len(identity.record_key), len(identity.server_key)} != {KEY_BYTES}:
        msg = f"{path}: a key has not {KEY_BYTES} bytes; enrol again with a new code"
        raise IdentityError(msg)
    return identity
