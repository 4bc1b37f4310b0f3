"""People and their cards from a sheet (A12): a dry run that says what each row would do, then all of it or nothing.

The dry run and the import read the same bytes with the same function; the import wants the seal of the dry run that a
person looked at, so that neither the file nor the site can have changed in between without being seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import RowMapping

from cardcore.ids import CardId, PersonId, SiteId
from server.audit.service import Deed, record
from server.cards import repository as card_rows
from server.cards.service import CardRefusal, NewCard, issue_card
from server.database import ReadSession, WriteSession
from server.people import repository
from server.people.import_rows import Known, RowProblem, Wanted, chosen_columns, columns_of, wanted_of
from server.people.service import NewPerson, person_row
from server.policy import service as policy
from server.subsidies.cells import SheetProblem, Unreadable, read_sheet
from server.system import System

MAX_PEOPLE = 5_000
"""Rows of one import; a larger staff takes several files."""
MAX_REPORTED = 200
"""Problems of one report; the rest is counted."""


@dataclass(frozen=True, slots=True)
class RowReport:
    """What is, or was, done with one row; `problem` and `column` say why not, `value` what stood there."""

    row: int
    number: str
    action: str
    """`create`, `change`, `same` or `refused`."""
    column: str = ""
    problem: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The outcome for a whole file."""

    file_problem: str = ""
    """Why the file cannot be read at all: a `SheetProblem`, or `missing_column` and which."""
    file_row: int = 0
    rows: tuple[RowReport, ...] = ()
    refused: int = 0
    seal: str = ""
    """Of what would be done; to be given to `import_people`. Empty when anything is refused."""

    @property
    def counts(self) -> dict[str, int]:
        """How many rows of each action."""
        found: dict[str, int] = {}
        for row in self.rows:
            found[row.action] = found.get(row.action, 0) + 1
        return found


class StaleReportError(Exception):
    """What would be done now is not what the dry run said; look at a new one."""


def dry_run(
    session: ReadSession | WriteSession, site_id: SiteId, content: bytes, columns: Mapping[str, int] | None = None
) -> ImportReport:
    """Say what an import of this file would do; changes nothing. `columns` says where they stand, else the headers."""
    return _looked_at(session, site_id, content, columns)[0]


def import_people(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    content: bytes,
    seal: str,
    actor: str,
    columns: Mapping[str, int] | None = None,
) -> ImportReport:
    """Do what the dry run with this seal said. Raises StaleReportError, and nothing is done, when that has changed."""
    report, wanted = _looked_at(session, site_id, content, columns)
    if not report.seal or report.seal != seal:
        raise StaleReportError
    by_row = {one.row: one for one in wanted}
    created = [by_row[row.row] for row in report.rows if row.action == "create"]
    changed = [by_row[row.row] for row in report.rows if row.action == "change"]
    ids = {one.number: PersonId(system.ids.uuid7()) for one in created}
    now = system.clock.now()
    rows = [{**person_row(site_id, ids[one.number], _person(one)), "created_at": now} for one in created]
    if rows:
        repository.insert_people(session, rows)
    refreshed = _change(session, site_id, changed)
    after = {**report.counts, "seal": seal, "created": [str(one) for one in ids.values()]}
    record(session, system, site_id, Deed(actor, "people_imported", "people:import", after=after))
    for one in created:
        if one.card is not None:
            card = NewCard(one.card.number, one.card.product, (one.card.credential,), ids[one.number])
            issued = issue_card(session, system, site_id, card, actor)
            assert not isinstance(issued, CardRefusal), "checked with all other rows before anything was written"
    if refreshed:
        policy.refresh_cards(session, system, site_id, refreshed)
    return report


