"""Ends requests whose body is too long before anything reads it, with or without a length in their headers."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.problem import Problem, problem_response

MAX_API_BODY_BYTES = 1_048_576
PREFIX = "/api/"


class BodyLimit:
    """A plain ASGI middleware for everything under `/api/`."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        language = headers.get("accept-language", "")
        if not length.isdecimal() or int(length) > MAX_API_BODY_BYTES:
            await problem_response(Problem.TOO_LARGE, language)(scope, receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = bool(message.get("more_body", False)) and message["type"] == "http.request"
            if len(body) > MAX_API_BODY_BYTES:
                await problem_response(Problem.TOO_LARGE, language)(scope, receive, send)
                return
        first = True

        async def replay() -> Message:
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        await self._app(scope, replay, send)
