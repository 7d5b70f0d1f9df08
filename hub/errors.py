"""The one vocabulary of what can go wrong. Handlers translate it into a dialect; nothing here knows HTTP.

`Code` is total: `handlers/dialects.py` maps every member for every dialect, and a test keeps it so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Code(StrEnum):
    """What went wrong, once for the whole hub."""

    MALFORMED = "malformed"  # the body or frame could not be parsed at all
    INVALID = "invalid"  # it was parsed, and broke a rule
    TOO_LARGE = "too_large"
    UNAUTHENTICATED = "unauthenticated"
    BAD_CREDENTIALS = "bad_credentials"  # a login that failed
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    MODEL_NOT_FOUND = "model_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    IN_FLIGHT = "in_flight"  # the same idempotency key is being worked on
    KEY_REUSED = "key_reused"  # the same idempotency key came with another body
    INSUFFICIENT_CREDITS = "insufficient_credits"
    RATE_LIMITED = "rate_limited"
    PROVIDER_FAILED = "provider_failed"
    PROVIDER_REFUSED = "provider_refused"  # the provider says that the request itself is wrong
    UNAVAILABLE = "unavailable"
    OUTCOME_UNKNOWN = "outcome_unknown"  # a commit was sent and its answer lost: retry with the same key
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One failed rule of one input field; `field` is a dotted path such as `messages.0.role`."""

    field: str
    message: str
    value: object = None  # what was sent, for dialects that show it; None for secrets


@dataclass(frozen=True, slots=True)
class Exhausted:
    """An allowance that has nothing left until `resets_at`: `used` requests of `limit`; `kind` is `daily` or the like."""

    kind: str
    limit: int
    used: int
    resets_at: datetime


class HubError(Exception):
    """A failure that the caller is told about, in the caller's dialect.

    `asked_seconds` is a pause that somebody else's server asked for by itself; `retry_after_seconds` may be our guess.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        details: Sequence[FieldError] = (),
        retry_after_seconds: float | None = None,
        exhausted: Exhausted | None = None,
        asked_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.retry_after_seconds = retry_after_seconds
        self.exhausted = exhausted
        self.asked_seconds = asked_seconds

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed later, unchanged."""
        return self.code in _TEMPORARY


_TEMPORARY = frozenset(
    {Code.IN_FLIGHT, Code.RATE_LIMITED, Code.PROVIDER_FAILED, Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN, Code.INTERNAL}
)


def invalid(field: str, message: str, value: object = None) -> HubError:
    """One field broke one rule: the usual case, said briefly."""
    return HubError(Code.INVALID, f"{field}: {message}", [FieldError(field, message, value)])
