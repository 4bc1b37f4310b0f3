"""What a request says, ready to be shown: names for ids, amounts as amounts. Reads only; decides nothing.

The field names are those of the operation's content (`server.approvals.models.Operation`); pages have a word for each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from cardcore.access.items import Product
from cardcore.ids import SiteId
from cardcore.money import Fen
from server.approvals import repository
from server.approvals.models import Request
from server.database import ReadSession, WriteSession
from server.ledger.merging import KINDS as PURSE_KINDS
from server.subsidies.batches import BatchKind
from server.subsidies.plans import PlanMode

PEOPLE = frozenset({"account", "source", "target", "person", "host"})
HIDDEN = frozenset({"batch", "device", "permit", "content_hash", "password_hash"})
"""Ids and sums that say nothing to a reader; what they stand for is told by the fields beside them."""
ALL_LEFT = "all_left"
"""What stands in the place of an amount of nothing: a refund of all that is left of a charge."""
OF_CHARGE = ("account", "till", "charged_at", "charged_fen")
"""What stands in the place of a charge's id."""
WORDS = frozenset(str(word) for kind in (Product, BatchKind, PlanMode) for word in kind) | set(PURSE_KINDS)
"""Values for which pages have a word."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", re.ASCII)


class ToldKind(StrEnum):
    """How a value is shown."""

    TEXT = "text"
    MONEY = "money"
    MOMENT = "moment"
    DAY = "day"
    YES_OR_NO = "yes_or_no"
    WORD = "word"
    """A member of one of the enumerations in `WORDS`."""


@dataclass(frozen=True, slots=True)
class Told:
    """One field of a request: text, `Fen`, an aware instant, a day or a bool, as `kind` says."""

    field: str
    kind: ToldKind
    value: object


def told(session: ReadSession | WriteSession, site_id: SiteId, requests: Sequence[Request]) -> list[tuple[Told, ...]]:
    """Return the fields of each request, in the order in which its operation declares them."""
    contents = [request.content for request in requests]
    people = repository.people_named(session, site_id, _ids(contents, PEOPLE))
    cards = repository.cards_named(session, site_id, _ids(contents, frozenset({"card"})))
    charges = repository.charges_named(session, site_id, _ids(contents, frozenset({"charge"})))
    named = people | cards | repository.staff_named(session, site_id, _ids(contents, frozenset({"staff"})))
    found = []
    for content in contents:
        fields: list[Told] = []
        for field, value in content.items():
            if field == "charge" and UUID(str(value)) in charges:
                charge = charges[UUID(str(value))]
                values = (charge["holder"], charge["till"], charge["at"], Fen(charge["amount_fen"]))
                kinds = (ToldKind.TEXT, ToldKind.TEXT, ToldKind.MOMENT, ToldKind.MONEY)
                fields += [Told(*one) for one in zip(OF_CHARGE, kinds, values, strict=True)]
            elif field == "amount_fen" and value == 0:
                fields.append(Told(ALL_LEFT, ToldKind.YES_OR_NO, value=True))
            elif field not in HIDDEN:
                fields.append(_told(field, value, named, counts_meals=content.get("kind") == "meals"))
        found.append(tuple(fields))
    return found


def _told(field: str, value: object, named: Mapping[UUID, str], *, counts_meals: bool) -> Told:
    if isinstance(value, bool):
        return Told(field, ToldKind.YES_OR_NO, value)
    if field.endswith("_fen") and not counts_meals:
        return Told(field, ToldKind.MONEY, Fen(int(str(value))))
    if isinstance(value, list):
        return Told(field, ToldKind.TEXT, ", ".join(_short(item) for item in value))
    text = "" if value is None else str(value)
    if text in WORDS:
        return Told(field, ToldKind.WORD, text)
    identity = _uuid(text)
    if identity is not None:
        return Told(field, ToldKind.TEXT, named.get(identity, text))
    if _DAY.fullmatch(text):
        return Told(field, ToldKind.DAY, date.fromisoformat(text))
    if _MOMENT.match(text):
        return Told(field, ToldKind.MOMENT, datetime.fromisoformat(text))
    return Told(field, ToldKind.TEXT, text)


def _short(item: object) -> str:
    return " ".join(str(part) for part in item.values()) if isinstance(item, Mapping) else str(item)


def _ids(contents: Sequence[Mapping[str, Any]], fields: frozenset[str]) -> list[UUID]:
    values = (_uuid(str(content[field])) for content in contents for field in fields & content.keys())
    return [value for value in values if value is not None]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
