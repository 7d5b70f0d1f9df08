"""All that differs between the four documented APIs, side by side.

    HubError --Dialect.codes--> status and code        data --Dialect.success--> the API's envelope

A dialect says *how*; what the fields of a resource are called is the matter of that API's views.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from hub.errors import Code, HubError
from hub.rate_limits import Counted, Limited
from models.clock import now, timestamp

Json = dict[str, Any]
VERSION: Final = "1.0"
_SHOWN_VALUE_CHARS: Final = 100
_SECRET_FIELDS: Final = frozenset(
    {"password", "oldPassword", "newPassword", "currentPassword", "refreshToken", "token", "secret", "key"}
    | {"bot_token", "oauth_code", "access_token", "api_key", "code", "two_factor_code"}
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: `limit` items after `offset`, of `total`."""

    limit: int
    offset: int
    total: int

    @property
    def number(self) -> int:
        return self.offset // self.limit + 1

    @property
    def pages(self) -> int:
        return -(-self.total // self.limit)

    @property
    def has_next(self) -> bool:
        return self.offset + self.limit < self.total

    @property
    def has_previous(self) -> bool:
        return self.offset > 0


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one documented API says things.

    `success(data, message, request_id)`, `error(error, code, request_id)` and `page(name, items, page, request_id)` make
    bodies; `name` is what the API calls a list where it calls it by name. `paging` tells how a page is asked for.
    """

    name: str
    codes: Mapping[Code, tuple[int, str]]
    success: Callable[[Any, str | None, str], Json]
    error: Callable[[HubError, str, str], Json]
    page: Callable[[str, Sequence[Any], Page, str], Json]
    paging: Literal["page", "offset"]
    page_size: int
    limit_headers: Callable[[Limited, str], dict[str, str]]
    request_id_headers: Sequence[str] = ("X-Request-ID",)
    username_required: bool = False  # of who signs up


def _codes(refused_status: int, **names: str) -> dict[Code, tuple[int, str]]:
    """The table of one dialect. `refused_status` answers a body that broke a rule; names are the dialect's codes."""
    return {
        Code.MALFORMED: (400, names["invalid"]),
        Code.INVALID: (refused_status, names["invalid"]),
        Code.TOO_LARGE: (413, names["invalid"]),
        Code.UNAUTHENTICATED: (401, names["unauthenticated"]),
        Code.BAD_CREDENTIALS: (401, names["bad_credentials"]),
        Code.FORBIDDEN: (403, names["forbidden"]),
        Code.NOT_FOUND: (404, names["not_found"]),
        Code.MODEL_NOT_FOUND: (404, names["not_found"]),
        Code.METHOD_NOT_ALLOWED: (405, "METHOD_NOT_ALLOWED"),
        Code.CONFLICT: (409, names["conflict"]),
        Code.IN_FLIGHT: (409, names["conflict"]),
        Code.KEY_REUSED: (422, names["invalid"]),
        Code.INSUFFICIENT_CREDITS: (402, names["funds"]),
        Code.RATE_LIMITED: (429, names["rate_limited"]),
        Code.PROVIDER_FAILED: (502, "PROVIDER_ERROR") if "provider" in names else (503, "SERVICE_UNAVAILABLE"),
        Code.PROVIDER_REFUSED: (refused_status, names["invalid"]),
        Code.UNAVAILABLE: (503, "SERVICE_UNAVAILABLE"),
        Code.OUTCOME_UNKNOWN: (503, "SERVICE_UNAVAILABLE"),
        Code.INTERNAL: (500, names["internal"]),
    }


# --- error codes and statuses -----------------------------------------------------------------------------------

_HUB_CODES: Final = _codes(
    422,
    invalid="VALIDATION_ERROR",
    unauthenticated="AUTHENTICATION_FAILED",
    bad_credentials="AUTHENTICATION_FAILED",
    forbidden="AUTHORIZATION_FAILED",
    not_found="RESOURCE_NOT_FOUND",
    conflict="RESOURCE_CONFLICT",
    funds="INSUFFICIENT_CREDITS",
    rate_limited="RATE_LIMIT_EXCEEDED",
    internal="INTERNAL_ERROR",
)
_AGGREGATOR_CODES: Final = _codes(
    400,
    invalid="INVALID_REQUEST",
    unauthenticated="UNAUTHORIZED",
    bad_credentials="UNAUTHORIZED",
    forbidden="FORBIDDEN",
    not_found="NOT_FOUND",
    conflict="CONFLICT",
    funds="INSUFFICIENT_FUNDS",
    rate_limited="RATE_LIMITED",
    provider="PROVIDER_ERROR",
    internal="INTERNAL_ERROR",
)
_PLAYGROUND_CODES: Final = _codes(
    400,
    invalid="VALIDATION_ERROR",
    unauthenticated="AUTHENTICATION_ERROR",
    bad_credentials="AUTHENTICATION_ERROR",
    forbidden="AUTHORIZATION_ERROR",
    not_found="NOT_FOUND",
    conflict="CONFLICT",
    funds="INSUFFICIENT_CREDITS",
    rate_limited="RATE_LIMIT_EXCEEDED",
    internal="SERVER_ERROR",
)
_ASSISTANT_CODES: Final = _codes(
    400,
    invalid="INVALID_INPUT",
    unauthenticated="AUTHENTICATION_REQUIRED",
    bad_credentials="INVALID_CREDENTIALS",
    forbidden="FORBIDDEN",
    not_found="RESOURCE_NOT_FOUND",
    conflict="RESOURCE_CONFLICT",
    funds="INSUFFICIENT_CREDITS",
    rate_limited="RATE_LIMIT_EXCEEDED",
    internal="INTERNAL_ERROR",
)
_ANTHROPIC_CODES: Final[Mapping[Code, tuple[int, str]]] = {
    **{code: (status, "invalid_request_error") for code, (status, _) in _AGGREGATOR_CODES.items()},
    Code.TOO_LARGE: (413, "request_too_large"),
    Code.UNAUTHENTICATED: (401, "authentication_error"),
    Code.BAD_CREDENTIALS: (401, "authentication_error"),
    Code.FORBIDDEN: (403, "permission_error"),
    Code.NOT_FOUND: (404, "not_found_error"),
    Code.MODEL_NOT_FOUND: (404, "not_found_error"),
    Code.CONFLICT: (409, "conflict_error"),
    Code.IN_FLIGHT: (409, "conflict_error"),
    Code.INSUFFICIENT_CREDITS: (402, "billing_error"),
    Code.RATE_LIMITED: (429, "rate_limit_error"),
    Code.PROVIDER_FAILED: (502, "api_error"),
    Code.UNAVAILABLE: (503, "overloaded_error"),
    Code.OUTCOME_UNKNOWN: (503, "api_error"),
    Code.INTERNAL: (500, "api_error"),
}

# --- success ----------------------------------------------------------------------------------------------------


def _given(**fields: Any) -> Json:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def _meta(request_id: str) -> Json:
    return {"timestamp": timestamp(now()), "requestId": request_id, "version": VERSION}


def _hub_success(data: Any, message: str | None, request_id: str) -> Json:
    return {"success": True, **_given(data=data, message=message), "meta": _meta(request_id)}


def _aggregator_success(data: Any, message: str | None, request_id: str) -> Json:
    """Its answers name what they hold: `data` is a dict of such fields."""
    return {"success": True, **_given(message=message), **(data or {})}


def _playground_success(data: Any, message: str | None, request_id: str) -> Json:
    return {"success": True, **_given(data=data, message=message), "timestamp": timestamp(now())}


def _assistant_success(data: Any, message: str | None, request_id: str) -> Json:
    """No envelope: the fields stand alone."""
    return {**_given(message=message), **(data or {})}


# --- errors -----------------------------------------------------------------------------------------------------


def _all_fields(error: HubError) -> list[Json]:
    return [{"field": detail.field, "message": detail.message} for detail in error.details]


def _hub_error(error: HubError, code: str, request_id: str) -> Json:
    body = {"code": code, "message": error.message, "details": _all_fields(error)}
    return {"success": False, "error": body, "meta": _meta(request_id)}


def _aggregator_error(error: HubError, code: str, request_id: str) -> Json:
    """Its own form and OpenAI's in one. A request that is wrong as a whole, and in no field of it, is so in its body."""
    details: Json = {}
    if error.details:
        first = error.details[0]
        details = {"field": first.field, "reason": first.message, "errors": _all_fields(error)}
    elif code == _AGGREGATOR_CODES[Code.INVALID][1]:
        details = {"field": "body", "reason": error.message}
    param = error.details[0].field if error.details else None
    body = {"code": code, "message": error.message, "details": details, "type": OPENAI_TYPES[error.code]}
    return {"success": False, "error": {**body, "param": param}}


def _anthropic_error(error: HubError, code: str, request_id: str) -> Json:
    """Anthropic's form and nothing else; every failed field is named in the message, because there is no other place."""
    failed = "; ".join(f"{detail.field}: {detail.message}" for detail in error.details)
    told = {"type": code, "message": failed or error.message}
    return {"type": "error", "error": told, "request_id": request_id}


def _playground_error(error: HubError, code: str, request_id: str) -> Json:
    details: Json = {"errors": _all_fields(error)} if error.details else {}
    if (quota := error.exhausted) is not None:
        details |= {"quota_type": quota.kind, "used": quota.used, "limit": quota.limit}
        details["resets_at"] = timestamp(quota.resets_at)
    body = {"message": error.message, "code": code, "details": details}
    return {"success": False, "error": body, "timestamp": timestamp(now())}


def _assistant_error(error: HubError, code: str, request_id: str) -> Json:
    body: Json = {"code": code, "message": error.message}
    if error.details:
        body["details"] = {**_shown_field(error), "errors": _all_fields(error)}
    if error.code is Code.RATE_LIMITED and error.retry_after_seconds is not None:
        body["retry_after"] = whole_seconds(error.retry_after_seconds)
    return {"error": body, "request_id": request_id}


def whole_seconds(seconds: float) -> int:
    """A pause as bodies and headers tell it: never shorter than it is."""
    return max(1, math.ceil(seconds))


def _shown_field(error: HubError) -> Json:
    """The first failed field with what was sent, unless that is a secret."""
    first = error.details[0]
    if first.value is None or first.field.rpartition(".")[2] in _SECRET_FIELDS:
        return {"field": first.field}
    value = first.value if isinstance(first.value, bool | int | float) else str(first.value)[:_SHOWN_VALUE_CHARS]
    return {"field": first.field, "value": value}


OPENAI_TYPES: Final[Mapping[Code, str]] = {
    **dict.fromkeys(Code, "invalid_request_error"),
    Code.UNAUTHENTICATED: "authentication_error",
    Code.BAD_CREDENTIALS: "authentication_error",
    Code.FORBIDDEN: "permission_error",
    Code.INSUFFICIENT_CREDITS: "insufficient_quota",
    Code.RATE_LIMITED: "rate_limit_error",
    Code.PROVIDER_FAILED: "api_error",
    Code.UNAVAILABLE: "api_error",
    Code.OUTCOME_UNKNOWN: "api_error",
    Code.INTERNAL: "api_error",
}

# --- lists ------------------------------------------------------------------------------------------------------


def _hub_page(name: str, items: Sequence[Any], page: Page, request_id: str) -> Json:
    pagination = {
        "page": page.number,
        "limit": page.limit,
        "total": page.total,
        "totalPages": page.pages,
        "hasNext": page.has_next,
        "hasPrev": page.has_previous,
    }
    return {"success": True, "data": items, "pagination": pagination, "meta": _meta(request_id)}


def _aggregator_page(name: str, items: Sequence[Any], page: Page, request_id: str) -> Json:
    pagination = {"total": page.total, "limit": page.limit, "offset": page.offset, "hasMore": page.has_next}
    return {"success": True, name: items, "pagination": pagination}


def _playground_page(name: str, items: Sequence[Any], page: Page, request_id: str) -> Json:
    pagination = {
        "page": page.number,
        "limit": page.limit,
        "total": page.total,
        "pages": page.pages,
        "has_next": page.has_next,
        "has_prev": page.has_previous,
    }
    return _playground_success({name: items, "pagination": pagination}, None, request_id)


def _assistant_page(name: str, items: Sequence[Any], page: Page, request_id: str) -> Json:
    return {name: items, "total": page.total, "limit": page.limit, "offset": page.offset}


# --- rate-limit headers -----------------------------------------------------------------------------------------


def _unix_limits(limited: Limited, limit_class: str) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limited.limit),
        "X-RateLimit-Remaining": str(limited.remaining),
        "X-RateLimit-Reset": str(limited.reset),
    }


