"""The one cookie of this hub: HttpOnly, SameSite=Strict, for the whole site, Secure on HTTPS, sliding for a week."""

from tornado.web import RequestHandler

from config import limits
from handlers.credentials import COOKIE, is_https


def set_cookie(handler: RequestHandler, value: str | None) -> None:
    """Give or renew it; None changes nothing."""
    if value is None:
        return
    handler.set_cookie(
        COOKIE,
        value,
        path="/",
        max_age=limits.LOGIN_SECONDS,
        httponly=True,
        samesite="Strict",
        secure=is_secure(handler),
    )


def clear_cookie(handler: RequestHandler) -> None:
    """Have the browser forget it. Tornado leaves a `max_age` of 0 out; an end in the past says the same."""
    handler.clear_cookie(COOKIE, path="/", httponly=True, samesite="Strict", secure=is_secure(handler))


def is_secure(handler: RequestHandler) -> bool:
    """Behind a proxy that ends TLS our own protocol is HTTP; the public address tells, or a trusted proxy."""
    settings = handler.application.settings
    public_url: str = settings["public_url"]
    return public_url.startswith("https:") or is_https(handler.request, settings["trusted_proxies"])
