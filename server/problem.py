"""Errors over HTTP: RFC 9457 problem details. One table maps a code to its status and to words that say what to do.

A fault (an exception nobody expected) is answered with one generic text and a reference; the log holds the rest under
the same reference. No trace, no query, no input leaves the server (ASVS 16.5.1). Pages have their own error pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardcore.ids import IdSource
from server.database import DatabaseUnavailableError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:onecard:problem:"
RETRY_SECONDS = 5
REFERENCE_BYTES = 6

log = structlog.get_logger(__name__)


class ProblemText(NamedTuple):
    """One problem: HTTP status, and what to tell the person."""

    status: int
    en: str
    zh: str


class Problem(StrEnum):
    """Every code of a problem."""

    FAULT = "fault"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNUSABLE_INPUT = "unusable_input"
    REFUSED = "refused"
    SIGN_IN_FIRST = "sign_in_first"
    TOKEN_MISSING = "token_missing"  # noqa: S105 - a code
    NOT_DONE = "not_done"
    REQUEST_REFUSED = "request_refused"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    TOO_MANY = "too_many"
    BROWSER_REFUSED = "browser_refused"
    DATABASE_UNAVAILABLE = "database_unavailable"
    ENROLMENT_CODE_UNKNOWN = "enrolment_code_unknown"
    ENROLMENT_CODE_EXPIRED = "enrolment_code_expired"
    ENROLMENT_CODE_USED = "enrolment_code_used"
    DEVICE_KEY_UNUSABLE = "device_key_unusable"
    DEVICE_KEY_KNOWN = "device_key_known"


PROBLEMS: Mapping[Problem, ProblemText] = {
    Problem.FAULT: ProblemText(
        500,
        "Something failed here. Give the reference to whoever runs the server.",
        "服务器内部错误，请将编号告知管理员。",
    ),
    Problem.NOT_FOUND: ProblemText(404, "There is nothing here.", "找不到该内容。"),
    Problem.METHOD_NOT_ALLOWED: ProblemText(405, "This address does not take that method.", "不支持该请求方法。"),
    Problem.UNUSABLE_INPUT: ProblemText(
        422, "The request does not have the expected fields; see `fields`.", "请求字段不正确，见 fields。"
    ),
    Problem.REFUSED: ProblemText(403, "This is not allowed.", "不允许该操作。"),
    Problem.SIGN_IN_FIRST: ProblemText(401, "Sign in first.", "请先登录。"),
    Problem.TOKEN_MISSING: ProblemText(
        401,
        "Send an API token in force: Authorization: Bearer onecard_... (System, API tokens).",
        "请在 Authorization: Bearer 中提供有效的 API 令牌（系统 - API 令牌）。",
    ),
    Problem.NOT_DONE: ProblemText(409, "This was not done; see `refusal`.", "操作未执行，原因见 refusal。"),
    Problem.REQUEST_REFUSED: ProblemText(400, "The request cannot be used.", "请求无效。"),
    Problem.TOO_LARGE: ProblemText(413, "The request is too large.", "请求过大。"),
    Problem.NOT_JSON: ProblemText(415, "Send JSON, with content type application/json.", "请以 JSON 格式提交。"),
    Problem.TOO_MANY: ProblemText(
        429, "Too many tries. Wait a minute and try again.", "尝试过于频繁，请一分钟后再试。"
    ),
    Problem.BROWSER_REFUSED: ProblemText(
        403, "This address is for reader daemons, not for browsers.", "此地址仅供读卡程序使用，浏览器不可访问。"
    ),
    Problem.DATABASE_UNAVAILABLE: ProblemText(
        503,
        "The database cannot be reached now. Nothing was lost; try again. `onecard doctor` names the cause.",
        "数据库暂时不可用，数据未丢失，请稍后重试；运行 onecard doctor 查看原因。",
    ),
    Problem.ENROLMENT_CODE_UNKNOWN: ProblemText(
        403,
        "This code is not known. Check the typing, or make a new one: onecard device code NAME",
        "注册码不存在，请核对，或重新生成：onecard device code NAME",
    ),
    Problem.ENROLMENT_CODE_EXPIRED: ProblemText(
        403,
        "This code has expired. Make a new one: onecard device code NAME",
        "注册码已过期，请重新生成：onecard device code NAME",
    ),
    Problem.ENROLMENT_CODE_USED: ProblemText(
        403,
        "This code was used already. Make a new one: onecard device code NAME. If nobody of yours used it, revoke the "
        "device of that name first: onecard device revoke NAME",
        "注册码已被使用，请重新生成：onecard device code NAME；"
        "若非本人使用，请先注销该设备：onecard device revoke NAME",
    ),
    Problem.DEVICE_KEY_UNUSABLE: ProblemText(
        422,
        "`public_key` must be 32 bytes of Ed25519 in hex and `record_key` 32 random bytes in base64.",
        "public_key 应为 32 字节 Ed25519 公钥（十六进制），record_key 应为 32 字节随机数（base64）。",
    ),
    Problem.DEVICE_KEY_KNOWN: ProblemText(
        409,
        "This key belongs to an enrolled device: the box is a copy. Delete its identity and enrol it with a new key.",
        "该密钥已属于其他设备：本机可能是克隆盘，请删除本机身份后重新注册。",
    ),
}

_STATUS_CODES = {
    400: Problem.REQUEST_REFUSED,
    401: Problem.SIGN_IN_FIRST,
    403: Problem.REFUSED,
    404: Problem.NOT_FOUND,
    405: Problem.METHOD_NOT_ALLOWED,
    413: Problem.TOO_LARGE,
    429: Problem.TOO_MANY,
}


class ProblemError(Exception):
    """Raised by an API handler to answer with a problem of the table; `more` are extension members."""

    def __init__(self, code: Problem, **more: object) -> None:
        """Take the problem."""
        super().__init__(code)
        self.code = code
        self.more = more


def problem_response(
    code: Problem,
    language: str = "",
    more: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer for a code; `language` is an Accept-Language value."""
    known = PROBLEMS[code]
    title = known.zh if language.lower().startswith("zh") else known.en
    body = {"type": TYPE_PREFIX + code, "title": title, "status": known.status, "code": code, **(more or {})}
    extra = {"Cache-Control": "no-store", **(headers or {})}
    if known.status in {429, 503}:
        extra["Retry-After"] = str(RETRY_SECONDS)
    return Response(msgspec.json.encode(body), known.status, extra, MEDIA_TYPE)


