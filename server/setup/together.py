"""Several changes that stand or fall together: one transaction, undone whole by the first that is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from server.access.fields import FieldProblem
from server.database import WriteSession

Change = Callable[[WriteSession], FieldProblem | None]
Write = Callable[[Callable[[WriteSession], None]], Awaitable[None]]


class UndoneError(Exception):
    """Carries a refusal out of a transaction, so that what was written before it is rolled back."""

    def __init__(self, problem: FieldProblem) -> None:
        """Keep the refusal."""
        super().__init__(str(problem))
        self.problem = problem


async def together(write: Write, *changes: Change) -> FieldProblem | None:
    """Make all changes in one transaction of `write`, or none; return the first refusal."""

    def run(session: WriteSession) -> None:
        for change in changes:
            problem = change(session)
            if problem is not None:
                raise UndoneError(problem)

    try:
        await write(run)
    except UndoneError as undone:
        return undone.problem
    return None
