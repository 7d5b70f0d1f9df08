"""Requests that give their stream's id: whoever asks twice with the same one, the answer is paid once."""

import asyncio
import sys

import pytest

from hub.chat_request import ChatRequest
from hub.errors import Code, HubError
from hub.identity_cache import Identity
from hub.services import Services
from hub.streams import Outcome
from tests.conftest import OpenServices
from tests.factories import make_user
from tests.patience import until

STREAM = "stream_0123456789abcdef"


@pytest.fixture
def services(open_hub: OpenServices) -> Services:
    return open_hub(HUB_RATE_LIMITS="off")


def asked() -> ChatRequest:
    said = [{"role": "user", "content": "Hello"}]
    given = {"model": "gpt-4", "api": "ai_assistant", "endpoint": "/api/workflows", "messages": said, "max_tokens": 9}
    return ChatRequest(**given, streamed=False, stream=STREAM)


async def answered(services: Services, user: Identity) -> Outcome:
    stream = (await services.chat.start(user, asked())).stream
    await stream.reached(sys.maxsize)
    assert stream.id == STREAM and stream.outcome is not None
    return stream.outcome


async def charges(services: Services) -> int:
    return await services.database["entries"].count({"kind": "usage"})


@pytest.mark.gen_test(timeout=30)
async def test_of_two_at_once_one_is_refused(services: Services) -> None:
    user = await make_user(services)
    came = await asyncio.gather(*(answered(services, user) for _ in range(2)), return_exceptions=True)
    (refused,) = [one for one in came if isinstance(one, BaseException)]
    assert isinstance(refused, HubError) and refused.code is Code.CONFLICT
    assert await charges(services) == 1


@pytest.mark.gen_test(timeout=30)
async def test_who_comes_after_is_charged_nothing_more(services: Services) -> None:
    user = await make_user(services)
    first, second = await answered(services, user), await answered(services, user)
    assert first.receipt is not None and second.receipt is not None
    assert second.receipt.charged == first.receipt.charged > 0 and await charges(services) == 1
    await services.sweeper.sweep()

    async def nothing_is_held() -> bool:
        return await services.database["holds"].count({}) == 0

    await until(nothing_is_held)
    assert (await services.ledger.wallet(user.user_id)).credits_held == 0
