"""Throttle: how often one may try to sign in, counted before any password is hashed.

Two counts per try: the account by the key of its address, known or not, and where the try comes from (an IPv6 network
of /64 counts as one place). A device that holds a valid login of that very account is counted by itself instead, so
that an attacker cannot lock the owner out. Whether an address is to be believed is the HTTP layer's matter.
"""

import ipaddress
import math
import time

from config import assistant, limits, outgoing, workflows
from config.plans import Limit
from hub.counters import Counters
from hub.errors import Code, HubError

_PER_ACCOUNT = Limit(limits.LOGIN_TRIES_PER_ACCOUNT, limits.TRIES_SECONDS)
_PER_ADDRESS = Limit(limits.LOGIN_TRIES_PER_ADDRESS, limits.TRIES_SECONDS)
_REGISTRATIONS = Limit(limits.REGISTRATIONS_PER_ADDRESS, limits.TRIES_SECONDS)
_PASSWORD_CHANGES = Limit(limits.PASSWORD_CHANGES_PER_USER, limits.TRIES_SECONDS)
_RESETS_PER_ACCOUNT = Limit(limits.RESETS_ASKED_PER_ACCOUNT, limits.TRIES_SECONDS)
_RESETS_PER_ADDRESS = Limit(limits.RESETS_ASKED_PER_ADDRESS, limits.TRIES_SECONDS)
_LINKS = Limit(limits.LINKS_OPENED_PER_ADDRESS, limits.TRIES_SECONDS)
_WEBHOOKS_TRIED = Limit(outgoing.WEBHOOKS_TRIED_PER_OWNER, limits.TRIES_SECONDS)
_SECOND_FACTORS = Limit(assistant.TWO_FACTOR_TRIES_PER_USER, limits.TRIES_SECONDS)
_TRIGGERED = Limit(workflows.TRIGGERED_PER_MINUTE_MAX, 60)
_WEBHOOKS_MISSED = Limit(workflows.WEBHOOK_MISSES_PER_ADDRESS, limits.TRIES_SECONDS)
_RATINGS = Limit(assistant.RATINGS_PER_MINUTE, 60)
_VERIFICATIONS = Limit(limits.VERIFICATIONS_PER_USER, limits.TRIES_SECONDS)


class Throttle:
    """A window begins with the first try and is fixed. `counters` are its own: requests without number push no try out."""

    def __init__(self, enabled: bool, counters: Counters) -> None:
        self._enabled = enabled
        self._counters = counters

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
        await self._counters.clear(_key("account", email_key), _PER_ACCOUNT)
        if known_login is not None:
            await self._counters.clear(_key("device", known_login), _PER_ACCOUNT)

    async def registration(self, address: str) -> None:
        """Count a sign-up. Raises `HubError` RATE_LIMITED."""
        await self._count(_REGISTRATIONS, "registration", place(address))

    async def password_change(self, user: str) -> None:
        """Count a try of the current password by who is signed in. Raises `HubError` RATE_LIMITED."""
        await self._count(_PASSWORD_CHANGES, "password", user)

    async def password_changed(self, user: str) -> None:
        """It was the right one."""
        await self._counters.clear(_key("password", user), _PASSWORD_CHANGES)

    async def second_factor(self, user: str) -> None:
        """Count a code by who is known by other means. Raises `HubError` RATE_LIMITED."""
        await self._count(_SECOND_FACTORS, "second-factor", user)

    async def second_factor_shown(self, user: str) -> None:
        """It was a right one."""
        await self._counters.clear(_key("second-factor", user), _SECOND_FACTORS)

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

    async def webhook_tried(self, owner: str) -> None:
        """Count a delivery that its owner has sent at once. Raises `HubError` RATE_LIMITED."""
        await self._count(_WEBHOOKS_TRIED, "webhook", owner)

    async def workflow_triggered(self, workflow: str) -> None:
        """Count an execution that somebody outside has begun. Raises `HubError` RATE_LIMITED."""
        await self._count(_TRIGGERED, "workflow", workflow)

    async def webhook_missed(self, address: str) -> None:
        """Count what was sent to a webhook that is nobody's. Raises `HubError` RATE_LIMITED."""
        await self._count(_WEBHOOKS_MISSED, "webhook-missed", place(address))

    async def rated(self, user: str) -> None:
        """Count a vote on an answer. Raises `HubError` RATE_LIMITED."""
        await self._count(_RATINGS, "rating", user)

    async def _count(self, limit: Limit, kind: str, name: str) -> None:
        if not self._enabled:
            return
        tries, end = await self._counters.hit_exactly(_key(kind, name), limit)
        if tries > limit.amount:
            seconds = max(1.0, math.ceil(end - time.time()))
            raise HubError(Code.RATE_LIMITED, "Too many attempts, try again later", retry_after_seconds=seconds)


def _key(kind: str, name: str) -> str:
    return f"{kind}:{name}"


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