def _client_limits(limited: Limited, limit_class: str) -> dict[str, str]:
    """Beside the documented ones those that OpenAI's clients read: the time to the reset as a duration."""
    return {
        **_unix_limits(limited, limit_class),
        "X-RateLimit-Limit-Requests": str(limited.limit),
        "X-RateLimit-Remaining-Requests": str(limited.remaining),
        "X-RateLimit-Reset-Requests": f"{limited.retry_after_seconds}s",
    }


_IDENTIFIERS: Final[Mapping[Counted, str]] = {"user": "user", "key": "api-key", "address": "ip"}


def _iso_limits(limited: Limited, limit_class: str) -> dict[str, str]:
    return {
        **_unix_limits(limited, limit_class),
        "X-RateLimit-Reset": timestamp(datetime.fromtimestamp(limited.reset, UTC)),
        "X-RateLimit-Endpoint": limit_class,
        "X-RateLimit-Identifier": _IDENTIFIERS[limited.by],
    }


# --- the four ---------------------------------------------------------------------------------------------------

SMART_AI_HUB: Final = Dialect("smart_ai_hub", _HUB_CODES, _hub_success, _hub_error, _hub_page, "page", 20, _unix_limits)
AI_AGGREGATOR: Final = Dialect(
    *("ai_aggregator", _AGGREGATOR_CODES, _aggregator_success, _aggregator_error, _aggregator_page),
    *("offset", 10, _client_limits),
)
AI_PLAYGROUND: Final = Dialect(
    *("ai_playground", _PLAYGROUND_CODES, _playground_success, _playground_error, _playground_page),
    *("page", 20, _iso_limits),
    username_required=True,
)
AI_ASSISTANT: Final = Dialect(
    *("ai_assistant", _ASSISTANT_CODES, _assistant_success, _assistant_error, _assistant_page),
    *("offset", 50, _unix_limits),
)
DIALECTS: Final[Mapping[str, Dialect]] = {
    dialect.name: dialect for dialect in (SMART_AI_HUB, AI_AGGREGATOR, AI_PLAYGROUND, AI_ASSISTANT)
}

# A part of AI Aggregator that clients of another company use: its errors have that company's form, all else is as there.
ANTHROPIC: Final = replace(
    AI_AGGREGATOR,
    codes=_ANTHROPIC_CODES,
    error=_anthropic_error,
    request_id_headers=("X-Request-ID", "request-id"),
)
