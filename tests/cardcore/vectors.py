"""The public card vectors in `card_vectors.json`, by name, with bytes instead of hexadecimal."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*")


@cache
def _all() -> dict[str, dict[str, Any]]:
    document = json.loads(Path(__file__).with_name("card_vectors.json").read_text(encoding="utf-8"))
    return {each["name"]: each for each in document["vectors"]}


def names() -> list[str]:
    """Return every vector's name."""
    return list(_all())


def vector(name: str) -> dict[str, Any]:
    """Return inputs and expectations of one vector in one dictionary; hexadecimal texts become bytes."""
    entry = _all()[name]
    return {
        key: bytes.fromhex(value) if isinstance(value, str) and _HEX.fullmatch(value) else value
        for key, value in (entry["inputs"] | entry["expected"]).items()
    }
