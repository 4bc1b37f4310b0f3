"""Reads a search form: the words and the page number, both limited."""

from __future__ import annotations

from fastapi import HTTPException, Request

from admin_web.settings import MAX_SEARCH_CHARACTERS
from admin_web.visits import read_form
from server.reports.paging import MAX_PAGE


async def read_search(request: Request) -> tuple[str, int]:
    """Return the words, trimmed and cut, and the page; raises HTTPException 404 for a page that cannot be."""
    form = await read_form(request)
    return form.get("q", "").strip()[:MAX_SEARCH_CHARACTERS], page_number(form.get("page", ""))


def page_number(text: str) -> int:
    """Read a page number, 1 if empty; raises HTTPException 404 for anything but 1 to `MAX_PAGE`."""
    if text == "":
        return 1
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PAGE))
    if not is_number or not 1 <= int(text) <= MAX_PAGE:
        raise HTTPException(404)
    return int(text)
