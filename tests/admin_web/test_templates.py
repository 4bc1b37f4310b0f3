"""Rules for templates: no literal text, nothing inline that the content policy would refuse, no foreign address."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.admin_web.template_source import TELLING, TEMPLATES, Markup

by_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
TECHNICAL_CONTENT = ("viewport", "color-scheme", "htmx-config")


def literal_texts(source: str) -> list[str]:
    """Return words that stand in a template instead of the catalogues."""
    markup = Markup(source)
    telling = [
        values[name]
        for tag, values in markup.elements
        for name in TELLING
        if re.search(r"[^\W\d_]", values.get(name, "")) and not is_technical(tag, name, values)
    ]
    return markup.words + telling


def is_technical(tag: str, name: str, values: dict[str, str]) -> bool:
    """Tell whether an attribute's words are for machines."""
    is_meta = tag == "meta" and values.get("name") in TECHNICAL_CONTENT
    return is_meta or (name == "value" and tag in {"button", "input", "option"} and values.get("type") != "submit")


def inline_parts(source: str) -> list[str]:
    """Return scripts, styles and handlers that stand inside a page."""
    found = []
    for tag, values in Markup(source).elements:
        if tag == "style" or (tag == "script" and "src" not in values):
            found.append(tag)
        found += [name for name in values if name == "style" or name.startswith(("on", "hx-on"))]
        found += [name for name, value in values.items() if value.strip().lower().startswith(("javascript:", "js:"))]
    return found


def foreign_addresses(source: str) -> list[str]:
    """Return addresses of other hosts."""
    return re.findall(r"""(?:https?:)?//[a-z0-9-]+\.[a-z]""", source, re.IGNORECASE)


def test_there_are_templates_to_check() -> None:
    assert len(TEMPLATES) >= 15


@by_template
def test_no_text_is_outside_the_catalogues(path: Path) -> None:
    assert not literal_texts(path.read_text(encoding="utf-8"))


@by_template
def test_nothing_is_inline(path: Path) -> None:
    assert not inline_parts(path.read_text(encoding="utf-8"))


@by_template
def test_no_asset_comes_from_another_host(path: Path) -> None:
    assert not foreign_addresses(path.read_text(encoding="utf-8"))


@by_template
def test_no_template_switches_escaping_off(path: Path) -> None:
    assert not re.search(r"\|\s*safe\b|autoescape", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "broken",
    ["<p>Hello</p>", "<p>{{ t('x.y') }} 你好</p>", '<input placeholder="Name">', '<a aria-label="Open">{{ a }}</a>'],
)
def test_the_text_rule_can_fail(broken: str) -> None:
    assert literal_texts(broken)


@pytest.mark.parametrize(
    "broken",
    [
        "<script>go()</script>",
        "<style>a{}</style>",
        '<p style="x">',
        '<p onclick="go()">',
        '<a hx-on:click="go()">',
        '<a href="javascript:x">',
    ],
)
def test_the_inline_rule_can_fail(broken: str) -> None:
    assert inline_parts(broken)


def test_the_address_rule_can_fail() -> None:
    assert foreign_addresses('<script src="//cdn.example.com/x.js">')
