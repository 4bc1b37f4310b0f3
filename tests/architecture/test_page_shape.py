"""Templates keep the content policy and speak both languages; each rule is shown to fail on a sample."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath

import pytest

from tests.architecture.page_shape import page_is_clean, texts_are_complete
from tests.architecture.source import ROOT, tracked_files

LANGUAGES = ("zh-CN", "en")
PAGE = PurePosixPath("admin_web/templates/page.html")
FIELD = re.compile(r"\{[a-z_]*\}")


def catalogue(language: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads((ROOT / f"admin_web/locales/{language}.json").read_text(encoding="utf-8"))
    return texts


def templates() -> list[PurePosixPath]:
    return [path for path in tracked_files() if path.suffix == ".html" and path.parts[:2] == ("admin_web", "templates")]


def test_there_are_templates_to_check() -> None:
    assert templates()


def test_templates_are_clean() -> None:
    found = [line for path in templates() for line in page_is_clean(path, (ROOT / path).read_text(encoding="utf-8"))]
    assert not found, "\n".join(["", *map(str, found)])


def test_templates_use_texts_that_exist() -> None:
    catalogues = {language: catalogue(language) for language in LANGUAGES}
    found = [
        line
        for path in templates()
        for line in texts_are_complete(path, (ROOT / path).read_text(encoding="utf-8"), catalogues)
    ]
    assert not found, "\n".join(["", *map(str, found)])


def test_both_languages_say_the_same_things() -> None:
    chinese, english = (catalogue(language) for language in LANGUAGES)
    assert chinese.keys() == english.keys()
    assert not [key for texts in (chinese, english) for key, text in texts.items() if not text.strip()]
    other_fields = [key for key in english if set(FIELD.findall(english[key])) != set(FIELD.findall(chinese[key]))]
    assert not other_fields


@pytest.mark.parametrize(
    "text",
    [
        "<script>let x = 1</script>",
        "<style>p {}</style>",
        '<p style="color: red">{{ x }}</p>',
        '<button onclick="go()">{{ x }}</button>',
        '<script src="https://cdn.example.org/x.js"></script>',
        '<a href="javascript:go()">{{ x }}</a>',
        "<h1>Cards</h1>",
        "<h1>餐卡</h1>",
        '<input placeholder="Name">',
    ],
)
def test_an_unclean_page_is_noticed(text: str) -> None:
    assert page_is_clean(PAGE, text)


@pytest.mark.parametrize(
    "text",
    [
        '<script src="/static/app.js" defer></script>',
        '{# a remark #}<h1 class="big">{{ t("cards.title") }}</h1>',
        "<input placeholder=\"{{ t('cards.find') }}\">",
        "{% if a %}<td>{{ x }} / {{ y }} ¥</td>{% endif %}",
    ],
)
def test_a_clean_page_passes(text: str) -> None:
    assert not page_is_clean(PAGE, text)


def test_a_text_that_one_language_lacks_is_noticed() -> None:
    texts = {"zh-CN": {"a.b": "甲"}, "en": {}}
    assert texts_are_complete(PAGE, "{{ t('a.b') }}", texts)
    assert texts_are_complete(PAGE, "{{ t('a.' ~ kind) }}", texts)
    assert not texts_are_complete(PAGE, "{{ t('a.b') }}{{ t('a.' ~ kind) }}", {"zh-CN": {"a.b": "甲"}})
