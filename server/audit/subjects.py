"""Names for the objects of audit rows and approvals: `person:<id>` becomes the person's name. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from cardcore.ids import SiteId
from server.audit import subject_repository
from server.database import ReadSession

Reading = ReadSession
MAX_DETAILS = 200
"""Fields of one request or row that are shown."""
MAX_SHOWN_CHARACTERS = 300
HIDDEN = frozenset({"password_hash", "document_hash"})
"""Fields that help nobody who reads."""


def names_of(session: ReadSession, site_id: SiteId, objects: Iterable[str]) -> Mapping[str, str]:
    """Return the names of those objects that have one; a bare id is looked for in every kind."""
    wanted: dict[UUID, list[str]] = {}
    for subject in objects:
        found = _id_of(subject)
        if found is not None:
            wanted.setdefault(found, []).append(subject)
    names = subject_repository.names(session, site_id, list(wanted))
    return {subject: name for found, name in names.items() for subject in wanted[found]}


def candidates(values: Iterable[str]) -> Sequence[str]:
    """Return the values that are ids."""
    return [value for value in values if _id_of(value) is not None]


def named(value: str, names: Mapping[str, str]) -> str:
    """Return the name in the place of an id, where there is one."""
    return names.get(value, value)


def flattened(content: Any, path: str = "") -> list[tuple[str, str]]:  # noqa: ANN401 - whatever JSON holds
    """Return what a document says as (path, value), level by level, at most `MAX_DETAILS`."""
    found: list[tuple[str, str]] = []
    waiting: list[tuple[str, Any]] = [(path, content)] if content is not None else []
    while waiting and len(found) < MAX_DETAILS:
        name, value = waiting.pop(0)
        if isinstance(value, Mapping):
            pairs = [(f"{name}.{key}" if name else str(key), inner) for key, inner in value.items()]
            waiting[:0] = [(key, inner) for key, inner in pairs if key.rpartition(".")[2] not in HIDDEN]
        elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping | list | tuple) for inner in value):
            waiting[:0] = [(f"{name} {number}", inner) for number, inner in enumerate(value, 1)]
        elif isinstance(value, list | tuple):
            found.append((name, ", ".join(_text(inner) for inner in value)[:MAX_SHOWN_CHARACTERS]))
        else:
            found.append((name, _text(value)[:MAX_SHOWN_CHARACTERS]))
    return found


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "✓" if value else "✗"
    return str(value)


def _id_of(subject: str) -> UUID | None:
    try:
        return UUID(subject.rpartition(":")[2])
    except ValueError:
        return None
