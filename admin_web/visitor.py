"""A visitor: who sends a request, in which language and theme, and what they may. All that a template needs to know.

Knows neither services nor the renderer; `admin_web.visits` reads a visitor from a request.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

from fastapi import Request

from admin_web.i18n import Language
from server.staff.roles import Permission
from server.staff.sign_in import SessionView


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is asking, by one request."""

    request: Request
    language: Language
    theme: str
    token: str | None
    """The session token as sent; proves nothing until `session` is there."""
    session: SessionView | None

    @property
    def form_token(self) -> str:
        """The token that this session's forms must carry; empty without a session."""
        return form_token(self.token) if self.token is not None else ""

    def may(self, permission: Permission) -> bool:
        """Tell whether the visitor holds a permission."""
        return self.session is not None and permission in self.session.staff.permissions


def form_token(session_token: str) -> str:
    """Derive the form token of a session: nobody without the session token can make it, and it is stored nowhere."""
    return hmac.new(session_token.encode(), b"onecard form token", sha256).hexdigest()
