"""Whatever went wrong, in the hub's one vocabulary of errors: what a caller may be told, and nothing more."""

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from hub.errors import Code, HubError
from models.database import Conflict, DatabaseUnavailable, DuplicateKey, OutcomeUnknown

_RETRY_SECONDS = 2.0
_BY_STATUS = {
    400: (Code.MALFORMED, "The request cannot be understood"),
    403: (Code.FORBIDDEN, "This is not allowed"),
    404: (Code.NOT_FOUND, "There is nothing at this address"),
    405: (Code.METHOD_NOT_ALLOWED, "This address does not take this method"),
    413: (Code.TOO_LARGE, "The body is too large"),
}


def as_hub_error(error: BaseException | None) -> HubError:
    """An exception as the caller hears of it; what is not foreseen is INTERNAL, without a detail."""
    if isinstance(error, HubError):
        return error
    if isinstance(error, DatabaseUnavailable | Conflict):
        return HubError(Code.UNAVAILABLE, "The hub cannot do this just now", retry_after_seconds=_RETRY_SECONDS)
    if isinstance(error, OutcomeUnknown):
        message = "It is not known whether this was done; ask again with the same Idempotency-Key"
        return HubError(Code.OUTCOME_UNKNOWN, message, retry_after_seconds=_RETRY_SECONDS)
    if isinstance(error, DuplicateKey):
        return HubError(Code.CONFLICT, "This exists already")
    if isinstance(error, HTTPError):
        return of_status(error.status_code)
    return HubError(Code.INTERNAL, "Something went wrong on our side")


def of_status(status: int) -> HubError:
    """For what Tornado itself refuses."""
    return HubError(*_BY_STATUS.get(status, (Code.INTERNAL, "Something went wrong on our side")))


def is_worth_a_log(error: BaseException | None) -> bool:
    """Only what nobody foresaw; a caller who hung up is none of our failures."""
    return not isinstance(error, StreamClosedError) and as_hub_error(error).code is Code.INTERNAL
