"""What tests of notifications by mail share: users whose address is confirmed, jobs that are due at once."""

from datetime import datetime
from typing import Any

from hub.services import Services
from models.clock import now
from models.database import Document
from models.notice_jobs import NOTICE_JOBS
from models.notifications import NOTIFICATIONS
from tests.patience import until
from tests.site import Site

User = tuple[str, str]  # id and address


async def verified_user(site: Site) -> User:
    """A new user who may be mailed, and has been told everything so far."""
    user, address = await unverified_user(site)
    await site.services.identities.change_user(user, {"email_verified": True})
    await forget(site.services, user)
    return user, address


async def unverified_user(site: Site) -> User:
    account = (await site.register())["data"]["user"]
    return account["id"], account["email"]


async def forget(services: Services, user: str) -> None:
    """Nothing is to be told to a user any more."""
    await services.database[NOTIFICATIONS].update_many({"user": user}, {"$unset": {"untold": 1}})
    await services.database[NOTICE_JOBS].delete_many({"user": user})


async def job_of(services: Services, user: str, medium: str = "email") -> Document | None:
    return await services.database[NOTICE_JOBS].find_one({"_id": f"{medium}:{user}"})


async def make_due(services: Services, user: str, moment: datetime | None = None) -> None:
    """Let the time pass that a user's mail waits for."""
    job = f"email:{user}"
    assert await services.database[NOTICE_JOBS].update_one({"_id": job}, {"$set": {"due_at": moment or now()}})


async def untold(services: Services, user: str) -> int:
    """How many notifications a user is still to be mailed."""
    return await services.database[NOTIFICATIONS].count({"user": user, "untold": "email"})


async def is_idle(services: Services, user: str) -> Any:
    """Whether a user's mail job is ended: told and paused, or gone."""
    job = await job_of(services, user)
    return job is None or (job["claim"] is None and job["count"] == 0)


async def settled(services: Services, user: str) -> None:
    """Wait for the end of a user's mail job."""
    await until(lambda: is_idle(services, user))
    assert await untold(services, user) == 0
