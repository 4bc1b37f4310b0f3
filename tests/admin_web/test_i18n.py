"""The choice of language, and catalogues that are complete and used."""

from __future__ import annotations

import string

import pytest

from admin_web.areas import AREAS
from admin_web.i18n import Language, choose_language, key_of, load_catalogue, reason_text
from cardcore.reasons import Reason
from tests.admin_web.template_source import FORMAT_KEYS, keys_asked_for

CATALOGUES = {language: load_catalogue(language) for language in Language}


def labelled_keys() -> set[str]:
    """Return the keys of every enumeration whose members are shown by `label`."""
    return {key_of(member) for area in AREAS for kind in area.shown for member in kind}


def test_the_catalogues_have_the_same_keys() -> None:
    assert CATALOGUES[Language.ENGLISH].keys() == CATALOGUES[Language.CHINESE].keys()


def test_every_key_asked_for_is_there_and_every_key_there_is_asked_for() -> None:
    asked = keys_asked_for() | labelled_keys() | FORMAT_KEYS
    assert asked == set(CATALOGUES[Language.ENGLISH])


def test_texts_of_a_key_have_the_same_placeholders() -> None:
    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    english, chinese = CATALOGUES[Language.ENGLISH], CATALOGUES[Language.CHINESE]
    different = {key for key in english if names(english[key]) != names(chinese[key])}
    assert not different


def test_chinese_texts_are_chinese() -> None:
    same_on_purpose = {"brand", "choice.en"}
    latin = {
        key for key, text in CATALOGUES[Language.CHINESE].items() if not any("一" <= sign <= "鿿" for sign in text)
    }
    assert latin == same_on_purpose


def test_every_reason_has_words_in_every_language() -> None:
    for reason in Reason:
        assert reason_text(reason, Language.ENGLISH) != reason_text(reason, Language.CHINESE)


@pytest.mark.parametrize(
    ("chosen", "accept", "language"),
    [
        (None, None, Language.ENGLISH),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", Language.CHINESE),
        (None, "zh-Hans-CN", Language.CHINESE),
        (None, "fr,en;q=0.3,zh;q=0.7", Language.CHINESE),
        (None, "zh;q=0,en;q=0.1", Language.ENGLISH),
        (None, "fr", Language.ENGLISH),
        (None, "zh;q=nonsense, ;;;, en", Language.ENGLISH),
        ("zh-CN", "en", Language.CHINESE),
        ("klingon", "zh", Language.CHINESE),
    ],
)
def test_the_own_choice_wins_then_the_browser(chosen: str | None, accept: str | None, language: Language) -> None:
    assert choose_language(chosen, accept) is language
