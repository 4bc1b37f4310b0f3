"""Languages: which one a visitor gets, and the catalogues of texts. Knows no page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from cardcore.reasons import Reason
from cardcore.texts import REASON_TEXTS

LOCALES = Path(__file__).parent / "locales"
MAX_HEADER_CHARACTERS = 256


class Language(StrEnum):
    """The languages of the pages; values are BCP 47 tags."""

    ENGLISH = "en"
    CHINESE = "zh-CN"


FALLBACK = Language.ENGLISH
"""For visitors whose browser asks for neither."""

Catalogue = Mapping[str, str]


def load_catalogue(language: Language) -> Catalogue:
    """Read one language's catalogue, a flat file an area; raises OSError or ValueError if it is missing or broken."""
    texts: dict[str, str] = {}
    for path in sorted((LOCALES / language.value).glob("*.json")):
        more: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        twice = texts.keys() & more.keys()
        if twice:
            message = f"{path.name} repeats {', '.join(sorted(twice))}"
            raise ValueError(message)
        texts |= more
    if not texts:
        message = f"no catalogue of {language.value} in {LOCALES}"
        raise FileNotFoundError(message)
    return texts


def key_of(member: StrEnum) -> str:
    """Return the catalogue key of an enumeration's member, e.g. `card_status.lost`."""
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(member).__name__)
    return f"{name.removeprefix('_')}.{member.value}"


def reason_text(reason: Reason, language: Language) -> str:
    """Return a reason in words."""
    text = REASON_TEXTS[reason]
    match language:
        case Language.ENGLISH:
            return text.en
        case Language.CHINESE:
            return text.zh
        case _:
            assert_never(language)


def language_of_tag(tag: str) -> Language | None:
    """Return the language that serves a BCP 47 tag, or None."""
    primary = tag.strip().lower().split("-", maxsplit=1)[0]
    return next((language for language in Language if language.value.split("-")[0] == primary), None)


def choose_language(chosen: str | None, accept_language: str | None) -> Language:
    """Return the visitor's own choice if valid, else the best match of `Accept-Language` (RFC 9110 section 12.5.4)."""
    if chosen is not None and chosen in {language.value for language in Language}:
        return Language(chosen)
    ranked: list[tuple[float, Language]] = []
    for part in (accept_language or "")[:MAX_HEADER_CHARACTERS].split(","):
        tag, _, parameter = part.partition(";")
        language = language_of_tag(tag)
        weight = _weight(parameter)
        if language is not None and weight > 0:
            ranked.append((weight, language))
    return max(ranked, key=lambda entry: entry[0])[1] if ranked else FALLBACK


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name == "q" else 0.0
    except ValueError:
        return 0.0
