"""Reads the mapping of an accounting program's voucher file: columns, limits, chart of accounts."""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

BUILT_IN = ("yonyou_u8", "kingdee")
FIELDS = frozenset(
    [
        "day",
        "year",
        "month",
        "day_of_month",
        "kind",
        "number",
        "attachments",
        "line",
        "summary",
        "account",
        "debit",
        "credit",
        "maker",
    ]
)
MAX_BYTES = 100_000
MAX_COLUMNS = 100


class MappingError(ValueError):
    """A mapping file says something that cannot be used; the text says where and what to write."""


@dataclass(frozen=True, slots=True)
class VoucherMapping:
    """How vouchers are written for one program."""

    name: str
    encoding: str
    separator: str
    voucher_kind: str
    maker: str
    zeros_are_blank: bool
    columns: tuple[tuple[str, str], ...]
    """(title, template)."""
    accounts: Mapping[str, str]
    """`role/name` or `role` -> account code."""
    max_number: int
    max_summary: int
    max_account: int

    def account_code(self, role: str, name: str) -> str | None:
        """Return the code of an account: its own, else its role's."""
        return self.accounts.get(f"{role}/{name}") or self.accounts.get(role)


def load_mapping(named: str) -> VoucherMapping:
    """Return a built-in mapping by its name, or the one in a file. Raises MappingError."""
    if named in BUILT_IN:
        content = (resources.files("server.exports.mappings") / f"{named}.toml").read_bytes()
    else:
        path = Path(named)
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            msg = f"{named} is neither {' nor '.join(BUILT_IN)} nor a mapping file of at most {MAX_BYTES} bytes"
            raise MappingError(msg)
        content = path.read_bytes()
    try:
        return read_mapping(tomllib.loads(content.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{named} is no TOML file in UTF-8: {error}"
        raise MappingError(msg) from error


def read_mapping(document: Mapping[str, Any]) -> VoucherMapping:
    """Check and return a mapping. Raises MappingError."""
    columns = document.get("columns", [])
    if not isinstance(columns, list) or not 0 < len(columns) <= MAX_COLUMNS:
        msg = f"a mapping has 1 to {MAX_COLUMNS} [[columns]]"
        raise MappingError(msg)
    limits, accounts = document.get("limits", {}), document.get("accounts", {})
    encoding, separator = str(document.get("encoding", "utf-8-sig")), str(document.get("separator", ","))
    if not _encodes(encoding) or separator not in {",", "\t", ";"}:
        msg = f"encoding {encoding!r} or separator {separator!r} is not known: utf-8-sig or gb18030; a comma or a tab"
        raise MappingError(msg)
    return VoucherMapping(
        name=str(document.get("name", "")),
        encoding=encoding,
        separator=separator,
        voucher_kind=str(document.get("voucher_kind", "记")),
        maker=str(document.get("maker", "")),
        zeros_are_blank=document.get("money", "blank") == "blank",
        columns=tuple(_column(number, column) for number, column in enumerate(columns, 1)),
        accounts={str(key): str(code) for key, code in accounts.items()},
        max_number=int(limits.get("number", 30)),
        max_summary=int(limits.get("summary", 60)),
        max_account=int(limits.get("account", 15)),
    )


def _encodes(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True


def _column(number: int, column: Any) -> tuple[str, str]:  # noqa: ANN401 - whatever stands in the file
    if not isinstance(column, dict) or "title" not in column or "value" not in column:
        msg = f"column {number} needs title and value"
        raise MappingError(msg)
    template = str(column["value"])
    try:
        template.format(**dict.fromkeys(FIELDS, ""))
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        msg = f"column {number}: {template!r} uses a field that there is not; fields are {', '.join(sorted(FIELDS))}"
        raise MappingError(msg) from error
    return str(column["title"]), template