def _looked_at(
    session: ReadSession | WriteSession, site_id: SiteId, content: bytes, chosen: Mapping[str, int] | None
) -> tuple[ImportReport, Sequence[Wanted]]:
    sheet = read_sheet(content)
    if isinstance(sheet, Unreadable):
        return ImportReport(sheet.problem, sheet.row), ()
    columns = columns_of(sheet[0]) if chosen is None else chosen_columns(chosen, len(sheet[0].cells))
    if isinstance(columns, Unreadable | str):
        problem = columns if isinstance(columns, str) else columns.problem
        return ImportReport(problem, sheet[0].number), ()
    if len(sheet) - 1 > MAX_PEOPLE:
        return ImportReport(SheetProblem.TOO_MANY_ROWS, sheet[-1].number), ()
    if len(sheet) == 1:
        return ImportReport(SheetProblem.EMPTY, sheet[0].number), ()
    known = _known(session, site_id)
    read = [wanted_of(row, columns, known) for row in sheet[1:]]
    wanted = [one for one in read if isinstance(one, Wanted)]
    problems = [one for one in read if isinstance(one, RowProblem)] + _clashes(session, site_id, wanted)
    refused = {one.row for one in problems}
    people = repository.by_numbers(session, site_id, [one.number for one in wanted])
    rows = [_reported(one, people.get(one.number)) for one in wanted if one.row not in refused]
    rows += [RowReport(one.row, one.number, "refused", one.column, one.problem, one.value) for one in problems]
    rows.sort(key=lambda row: (row.action != "refused", row.row))
    shown = tuple(rows[:MAX_REPORTED]) if refused else tuple(rows)
    seal = "" if refused else _seal(site_id, content, rows)
    return ImportReport(rows=shown, refused=len(refused), seal=seal), wanted


def _known(session: ReadSession | WriteSession, site_id: SiteId) -> Known:
    return Known(
        _names(repository.category_rows(session, site_id)), _names(repository.department_rows(session, site_id))
    )


def _names(rows: repository.Rows) -> Mapping[str, str]:
    """Map ids and names in both languages, in small letters, to ids."""
    found: dict[str, str] = {}
    for row in rows:
        for name in (row["name_en"], row["name_zh"], row["id"]):
            if name:
                found[name.strip().lower()] = row["id"]
    return found


def _clashes(session: ReadSession | WriteSession, site_id: SiteId, wanted: Sequence[Wanted]) -> list[RowProblem]:
    """Find numbers and credentials that stand twice in the file, or that a card has already."""
    problems: list[RowProblem] = []
    first: dict[tuple[str, str], int] = {}
    numbers = [one.card.number for one in wanted if one.card]
    taken = {("card", number) for number in card_rows.taken_numbers(session, site_id, numbers)}
    keys = [one.card.credential for one in wanted if one.card]
    taken |= {("credential", key) for key in card_rows.taken_keys(session, site_id, keys)}
    people = repository.by_numbers(session, site_id, [one.number for one in wanted])
    for one in wanted:
        values = [("number", one.number)]
        if one.card:
            values += [("card", one.card.number), ("credential", one.card.credential)]
        for value in values:
            if value in first:
                problems.append(RowProblem(one.row, one.number, value[0], "twice", f"row {first[value]}"))
            elif value in taken and one.number not in people:
                problems.append(RowProblem(one.row, one.number, value[0], "taken", value[1]))
            first.setdefault(value, one.row)
    return problems


def _reported(one: Wanted, person: RowMapping | None) -> RowReport:
    if person is None:
        return RowReport(one.row, one.number, "create")
    now = (person["name"], person["category_id"], person["department_id"], person["initials"])
    then = (one.name, one.category, one.department, one.initials or person["initials"])
    return RowReport(one.row, one.number, "same" if now == then else "change")


def _change(session: WriteSession, site_id: SiteId, changed: Sequence[Wanted]) -> list[CardId]:
    """Write what is different of people who exist; return their cards."""
    people = repository.by_numbers(session, site_id, [one.number for one in changed])
    cards: list[CardId] = []
    for one in changed:
        person = people[one.number]
        values = {"name": one.name, "category_id": one.category, "department_id": one.department}
        repository.change_person(session, person["id"], {**values, "initials": one.initials or person["initials"]})
        cards += [CardId(row["id"]) for row in card_rows.cards_of_person(session, site_id, person["id"])]
    return cards


def _person(one: Wanted) -> NewPerson:
    return NewPerson(one.number, one.name, one.category, one.department, one.initials)


def _seal(site_id: SiteId, content: bytes, rows: Sequence[RowReport]) -> str:
    """Return the hash of a file and of what it would do at a site."""
    actions = msgspec.json.encode([(row.row, row.number, row.action) for row in rows])
    return hashlib.sha256(site_id.bytes + hashlib.sha256(content).digest() + actions).hexdigest()
