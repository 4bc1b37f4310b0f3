"""Reads the templates as source: which texts they ask for, and what stands in them literally."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import admin_web
from admin_web.area import Group
from admin_web.i18n import Language, load_catalogue
from admin_web.pages.closes import FindingOwner
from admin_web.pages.issuing import STEPS
from cardcore.access.items import Product
from cardcore.calendar import DayKind
from server.approvals.operations import OPERATIONS
from server.approvals.wording import ALL_LEFT, HIDDEN, OF_CHARGE, WORDS
from server.issuing.models import JobState
from server.ledger.roles import TransferKind
from server.people.drafts import COLUMNS
from server.reports.rows import PurseKind
from server.reports.sums import Dimension
from server.subsidies.cells import SheetProblem

PROBLEMS = ("missing", "too_long", "unknown", "formula", "twice", "taken", "unreadable", "incomplete")
"""Of a row (`server.people.import_rows.RowProblem`)."""
ROOT = Path(admin_web.__file__).parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SOURCES = sorted(ROOT.rglob("*.py"))

JINJA = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
ASKED = re.compile(r"""\bt\(\s*["']([a-z_]+\.[A-Za-z0-9_.]+|brand)["']\s*[,)]""")
ASKED_IN_CODE = re.compile(r"""["']((?:hint|login|overview)\.(?!html)[a-z_]+)["']""")
QUOTED = re.compile(r"""["']([a-z_]+\.[A-Za-z0-9_.]+)["']""")
KNOWN = load_catalogue(Language.ENGLISH).keys()
CONTENT = {field for operation in OPERATIONS.values() for field in operation.content.__struct_fields__}
CHOSEN = {
    "issuing.step_": STEPS,
    "job_state.": tuple(JobState),
    "product.": tuple(Product),
    "people_import.": ("missing_column", "column_twice"),
    "people_import.action_": ("create", "change", "same", "refused"),
    "people_import.column_": COLUMNS,
    "people_import.problem_": PROBLEMS,
    "sheet_problem.": tuple(SheetProblem),
    "operation.": tuple(OPERATIONS),
    "content.": tuple((CONTENT - HIDDEN) | {*OF_CHARGE, ALL_LEFT}),
    "transfer_kind.": tuple(TransferKind),
    "purse_kind.": tuple(PurseKind),
    "finding_owner.": tuple(FindingOwner),
    "dimension.": tuple(Dimension),
    "batch_state.": ("draft", "booked", "reversed", "dropped"),
    "word.": tuple(WORDS),
    "group.": tuple(group.value for group in Group),
    "error.title.": ("400", "403", "404", "405", "503"),
    "error.hint.": ("400", "403", "404", "405", "503"),
    "order.": ("waiting", "no_answer", "done", "refused", "expired", "unknown"),
    "reader_key.": ("none", "installing", "own", "rolling", "heard"),
    "weekday.": tuple("0123456"),
    "day_kind.": tuple(DayKind),
    "decision.": ("granted", "refused", "alarm"),
}
"""Keys that templates put together."""
FORMAT_KEYS = {"age.seconds", "age.minutes", "age.hours", "age.days"}
TELLING = ("aria-label", "title", "placeholder", "alt", "value", "content")
"""Attributes that a visitor may see or hear."""


def keys_asked_for() -> set[str]:
    """Return every catalogue key that templates and code ask for; fails on a composed key it does not know."""
    keys: set[str] = set()
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        keys |= set(ASKED.findall(text))
        for prefix in re.findall(r"""\bt\(["']([a-z_.]+)["']\s*~""", text):
            keys |= {prefix + ending for ending in CHOSEN[prefix]}
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        keys |= set(ASKED_IN_CODE.findall(text)) | (KNOWN & set(QUOTED.findall(text)))
        # a step says at its end what was done, by the last part of the key alone
        keys |= {f"said.{name}" for name in re.findall(r"""\bsaid=["']([a-z_.]+)["']""", text)}
    return keys


class Markup(HTMLParser):
    """Collects elements and literal words of a template without its Jinja parts."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(JINJA.sub(" ", source))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if re.search(r"\w", data) and "kbd" not in self._open:
            self.words.append(data.strip())
