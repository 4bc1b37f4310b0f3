"""`python -m admin_web.permissions`: writes who may ask for which address, for `docs/permissions.md`; a test compares.

The rows are generated from the areas and the REST routes, so that no route can be forgotten.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from admin_web.areas import AREAS, OPEN_ROUTES, PAGE_PERMISSIONS
from server.api.caller import Needs
from server.api.routes import NOUNS, PREFIX
from server.staff.roles import ROLE_PERMISSIONS, Permission, Role

HEAD = """# Who may ask for what

Written by `python -m admin_web.permissions` from the routes themselves; a test compares. `●` may, empty may not,
`○` everybody, signed in or not. A service may allow less: nobody decides their own request, and what concerns oneself
is for others. REST callers show an API token; it may no more than its owner.
"""
SHORT = {
    Role.ISSUER: "issuer",
    Role.SECURITY_OFFICER: "security",
    Role.CASHIER: "cashier",
    Role.CANTEEN_MANAGER: "canteen",
    Role.FINANCE: "finance",
    Role.AUDITOR: "auditor",
    Role.SYSTEM_ADMIN: "admin",
    Role.RECEPTION: "reception",
}


def document() -> str:
    """Return the whole table, pages first, then REST."""
    pages = [
        (_methods(route), route.path, None if route.name in OPEN_ROUTES else PAGE_PERMISSIONS[route.name])
        for area in AREAS
        for route in _routes(area.router.routes)
    ]
    rest = [(_methods(route), PREFIX + route.path, _needs(route)) for noun in NOUNS for route in _routes(noun.routes)]
    return "\n".join((HEAD, "## Pages", *_table(pages), "", "## REST", *_table(rest), ""))


def _table(rows: list[tuple[str, str, frozenset[Permission] | None]]) -> Iterator[str]:
    yield ""
    yield f"| address | {' | '.join(SHORT[role] for role in Role)} | needs one of |"
    yield f"|---|{'---|' * len(Role)}---|"
    for methods, path, needed in sorted(rows, key=lambda row: (row[1], row[0])):
        if needed is None:
            cells, words = ["○"] * len(Role), "nothing"
        else:
            cells = ["●" if ROLE_PERMISSIONS[role] & needed else "" for role in Role]
            words = "being signed in" if needed == frozenset(Permission) else ", ".join(sorted(needed))
        yield f"| `{methods} {path}` | {' | '.join(cells)} | {words} |"


def _routes(routes: list[BaseRoute]) -> Iterator[APIRoute]:
    return (route for route in routes if isinstance(route, APIRoute))


def _methods(route: APIRoute) -> str:
    return "/".join(sorted(route.methods or ()))


def _needs(route: APIRoute) -> frozenset[Permission] | None:
    """Return what a REST handler asks for; None would be an open address."""
    found = [one.call for one in route.dependant.dependencies if isinstance(one.call, Needs)]
    return found[0].permissions if found else None


if __name__ == "__main__":
    sys.stdout.write(document())
