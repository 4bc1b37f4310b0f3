"""Asking a second person from any page, and the words for what approvals and operations refuse."""

from __future__ import annotations

from collections.abc import Mapping

from admin_web.forms import Form
from admin_web.i18n import Language
from admin_web.visits import Visit
from server.approvals import service
from server.approvals.models import MAX_REASON, ApprovalRefusal, Content, Operation
from server.approvals.texts import TEXTS
from server.corrections.texts import TEXTS as CORRECTIONS
from server.subsidies.texts import TEXTS as BATCHES

OUTCOMES: Mapping[str, object] = {
    **{str(reason): words for reason, words in BATCHES.items()},
    **{str(reason): words for reason, words in CORRECTIONS.items()},
}
"""What operations say when they are approved and cannot be carried out."""


def refusal_text(visit: Visit, refusal: ApprovalRefusal, outcome: str = "") -> str:
    """Return a refusal in the visitor's words, with what the operation itself said."""
    text = in_language(visit, TEXTS[refusal])
    if refusal is not ApprovalRefusal.OPERATION_REFUSED:
        return text
    return f"{text}: {outcome_text(visit, outcome)}"


def outcome_text(visit: Visit, outcome: str) -> str:
    """Return what an operation said when it could not be carried out."""
    words = OUTCOMES.get(outcome)
    if words is None:
        return outcome
    return in_language(visit, words)


def in_language(visit: Visit, words: object) -> str:
    """Return one of a text's two languages; all of the services' texts have `en` and `zh`."""
    text: str = getattr(words, "zh" if visit.language is Language.CHINESE else "en")
    return text


async def ask(visit: Visit, operation: Operation[Content], content: Content, form: Form) -> bool:
    """Ask for an operation with the reason of the form; on a refusal the form says it, and False is returned."""
    reason = form.text("reason", MAX_REASON)
    if not form.is_good:
        return False
    answer = await visit.write(
        lambda session: service.ask(session, visit.system, visit.site_id, visit.actor, operation, content, reason)
    )
    if isinstance(answer, ApprovalRefusal):
        form.refuse("", "form.told", words=refusal_text(visit, answer))
    return form.is_good
