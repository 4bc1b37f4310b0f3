"""A visit of a cardholder: a cookie and a session of its own, no staff, no permission, and the holder's id."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated

from fastapi import Depends, Request, Response

from admin_web.settings import MAX_TOKEN_CHARACTERS
from admin_web.visits import SECURE_COOKIE, AnyVisit, NeedsSignIn, Visit, cookie_name, require_form_token
from cardcore.ids import PersonId
from server.holders import sign_in

SECURE_HOLDER_COOKIE = "__Host-onecard-me"
LOOPBACK_HOLDER_COOKIE = "onecard_me"


@dataclass(frozen=True, slots=True)
class HolderVisit(Visit):
    """A visit whose token is a holder's; `session` is always None, so nothing of staff opens."""

    person: PersonId


def holder_cookie(request: Request) -> str | None:
    """Return the name of a holder's cookie on this connection, or None where no session may travel."""
    staff = cookie_name(request)
    if staff is None:
        return None
    return SECURE_HOLDER_COOKIE if staff == SECURE_COOKIE else LOOPBACK_HOLDER_COOKIE


def set_holder_cookie(response: Response, name: str, token: str) -> None:
    """Give the browser the holder's session until it is closed."""
    secure = name == SECURE_HOLDER_COOKIE
    response.set_cookie(name, token, path="/", secure=secure, httponly=True, samesite="lax")


async def holder(visit: AnyVisit) -> HolderVisit:
    """Let only a signed-in holder through, and only forms of the own session."""
    name = holder_cookie(visit.request)
    token = visit.request.cookies.get(name) if name is not None else None
    if token is None or len(token) > MAX_TOKEN_CHARACTERS:
        raise NeedsSignIn
    found = await visit.read(lambda session: sign_in.person_of(session, visit.system, visit.site_id, token))
    if found is None:
        raise NeedsSignIn
    person, is_stale = found
    if is_stale:
        await visit.write(lambda session: sign_in.note_activity(session, visit.system, token))
    plain = replace(visit, token=token, session=None)
    own = HolderVisit(**{one.name: getattr(plain, one.name) for one in fields(plain)}, person=person)
    if visit.request.method == "POST":
        await require_form_token(own)
    return own


OwnVisit = Annotated[HolderVisit, Depends(holder)]
