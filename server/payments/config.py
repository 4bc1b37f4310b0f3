"""Which payment providers a server has: `payments.toml` in its data folder, for its own account only.

[[provider]]
name = "bank-a"
url = "https://pay.example/onecard"
key_hex = "64 or more hex digits, agreed with the provider"
"""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path

from server.payments.http_provider import HttpProvider
from server.settings import SettingsError
from server.system import System

FILE = "payments.toml"
MAX_FILE_BYTES = 64 * 1024
MAX_PROVIDERS = 10
FIELDS = frozenset({"name", "url", "key_hex"})
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


def load_providers(data_dir: Path, system: System) -> dict[str, HttpProvider]:
    """Read the providers by name; none when there is no file. Raises SettingsError that names file and field."""
    file = data_dir / FILE
    if not file.exists():
        return {}
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise SettingsError([f"{file} holds keys: chmod 600 {file}"])
    try:
        tables = tomllib.loads(file.read_bytes()[:MAX_FILE_BYTES].decode()).get("provider", [])
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError([f"{file} is no TOML: {error}"]) from error
    if not isinstance(tables, list) or len(tables) > MAX_PROVIDERS:
        raise SettingsError([f"{file} has 1 to {MAX_PROVIDERS} tables [[provider]]"])
    found: dict[str, HttpProvider] = {}
    for number, table in enumerate(tables, 1):
        provider = _provider(table, f"{file}, provider {number}", system)
        if provider.name in found:
            raise SettingsError([f"{file}: {provider.name} is there twice"])
        found[provider.name] = provider
    return found


def _provider(table: object, place: str, system: System) -> HttpProvider:
    if not isinstance(table, dict) or set(table) != FIELDS or not all(isinstance(one, str) for one in table.values()):
        raise SettingsError([f"{place}: give the texts {', '.join(sorted(FIELDS))} and nothing else"])
    if not _NAME.fullmatch(table["name"]):
        raise SettingsError([f"{place}: a name has 1 to 32 small letters, digits and dashes"])
    try:
        return HttpProvider(table["name"], table["url"], bytes.fromhex(table["key_hex"]), system)
    except ValueError as error:
        raise SettingsError([f"{place}: {error}"]) from error
