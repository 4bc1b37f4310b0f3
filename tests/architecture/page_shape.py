"""Rules for templates and their texts: a strict content policy holds, and every text is in both catalogues.

Pure functions of a template's text; the templates are read as HTML once their Jinja parts are taken out.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import PurePosixPath

from tests.architecture.source import Violation

_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_KEY = re.compile(r"""\bt\(\s*(["'])([a-z0-9_.-]+)\1\s*[,)]""")
_KEY_PREFIX = re.compile(r"""\bt\(\s*(["'])([a-z0-9_.-]+)\1\s*~""")
_WORD = re.compile(r"[^\W\d_]{2,}")
_ADDRESS = re.compile(r"/[\w/?=&-]*|&\w+=")
"""A macro may build an address of ours, `/charges?day=`: that is no text."""
_SPOKEN_ATTRIBUTES = {"aria-label", "alt", "title", "placeholder", "label"}
_SILENT_ELEMENTS = {"script", "style", "code", "kbd"}
_FETCHING = {"src", "href", "action", "data"}
_MARK = "\N{REPLACEMENT CHARACTER}"
"""Stands where a Jinja part stood: no letter, so that a computed text is no literal one."""


class _Reader(HTMLParser):
    def __init__(self, path: PurePosixPath) -> None:
        super().__init__(convert_charrefs=True)
        self.path = path
        self.found: list[Violation] = []
        self._inside: list[str] = []

    def report(self, message: str) -> None:
        self.found.append(Violation(self.path, self.getpos()[0], message))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT_ELEMENTS:
            self._inside.append(tag)
        names = {name for name, _ in attrs}
        if tag == "style" or (tag == "script" and "src" not in names):
            self.report(f"<{tag}> in the page: the content policy forbids it")
        for name, value in attrs:
            if name == "style" or re.fullmatch(r"on[a-z]+", name):
                self.report(f"{name}=: the content policy forbids it")
            elif name in _FETCHING and re.match(r"(https?:)?//|javascript:", value or ""):
                self.report(f"{name}={value!r}: a site's network has no internet")
            elif name in _SPOKEN_ATTRIBUTES and _WORD.search(value or ""):
                self.report(f"{name}={value!r} is no catalogue key")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            self._inside.remove(tag)

    def handle_data(self, data: str) -> None:
        if not self._inside and (word := _WORD.search(_ADDRESS.sub("", data))):
            self.report(f"{word[0]!r} is no catalogue key")


def page_is_clean(path: PurePosixPath, text: str) -> list[Violation]:
    """No inline script, style or handler, nothing fetched from elsewhere, and no text but from a catalogue."""
    reader = _Reader(path)
    reader.feed(_JINJA.sub(lambda part: _MARK + "\n" * part[0].count("\n"), text))
    reader.close()
    return reader.found


def texts_are_complete(path: PurePosixPath, text: str, catalogues: dict[str, dict[str, str]]) -> list[Violation]:
    """Every key that a template names is in each catalogue; of a key that is put together, its beginning is."""
    found = []
    for language, texts in catalogues.items():
        missing = [key for _, key in _KEY.findall(text) if key not in texts]
        missing += [
            f"{prefix}…" for _, prefix in _KEY_PREFIX.findall(text) if not any(key.startswith(prefix) for key in texts)
        ]
        found += [Violation(path, 1, f"{key!r} is missing in {language}") for key in missing]
    return found
