"""Addresses inside the site: which one may follow a sign-in or a change of language. Pure."""

from __future__ import annotations

HOME = "/"
MAX_PATH_CHARACTERS = 512


def local_path(wanted: str | None) -> str:
    """Return `wanted` if it is a plain path of this site, else the home page: never a way to another host.

    Backslashes and control characters are refused because browsers read them as slashes or drop them.
    """
    if wanted is None or len(wanted) > MAX_PATH_CHARACTERS:
        return HOME
    is_path = wanted.startswith("/") and not wanted.startswith("//")
    is_plain = "\\" not in wanted and all(" " < letter < "\x7f" for letter in wanted)
    return wanted if is_path and is_plain else HOME
