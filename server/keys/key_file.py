"""The sealed file of the masters: `card.keys`, 0600, worthless without the passphrase or enough shares.

A random file key seals the masters (AES-256-GCM); the passphrase, stretched with scrypt (RFC 7914), seals the file
key. The shares of the ceremony are shares of the file key, so they open every later copy of the file too. Names, check
values and public keys stand in clear, so that status needs no passphrase; they are bound to the sealed part.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Struct

from server.keys.names import IssuerRow, MasterRow

FILE_NAME = "card.keys"
FORMAT = "onecard-keys-1"
FILE_KEY_BYTES = 32
SALT_BYTES = 16
NONCE_BYTES = 12
CEREMONY_BYTES = 4
MIN_PASSPHRASE = 15
"""Characters, as for staff (SP 800-63B-4, a password that stands alone)."""
SCRYPT_COST = 2**16
"""64 MiB and about 0.2 s a try."""
SCRYPT_LEAST_COST = 2**14
SCRYPT_MOST_COST = 2**20
MAX_FILE_BYTES = 1024 * 1024

RandomBytes = Callable[[int], bytes]


class KeyFileError(Exception):
    """The key file cannot be used; says what to do, and nothing of its content."""


class Stretching(Struct, frozen=True):
    """How the passphrase is stretched: scrypt with r = 8, p = 1."""

    cost: int
    salt: bytes


class PublicPart(Struct, frozen=True):
    """What may be read without the passphrase."""

    ceremony: bytes
    masters: tuple[MasterRow, ...] = ()
    issuers: tuple[IssuerRow, ...] = ()


class SealedFile(Struct, frozen=True):
    """The file as it is written: JSON."""

    format: str
    stretching: Stretching
    wrapped_key: bytes
    public: PublicPart
    body: bytes


class SecretPart(Struct, frozen=True):
    """What is sealed: masters and issuer keys by name. Never printed."""

    masters: dict[str, bytes] = {}
    issuers: dict[str, bytes] = {}

    def __repr__(self) -> str:
        """Show how many, and none of them."""
        return f"SecretPart({len(self.masters)} masters, {len(self.issuers)} issuers)"


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """An opened file: the key to seal it again with, and both its parts."""

    file_key: bytes = field(repr=False)
    stretching: Stretching
    wrapped_key: bytes = field(repr=False)
    public: PublicPart
    secret: SecretPart = field(repr=False)

    def changed(
        self, masters: Mapping[MasterRow, bytes] | None = None, issuers: Mapping[IssuerRow, bytes] | None = None
    ) -> OpenedFile:
        """Return the file with further keys in it."""
        masters, issuers = masters or {}, issuers or {}
        public = PublicPart(self.public.ceremony, (*self.public.masters, *masters), (*self.public.issuers, *issuers))
        secret = SecretPart(
            {**self.secret.masters, **{row.name: key for row, key in masters.items()}},
            {**self.secret.issuers, **{row.site: key for row, key in issuers.items()}},
        )
        return OpenedFile(self.file_key, self.stretching, self.wrapped_key, public, secret)


def new_file(passphrase: str, random_bytes: RandomBytes, cost: int = SCRYPT_COST) -> OpenedFile:
    """Return an empty file under a fresh file key. Raises KeyFileError for a passphrase that is too short."""
    file_key, ceremony = random_bytes(FILE_KEY_BYTES), random_bytes(CEREMONY_BYTES)
    stretching, wrapped = wrapped_file_key(file_key, passphrase, ceremony, random_bytes, cost)
    return OpenedFile(file_key, stretching, wrapped, PublicPart(ceremony), SecretPart())


def wrapped_file_key(
    file_key: bytes, passphrase: str, ceremony: bytes, random_bytes: RandomBytes, cost: int = SCRYPT_COST
) -> tuple[Stretching, bytes]:
    """Return the file key sealed under a passphrase. Raises KeyFileError for one that is too short."""
    if len(passphrase) < MIN_PASSPHRASE:
        msg = f"use a passphrase of at least {MIN_PASSPHRASE} characters"
        raise KeyFileError(msg)
    stretching = Stretching(cost, random_bytes(SALT_BYTES))
    return stretching, _sealed(_stretched(passphrase, stretching), file_key, _wrap_label(ceremony), random_bytes)


def resealed(opened: OpenedFile, passphrase: str, random_bytes: RandomBytes, cost: int = SCRYPT_COST) -> OpenedFile:
    """Return the file under a new passphrase; the shares stay good."""
    ceremony = opened.public.ceremony
    stretching, wrapped = wrapped_file_key(opened.file_key, passphrase, ceremony, random_bytes, cost)
    return OpenedFile(opened.file_key, stretching, wrapped, opened.public, opened.secret)


def sealed_file(opened: OpenedFile, random_bytes: RandomBytes) -> SealedFile:
    """Return the file ready to be written."""
    body = _sealed(opened.file_key, msgspec.msgpack.encode(opened.secret), _body_label(opened.public), random_bytes)
    return SealedFile(FORMAT, opened.stretching, opened.wrapped_key, opened.public, body)


def open_with_passphrase(sealed: SealedFile, passphrase: str) -> OpenedFile:
    """Open the file. Raises KeyFileError for the wrong passphrase or an altered file."""
    try:
        label = _wrap_label(sealed.public.ceremony)
        file_key = _opened(_stretched(passphrase, sealed.stretching), sealed.wrapped_key, label)
    except InvalidTag:
        msg = "the passphrase is wrong, or the file belongs to another ceremony"
        raise KeyFileError(msg) from None
    return open_with_file_key(sealed, file_key)


def open_with_file_key(sealed: SealedFile, file_key: bytes) -> OpenedFile:
    """Open the file with what the shares gave. Raises KeyFileError when they are not of this file, or too few."""
    try:
        secret = msgspec.msgpack.decode(_opened(file_key, sealed.body, _body_label(sealed.public)), type=SecretPart)
    except (InvalidTag, msgspec.DecodeError, ValueError):
        msg = "the keys do not open: the file was altered, or the shares are too few or of another ceremony"
        raise KeyFileError(msg) from None
    if set(secret.masters) != {row.name for row in sealed.public.masters}:
        msg = "the list of keys does not match the keys"
        raise KeyFileError(msg)
    return OpenedFile(file_key, sealed.stretching, sealed.wrapped_key, sealed.public, secret)


def read_key_file(path: Path) -> SealedFile:
    """Read a file; refuses one that others may read, is too large or is no key file. Raises KeyFileError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}. `onecard keys ceremony` makes it"
        raise KeyFileError(msg) from None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        content = file.read(MAX_FILE_BYTES + 1)
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        msg = f"{path} can be read by other accounts. Type: chmod 600 {path}"
        raise KeyFileError(msg)
    try:
        sealed = msgspec.json.decode(content[:MAX_FILE_BYTES], type=SealedFile)
    except (msgspec.DecodeError, ValueError):
        msg = f"{path} is no key file. Restore it from the backup"
        raise KeyFileError(msg) from None
    if sealed.format != FORMAT or not SCRYPT_LEAST_COST <= sealed.stretching.cost <= SCRYPT_MOST_COST:
        msg = f"{path} has a format this version does not know"
        raise KeyFileError(msg)
    return sealed


def write_key_file(path: Path, sealed: SealedFile, random_bytes: RandomBytes) -> None:
    """Write the file whole or not at all, 0600, in place of an older one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{random_bytes(8).hex()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(sealed))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _stretched(passphrase: str, stretching: Stretching) -> bytes:
    kdf = Scrypt(salt=stretching.salt, length=FILE_KEY_BYTES, n=stretching.cost, r=8, p=1)
    return kdf.derive(passphrase.encode())


def _wrap_label(ceremony: bytes) -> bytes:
    return b"onecard file key 1" + ceremony


def _body_label(public: PublicPart) -> bytes:
    return b"onecard masters 1" + msgspec.json.encode(public)


def _sealed(key: bytes, plain: bytes, label: bytes, random_bytes: RandomBytes) -> bytes:
    nonce = random_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, label)


def _opened(key: bytes, sealed: bytes, label: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], label)
