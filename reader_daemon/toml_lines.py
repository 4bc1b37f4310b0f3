"""In which line of a TOML text a key stands, for error messages; tomllib gives positions for broken syntax only."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*\[(\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-]+)\s*=")


def line_of(text: str, path: tuple[str | int, ...]) -> int:
    """Return the line (from 1) of the key at `path`, or of its nearest table, or 1.

    A path is made of names and, for arrays of tables, positions: ("osdp_bus", 0, "reader", 1, "address").
    """
    best_line, best_depth = 1, 0
    counts: dict[tuple[str, ...], int] = {}
    here: tuple[str | int, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header is not None:
            here = _table_path(tuple(header[2].split(".")), counts, is_array=bool(header[1]))
            found = here
        else:
            key = _KEY.match(line)
            if key is None:
                continue
            found = (*here, key[1])
        if found == path[: len(found)] and len(found) > best_depth:
            best_line, best_depth = number, len(found)
    return best_line


def _table_path(names: tuple[str, ...], counts: dict[tuple[str, ...], int], *, is_array: bool) -> tuple[str | int, ...]:
    if is_array:
        counts[names] = counts.get(names, -1) + 1
        for inner in [each for each in counts if len(each) > len(names) and each[: len(names)] == names]:
            del counts[inner]
    path: list[str | int] = []
    for depth, name in enumerate(names, 1):
        path.append(name)
        if names[:depth] in counts:
            path.append(counts[names[:depth]])
    return tuple(path)
