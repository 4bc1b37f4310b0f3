"""Settings of the server: `ONECARD_*` variables over an optional TOML file, read once at start.

Every refusal names the variable, what is allowed and what to type. Opens nothing and starts nothing.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from server.webhooks.targets import parse_targets

PREFIX = "ONECARD_"
CONFIG_VARIABLE = "ONECARD_CONFIG"
OTHER_PREFIXES = ("ONECARD_READER_", "ONECARD_MOCK_", "ONECARD_DEMO_", "ONECARD_BENCH_", "ONECARD_TEST_")
"""Variables of the other programs: none of ours, and no mistake."""
MAX_CONFIG_BYTES = 64 * 1024
BEHIND_PROXY = "behind-proxy"

_ALLOWED: Mapping[str, str] = {
    "database_url": "postgresql://USER:PASSWORD@HOST:PORT/NAME, or empty for the embedded PostgreSQL",
    "redis_url": "redis://HOST:PORT/0, rediss://... or unix:///PATH, or empty for a single process",
    "host": "an IP address or 'localhost'; 127.0.0.1 serves this machine alone",
    "port": "a number from 1 to 65535",
    "data_dir": "a folder that this account may write, e.g. /var/lib/onecard",
    "tls_certificate": "the path of a PEM file that can be read",
    "tls_key": "the path of a PEM file that can be read",
    "log_level": "one of debug, info, warning, error",
    "log_format": "json or console",
    "trusted_proxies": "IP addresses or networks with commas between, e.g. 127.0.0.1,10.0.0.0/8",
    "allow_plain_http": f"empty, or {BEHIND_PROXY} when a TLS proxy stands in front",
    "executor_threads": "a number from 2 to 64",
    "outbox_days": "a number from 1 to 365",
    "keys_passphrase_file": "the path of a file of 0600 with the passphrase of card.keys, or the PIN of the token",
    "keys_module": "the path of a PKCS#11 library, or empty to keep card keys in card.keys",
    "keys_token": "the label of the PKCS#11 token",
    "backup_dir": "a folder that this account may write, best on another disk, e.g. /mnt/backup/onecard",
    "backups_kept": "a number from 1 to 365",
    "webhook_targets": "https://HOST[:PORT][@NETWORK] with commas between, e.g. https://erp.lan@10.1.0.0/16",
    "webhook_ca_file": "the path of a PEM file that can be read",
    "wal_archive_dir": "a folder on another disk for the log of the embedded PostgreSQL, or empty",
}


class SettingsError(Exception):
    """Settings that cannot be used; `problems` holds one line for each, in words for the person who set them."""

    def __init__(self, problems: list[str]) -> None:
        """Take the lines."""
        super().__init__("\n".join(problems))
        self.problems = problems


def default_data_dir() -> Path:
    """Return where data lives when nobody said: /var/lib/onecard for root, the XDG data folder for others."""
    if os.geteuid() == 0:
        return Path("/var/lib/onecard")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "onecard"


class Settings(BaseSettings):
    """What differs from installation to installation. Immutable."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=False)

    database_url: str = ""
    redis_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    data_dir: Path = Field(default_factory=default_data_dir)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    trusted_proxies: str = ""
    allow_plain_http: Literal["", "behind-proxy"] = ""
    executor_threads: int = Field(default=8, ge=2, le=64)
    outbox_days: int = Field(default=14, ge=1, le=365)
    keys_passphrase_file: Path | None = None
    keys_module: Path | None = None
    keys_token: str = "onecard"  # noqa: S105 - the label of a PKCS#11 token
    backup_dir: Path | None = None
    backups_kept: int = Field(default=7, ge=1, le=365)
    wal_archive_dir: Path | None = None
    webhook_targets: str = ""
    webhook_ca_file: Path | None = None

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: str) -> str:
        return _with_scheme(value, "postgresql://", "postgres://", "postgresql+psycopg://")

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str) -> str:
        return _with_scheme(value, "redis://", "rediss://", "unix://")

    @field_validator("host")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value != "localhost":
            ipaddress.ip_address(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for part in filter(None, (part.strip() for part in value.split(","))):
            ipaddress.ip_network(part, strict=False)
        return value

    @field_validator("data_dir")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("backup_dir", "wal_archive_dir", mode="before")
    @classmethod
    def _is_folder(cls, value: object) -> object:
        return Path(str(value)).expanduser().absolute() if value else None

    @field_validator("webhook_targets")
    @classmethod
    def _are_targets(cls, value: str) -> str:
        parse_targets(value)
        return value

    @field_validator("tls_certificate", "tls_key", "webhook_ca_file", mode="before")
    @classmethod
    def _is_file(cls, value: object) -> object:
        if not value:
            return None
        try:
            with Path(str(value)).open("rb") as file:
                is_pem = b"-----BEGIN" in file.read(MAX_CONFIG_BYTES)
        except OSError as error:
            raise ValueError(error.strerror or "cannot be read") from error
        if not is_pem:
            msg = "holds no PEM data"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            msg = "ONECARD_TLS_CERTIFICATE and ONECARD_TLS_KEY go together: set both or neither"
            raise ValueError(msg)
        if not self.is_loopback and not self.has_tls and self.allow_plain_http != BEHIND_PROXY:
            msg = (
                f"ONECARD_HOST: {self.host} can be reached from other machines, and without TLS others "
                "read passwords and cards. Set ONECARD_TLS_CERTIFICATE and ONECARD_TLS_KEY, or ONECARD_HOST=127.0.0.1, "
                f"or ONECARD_ALLOW_PLAIN_HTTP={BEHIND_PROXY} when a TLS proxy stands in front"
            )
            raise ValueError(msg)
        return self

    @property
    def backups(self) -> Path:
        """Where backups are kept."""
        return self.backup_dir or self.data_dir / "backups"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    @property
    def has_tls(self) -> bool:
        """Whether this process itself speaks TLS."""
        return self.tls_certificate is not None

    @property
    def secure_origin(self) -> bool:
        """Whether browsers reach the server over https, so that cookies may be Secure."""
        return self.has_tls or self.allow_plain_http == BEHIND_PROXY

    def replaced(self, **changes: object) -> Settings:
        """Return a copy with some values replaced; checked again, whatever the environment says."""
        return Settings.model_construct(**{**self.model_dump(), **changes})


def load_settings(config: Path | None = None) -> Settings:
    """Read the settings. `config` or ONECARD_CONFIG names a TOML file. Raises SettingsError."""
    named = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    values = _read_toml(named) if named is not None else {}
    values = {name: value for name, value in values.items() if PREFIX + name.upper() not in os.environ}
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError([_explained(dict(problem), named) for problem in error.errors()]) from None


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return a line for each ONECARD_ variable that means nothing: a slip of the pen changes nothing silently."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE}
    lines = []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name.startswith(OTHER_PREFIXES) or name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        lines.append(f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    return lines


def _with_scheme(value: str, *schemes: str) -> str:
    if value and not value.startswith(schemes):
        msg = f"begins with none of {', '.join(schemes)}"
        raise ValueError(msg)
    return value


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            values = tomllib.loads(file.read(MAX_CONFIG_BYTES).decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError([f"{path}: {error}. Mend the file, or unset {CONFIG_VARIABLE}"]) from error
    return values


def _explained(problem: dict[str, Any], config: Path | None) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    said = str(problem["msg"]).removeprefix("Value error, ")
    if not name:
        return said
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, _ALLOWED, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(_ALLOWED)}"
        return f"{config}: {name!r} is no setting{hint}"
    where = PREFIX + name.upper()
    given = "" if name.endswith("_url") else f"{str(problem['input'])[:80]!r}: "  # an address may hold a password
    origin = f" (or {name} in {config})" if config is not None and where not in os.environ else ""
    return f"{where}{origin}: {given}{said}. Allowed: {_ALLOWED[name]}"