def install_problems(app: FastAPI, ids: IdSource) -> None:
    """Make every error of the app a problem, and every fault one log line with its reference."""

    async def answer(request: Request, error: Exception) -> Response:
        language = request.headers.get("accept-language", "")
        match error:
            case ProblemError():
                return problem_response(error.code, language, error.more)
            case RequestValidationError():
                fields = [".".join(str(part) for part in item["loc"]) for item in error.errors()][:20]
                return problem_response(Problem.UNUSABLE_INPUT, language, {"fields": fields})
            case DatabaseUnavailableError():
                log.warning("request_without_database", path=request.url.path)
                return problem_response(Problem.DATABASE_UNAVAILABLE, language)
            case HTTPException():
                code = _STATUS_CODES.get(error.status_code, Problem.REQUEST_REFUSED)
                return problem_response(code, language, headers=error.headers)
            case _:
                raise error

    for kind in (ProblemError, RequestValidationError, DatabaseUnavailableError, HTTPException):
        app.add_exception_handler(kind, answer)
    app.add_middleware(FaultBarrier, ids=ids)


class FaultBarrier:
    """Catches what nobody expected: one log line, one generic answer, the same reference in both."""

    def __init__(self, app: ASGIApp, ids: IdSource) -> None:
        """Wrap an application."""
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def watched(message: Message) -> None:
            nonlocal has_started
            has_started = has_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            reference = self._ids.random_bytes(REFERENCE_BYTES).hex()
            log.exception("request_fault", reference=reference, method=scope["method"], path=scope["path"])
            if has_started:
                raise
            language = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
            await problem_response(Problem.FAULT, language, {"reference": reference})(scope, receive, send)
