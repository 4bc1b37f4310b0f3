"""One row of a sheet of people, checked cell by cell. Headers in Chinese or English, in any order. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from cardcore.access.items import Product
from cardcore.ids import CategoryId, CredentialKey, credential_key
from server.people.initials import MAX_INITIALS, initials_of
from server.people.service import MAX_NAME, MAX_NUMBER
from server.subsidies.cells import EMPTY, CellKind, SheetProblem, SheetRow, Unreadable

HEADERS: Mapping[str, tuple[str, ...]] = {
    "number": ("number", "personnel number", "工号", "人员编号", "编号", "职工号", "学号"),
    "name": ("name", "姓名"),
    "category": ("category", "类别", "人员类别", "身份"),
    "department": ("department", "部门", "单位", "科室"),
    "initials": ("initials", "拼音首字母", "拼音"),
    "card": ("card", "card number", "卡号", "卡面编号"),
    "credential": ("credential", "卡片标识", "凭证"),
    "product": ("product", "card kind", "卡类", "卡种"),
}
REQUIRED = ("number", "name", "category")
PRODUCTS: Mapping[str, Product] = {
    **{str(product): product for product in Product},
    "通用卡": Product.COMBINED,
    "一卡通": Product.COMBINED,
    "门禁卡": Product.GATE_ONLY,
    "就餐卡": Product.CANTEEN_ONLY,
    "饭卡": Product.CANTEEN_ONLY,
    "访客卡": Product.VISITOR,
    "施工卡": Product.CONTRACTOR,
}


@dataclass(frozen=True, slots=True)
class Known:
    """Categories and departments of the site: small letters of id or name in either language, to the id."""

    categories: Mapping[str, str]
    departments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WantedCard:
    """A card that comes with a new person."""

    number: str
    credential: CredentialKey
    product: Product


@dataclass(frozen=True, slots=True)
class Wanted:
    """A person as a row has it."""

    row: int
    number: str
    name: str
    category: CategoryId
    department: str | None
    initials: str
    card: WantedCard | None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong in a row, where, and what stood there."""

    row: int
    number: str
    column: str
    problem: str
    """`missing`, `too_long`, `unknown`, `formula`, `twice`, `taken`, `unreadable` or `incomplete`."""
    value: str = ""


def columns_of(header: SheetRow) -> Mapping[str, int] | Unreadable | str:
    """Return where each column stands; unknown headers are left alone. A text names a column that is missing."""
    places: dict[str, int] = {}
    names = {alias: column for column, aliases in HEADERS.items() for alias in aliases}
    for at, cell in enumerate(header.cells):
        column = names.get(unicodedata.normalize("NFKC", cell.text).strip().lower())
        if column is None:
            continue
        if column in places:
            return Unreadable(SheetProblem.SAME_HEADER_TWICE, header.number)
        places[column] = at
    missing = [column for column in REQUIRED if column not in places]
    if len(missing) == len(REQUIRED):
        return Unreadable(SheetProblem.NO_HEADER, header.number)
    return f"missing_column:{missing[0]}" if missing else places


def guessed_columns(header: SheetRow) -> dict[str, int]:
    """Return where columns stand whose headers are ours, the first of each; for a person to correct."""
    names = {alias: column for column, aliases in HEADERS.items() for alias in aliases}
    places: dict[str, int] = {}
    for at, cell in enumerate(header.cells):
        column = names.get(unicodedata.normalize("NFKC", cell.text).strip().lower())
        if column is not None:
            places.setdefault(column, at)
    return places


def chosen_columns(places: Mapping[str, int], width: int) -> Mapping[str, int] | str:
    """Check columns that a person chose; a text names one that is missing, or chosen twice."""
    missing = [column for column in REQUIRED if column not in places]
    if missing:
        return f"missing_column:{missing[0]}"
    twice = [column for column, at in places.items() if list(places.values()).count(at) > 1 or not 0 <= at < width]
    return f"column_twice:{twice[0]}" if twice else places


def wanted_of(row: SheetRow, columns: Mapping[str, int], known: Known) -> Wanted | RowProblem:
    """Return the person of a row, or the first thing wrong with it."""
    values: dict[str, str] = {}
    for column, at in columns.items():
        cell = row.cells[at] if at < len(row.cells) else EMPTY
        if cell.kind in {CellKind.FORMULA, CellKind.OTHER}:
            return RowProblem(row.number, "", column, "formula", cell.text)
        values[column] = unicodedata.normalize("NFC", cell.text)
    number = values["number"]

    def wrong(column: str, problem: str) -> RowProblem:
        return RowProblem(row.number, number, column, problem, values.get(column, ""))

    for column in REQUIRED:
        if not values[column]:
            return wrong(column, "missing")
    for column, longest in (("number", MAX_NUMBER), ("name", MAX_NAME), ("initials", MAX_INITIALS)):
        if len(values.get(column, "")) > longest:
            return wrong(column, "too_long")
        if any(unicodedata.category(sign).startswith("C") for sign in values.get(column, "")):
            return wrong(column, "unreadable")
    category = known.categories.get(values["category"].lower())
    if category is None:
        return wrong("category", "unknown")
    department = known.departments.get(values.get("department", "").lower())
    if values.get("department") and department is None:
        return wrong("department", "unknown")
    card = _card(values)
    if isinstance(card, tuple):
        return wrong(*card)
    return Wanted(
        row.number,
        number,
        values["name"],
        CategoryId(category),
        department,
        values.get("initials", "").lower() or initials_of(values["name"]),
        card,
    )


def _card(values: Mapping[str, str]) -> WantedCard | tuple[str, str] | None:
    """Return the card of a row, None without one, or the column that is wrong and how."""
    number, credential, product = (values.get(column, "") for column in ("card", "credential", "product"))
    if not (number or credential or product):
        return None
    for column, value in (("card", number), ("credential", credential)):
        if not value:
            return column, "incomplete"
    kind = PRODUCTS.get(product.lower() or Product.COMBINED)
    if kind is None:
        return "product", "unknown"
    if len(number) > MAX_NUMBER:
        return "card", "too_long"
    try:
        return WantedCard(number, credential_key(credential.lower()), kind)
    except ValueError:
        return "credential", "unreadable"
