"""Who calls an address of `/api/v1`, and what they may: API tokens only, so that no browser's cookie can be borrowed.

A handler asks for what it needs, and gets a `Caller` that runs services:

    @router.get("/alarms")
    async def alarms(caller: Annotated[Caller, needs(Permission.LIVE_READ)]) -> list[AlarmAnswer]:
        return await caller.read(lambda session: ...)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Depends, Request

from cardcore.ids import SiteId, StaffId
from server.database import Database, ReadSession, WriteSession
from server.link.ports import Run
from server.problem import Problem, ProblemError
from server.secrets_file import ServerSecrets
from server.staff.roles import Permission
from server.system import System
from server.tokens import service as tokens
from server.webhooks.targets import Target

Answer = TypeVar("Answer")

SCHEME = "bearer"


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What every handler works with; stands at `app.state.api`."""

    database: Database
    run: Run
    system: System
    document_secret: bytes = b""
    """The key under which document numbers are hashed."""
    secrets: ServerSecrets | None = None
    webhook_targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that acts for a member of staff, by one request."""

    parts: ApiParts
    bearer: tokens.Bearer

    @property
    def actor(self) -> StaffId:
        """The member of staff for whom it acts; services check what they may."""
        return self.bearer.staff

    @property
    def site_id(self) -> SiteId:
        """The site to which the token belongs."""
        return self.bearer.site

    @property
    def system(self) -> System:
        """Clock and ids, for services."""
        return self.parts.system

    async def read(self, call: Callable[[ReadSession], Answer]) -> Answer:
        """Ask a service, in one read-only transaction, off the event loop."""
        return await self.parts.run(self.parts.database.read, call)

    async def write(self, call: Callable[[WriteSession], Answer]) -> Answer:
        """Let a service do something, in one transaction, off the event loop; a lost race runs the call again."""
        return await self.parts.run(self.parts.database.write, call)


class Needs:
    """The check before a handler: a token in force that holds one of the permissions."""

    def __init__(self, *permissions: Permission) -> None:
        """Take the permissions, any one of which will do."""
        self.permissions = frozenset(permissions)

    async def __call__(self, request: Request) -> Caller:
        """Return the caller; raises ProblemError 401 without a token in force, 403 without the permission."""
        parts: ApiParts = request.app.state.api
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != SCHEME:
            raise ProblemError(Problem.TOKEN_MISSING)
        now = parts.system.clock.now()
        bearer = await parts.run(parts.database.read, lambda session: tokens.bearer(session, text.strip(), now))
        if bearer is None:
            raise ProblemError(Problem.TOKEN_MISSING)
        if not bearer.permissions & self.permissions:
            raise ProblemError(Problem.REFUSED, needs=sorted(self.permissions))
        if not bearer.is_use_noted:
            await parts.run(parts.database.write, lambda session: tokens.note_use(session, bearer.token, now))
        return Caller(parts, bearer)


def needs(*permissions: Permission) -> Any:  # noqa: ANN401 - FastAPI's own marker has no type of its own
    """Return the dependency that lets a caller through who holds one of the permissions."""
    return Depends(Needs(*permissions))
