"""Throttle: how often one may try to sign in, counted before any password is hashed.

Two counts per try: the account by the key of its address, known or not, and where the try comes from (an IPv6 network
of /64 counts as one place). A device that holds a valid login of that very account is counted by itself instead, so
that an attacker cannot lock the owner out. Whether an address is to be believed is the HTTP layer's matter.
"""

import ipaddress
import math
import time

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter

from config import limits
from hub.errors import Code, HubError

_PER_ACCOUNT = parse(limits.LOGIN_TRIES_PER_ACCOUNT)
_PER_ADDRESS = parse(limits.LOGIN_TRIES_PER_ADDRESS)
_REGISTRATIONS = parse(limits.REGISTRATIONS_PER_ADDRESS)
_PASSWORD_CHANGES = parse(limits.PASSWORD_CHANGES_PER_USER)
_RESETS_PER_ACCOUNT = parse(limits.RESETS_ASKED_PER_ACCOUNT)
_RESETS_PER_ADDRESS = parse(limits.RESETS_ASKED_PER_ADDRESS)
_LINKS = parse(limits.LINKS_OPENED_PER_ADDRESS)
_VERIFICATIONS = parse(limits.VERIFICATIONS_PER_USER)


class Throttle:
    """The counts. A window begins with the first try and is fixed: the moving one costs a scan of all keys a try."""

    def __init__(self, enabled: bool, storage: Storage | None = None) -> None:
        self._enabled = enabled
        self._limiter = FixedWindowRateLimiter(storage or MemoryStorage())

    async def login(self, email_key: str, address: str, known_login: str | None = None) -> None:
        """Count a try. `known_login` is the id of a valid login of this account that came with it.

        Raises `HubError` RATE_LIMITED. The place is counted first: once it is used up, it cannot use up an account.
        """
        if known_login is not None:
            await self._count(_PER_ACCOUNT, "device", known_login)
            return
        await self._count(_PER_ADDRESS, "address", place(address))
        await self._count(_PER_ACCOUNT, "account", email_key)

    async def succeeded(self, email_key: str, known_login: str | None = None) -> None:
        """The right password: what was tried before it counts no more against the account."""
        await self._limiter.clear(_PER_ACCOUNT, "account", email_key)
        if known_login is not None:
            await self._limiter.clear(_PER_ACCOUNT, "device", known_login)

    async def registration(self, address: str) -> None:
        """Count a sign-up. Raises `HubError` RATE_LIMITED."""
        await self._count(_REGISTRATIONS, "registration", place(address))

    async def password_change(self, user: str) -> None:
        """Count a try of the current password by who is signed in. Raises `HubError` RATE_LIMITED."""
        await self._count(_PASSWORD_CHANGES, "password", user)

    async def password_changed(self, user: str) -> None:
        """It was the right one."""
        await self._limiter.clear(_PASSWORD_CHANGES, "password", user)

    async def reset_asked(self, email_key: str, address: str) -> None:
        """Count a mail to an address, known or not. Raises `HubError` RATE_LIMITED."""
        await self._count(_RESETS_PER_ADDRESS, "reset-from", place(address))
        await self._count(_RESETS_PER_ACCOUNT, "reset", email_key)

    async def link_opened(self, address: str) -> None:
        """Count a try of a mailed token. Raises `HubError` RATE_LIMITED."""
        await self._count(_LINKS, "link", place(address))

    async def verification_asked(self, user: str) -> None:
        """Count a further verification mail. Raises `HubError` RATE_LIMITED."""
        await self._count(_VERIFICATIONS, "verification", user)

    async def _count(self, limit: RateLimitItem, kind: str, name: str) -> None:
        if not self._enabled or await self._limiter.hit(limit, kind, name):
            return
        stats = await self._limiter.get_window_stats(limit, kind, name)
        seconds = max(1.0, math.ceil(stats.reset_time - time.time()))
        raise HubError(Code.RATE_LIMITED, "Too many attempts, try again later", retry_after_seconds=seconds)


def place(address: str) -> str:
    """What counts as one place: an IPv4 address, an IPv6 /64, or the text itself where it is neither."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
