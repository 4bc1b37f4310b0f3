"""REST of API tokens: what a program can learn about its own, and an administrator about all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from server.api.answers import Rows, refused
from server.api.caller import Caller, needs
from server.staff.roles import Permission
from server.tokens import service
from server.tokens.service import TokenView

router = APIRouter(prefix="/tokens", tags=["tokens"])


@dataclass(frozen=True, slots=True)
class OwnToken:
    """The token of a request."""

    token: UUID
    site: UUID
    staff: UUID
    permissions: list[str]


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """A token, without its text."""

    id: UUID
    name: str
    staff: UUID
    staff_name: str
    permissions: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None


@router.get("/own")
async def own_token(caller: Annotated[Caller, needs(*Permission)]) -> OwnToken:
    """Tell whom the token of this request stands for and what it may do now."""
    bearer = caller.bearer
    return OwnToken(bearer.token, bearer.site, bearer.staff, sorted(bearer.permissions))


@router.get("")
async def tokens(caller: Annotated[Caller, needs(Permission.STAFF_WRITE)]) -> Rows[TokenAnswer]:
    """List the tokens of the site, newest first."""
    found = await caller.read(lambda session: service.listed(session, caller.site_id))
    return Rows(rows=[_answer(view) for view in found])


@router.delete("/{token_id}", status_code=204)
async def revoke_token(caller: Annotated[Caller, needs(Permission.STAFF_WRITE)], token_id: UUID) -> None:
    """End a token at once."""
    refusal = await caller.write(
        lambda session: service.revoke(session, caller.system, caller.site_id, caller.actor, token_id)
    )
    if refusal is not None:
        refused(refusal)


def _answer(view: TokenView) -> TokenAnswer:
    return TokenAnswer(
        view.id,
        view.name,
        view.staff,
        view.staff_name,
        list(view.permissions),
        view.created_at,
        view.expires_at,
        view.revoked_at,
        view.used_at,
    )
