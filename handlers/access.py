"""Access marks: each method of each handler says in plain sight who may call it; the hub does not start if one does not.

@public            anyone, no credential looked at
@user              any valid credential of a user
@login             a user who has signed in, never by an API key
@scope("ai:write") the same; an API key must have been given this permission
@admin             a user with the role admin, never by an API key
@service           our own services, by X-Service-Token
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from tornado.web import RequestHandler

from hub.errors import Code, HubError
from hub.identity_cache import Identity
from hub.permissions import SCOPES

Method = TypeVar("Method", bound=Callable[..., Any])

_MARK: Final = "hub_access"
_UNMARKED_BY_TORNADO: Final = RequestHandler.get  # what stands for a method that a handler does not have


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a method."""

    kind: Literal["public", "user", "login", "scope", "admin", "service"]
    permission: str | None = None

    def check(self, identity: Identity) -> None:
        """Raises `HubError` FORBIDDEN."""
        if (identity.kind == "service") != (self.kind == "service"):
            raise HubError(Code.FORBIDDEN, "This is for services" if self.kind == "service" else "This is for users")
        if self.kind == "admin" and (identity.role != "admin" or identity.kind == "key"):
            raise HubError(Code.FORBIDDEN, "Only an administrator may do this")
        if self.kind == "login" and identity.kind == "key":
            raise HubError(Code.FORBIDDEN, "An API key may not do this: sign in")
        if self.permission and not identity.may(self.permission):
            raise HubError(Code.FORBIDDEN, f"This API key lacks the permission {self.permission}")


def public(method: Method) -> Method:
    return _mark(method, Access("public"))


def user(method: Method) -> Method:
    return _mark(method, Access("user"))


def login(method: Method) -> Method:
    return _mark(method, Access("login"))


def admin(method: Method) -> Method:
    return _mark(method, Access("admin"))


def service(method: Method) -> Method:
    return _mark(method, Access("service"))


def scope(permission: str) -> Callable[[Method], Method]:
    """Raises `ValueError` at import for a permission that does not exist."""
    if permission not in SCOPES:
        raise ValueError(f"unknown permission {permission!r}")
    return lambda method: _mark(method, Access("scope", permission))


def _mark(method: Method, access: Access) -> Method:
    setattr(method, _MARK, access)
    return method


def access_of(handler: type[RequestHandler], http_method: str) -> Access | None:
    """The mark of a handler's method; None where it has no such method, or the method has no mark."""
    return getattr(getattr(handler, http_method.lower(), None), _MARK, None)


def methods_of(handler: type[RequestHandler]) -> Iterator[str]:
    """The HTTP methods that a handler answers."""
    for name in RequestHandler.SUPPORTED_METHODS:
        if getattr(handler, name.lower()) is not _UNMARKED_BY_TORNADO:
            yield name


def unmarked(handler: type[RequestHandler]) -> list[str]:
    """The methods that say not who may call them."""
    return [name for name in methods_of(handler) if access_of(handler, name) is None]
