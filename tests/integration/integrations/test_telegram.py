"""A Telegram bot as an integration: connected by its token, tried, and ended by either side."""

import re
from collections.abc import Callable
from typing import Any, Final

import pytest

from hub.errors import Code, HubError
from models import integrations
from models.clock import now
from tests.api_client import ApiClient
from tests.contract.examples import unlike
from tests.ledger_parts import fail_point
from tests.site import Site
from tests.stand_ins.telegram_bot_api import TOKEN, TelegramBotApi

ALL: Final = "/api/integrations"
CONNECT: Final = {"integration_type": "telegram", "bot_token": TOKEN, "chat_id": "123456789"}


async def assistant(site: Site) -> ApiClient:
    return site.client("ai_assistant", token=await site.token())


async def connected(site: Site, **fields: Any) -> ApiClient:
    client = await assistant(site)
    await client.post(f"{ALL}/connect", CONNECT | fields)
    return client


def user_of(document: dict[str, Any]) -> str:
    return str(document["user"])


@pytest.fixture
def http_site(serve: Callable[..., Site], telegram: TelegramBotApi) -> Site:
    return serve(**telegram.settings | {"HUB_PUBLIC_URL": "http://localhost:3001"})


async def kept(site: Site) -> dict[str, Any]:
    (found,) = await site.services.database["integrations"].find({}, limit=2)
    return found


# --- as it should go ----------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_bot_is_connected_listed_tried_and_disconnected(telegram_site: Site, telegram: TelegramBotApi) -> None:
    client = await assistant(telegram_site)
    made = (await client.post(f"{ALL}/connect", CONNECT)).body
    documented = {"id": 2, "type": "telegram", "status": "connected", "webhook_url": "https://your-domain.com/w"}
    assert unlike(documented, made) == []
    assert re.fullmatch(r"https://hub\.example\.com/webhooks/telegram/[\w-]{32}", made["webhook_url"])
    assert telegram.webhooks[TOKEN]["url"] == made["webhook_url"]
    (listed,) = (await client.get(ALL)).body["integrations"]
    shown = {"id": made["id"], "type": "telegram", "name": "@my_bot", "status": "connected", "last_used": None}
    assert shown.items() <= listed.items() and listed["connected_at"]
    assert (await client.post(f"{ALL}/test?integration_type=telegram")).body == {
        "status": "success",
        "message": "Connection test successful",
        "details": {"bot_username": "@my_bot", "can_send_messages": True, "can_receive_messages": True},
    }
    assert telegram.typing == ["123456789"] and (await client.get(ALL)).body["integrations"][0]["last_used"]
    ended = (await client.post(f"{ALL}/disconnect?integration_type=telegram")).body
    assert ended == {"message": "Integration disconnected successfully"}
    assert telegram.webhooks == {} and (await client.get(ALL)).body["integrations"] == []
    await client.post(f"{ALL}/disconnect?integration_type=telegram", status=404)


@pytest.mark.gen_test
async def test_tokens_are_sealed_and_never_shown(telegram_site: Site, telegram: TelegramBotApi) -> None:
    client = await connected(telegram_site)
    document, secret = await kept(telegram_site), telegram.webhooks[TOKEN]["secret_token"]
    assert TOKEN not in repr(document) and secret not in repr(document) and document["sealed"]
    told = repr([(await client.get(ALL)).body, (await client.post(f"{ALL}/test?integration_type=telegram")).body])
    assert TOKEN not in told and secret not in told and document["sealed"] not in told and document["hook"] not in told


@pytest.mark.gen_test
async def test_another_bot_takes_the_place_of_the_first(telegram_site: Site, telegram: TelegramBotApi) -> None:
    client = await connected(telegram_site)
    telegram.bots["77:other"] = "other_bot"
    first = (await client.get(ALL)).body["integrations"][0]
    second = (await client.post(f"{ALL}/connect", CONNECT | {"bot_token": "77:other"})).body
    assert second["id"] == first["id"] and second["name"] == "@other_bot"
    assert list(telegram.webhooks) == ["77:other"]  # nothing more is sent to the address of the first


@pytest.mark.gen_test
async def test_the_same_bot_connected_anew_goes_on_being_heard(telegram_site: Site, telegram: TelegramBotApi) -> None:
    client = await connected(telegram_site)
    again = (await client.post(f"{ALL}/connect", CONNECT)).body
    assert telegram.webhooks[TOKEN]["url"] == again["webhook_url"] and "deleteWebhook" not in telegram.calls


@pytest.mark.gen_test
async def test_a_bot_that_somebody_else_connected_since_is_left_to_them(
    telegram_site: Site, telegram: TelegramBotApi
) -> None:
    first, _ = await connected(telegram_site), await connected(telegram_site)
    theirs = telegram.webhooks[TOKEN]
    await first.post(f"{ALL}/disconnect?integration_type=telegram")
    assert telegram.webhooks[TOKEN] == theirs


@pytest.mark.gen_test
async def test_others_have_no_part_in_it(telegram_site: Site) -> None:
    await connected(telegram_site)
    other = await assistant(telegram_site)
    assert (await other.get(ALL)).body["integrations"] == []
    for path in ("test", "disconnect"):
        await other.post(f"{ALL}/{path}?integration_type=telegram", status=404)


# --- what is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_messages_go_to_the_chat_that_is_named_or_the_bots_own(
    telegram_site: Site, telegram: TelegramBotApi
) -> None:
    await connected(telegram_site)
    bots, user = telegram_site.services.integrations.telegram, user_of(await kept(telegram_site))
    telegram.chats.add("@news")
    assert await bots.send(user, "Hello") == {"message_id": 1, "chat_id": "123456789"}
    assert await bots.send(user, "_All_ <of> you", "@news") == {"message_id": 2, "chat_id": "@news"}
    assert telegram.sent == [{"chat_id": "123456789", "text": "Hello"}, {"chat_id": "@news", "text": "_All_ <of> you"}]


@pytest.mark.parametrize(
    ("status", "code", "after"),
    [
        (429, Code.UNAVAILABLE, 7),
        (502, Code.OUTCOME_UNKNOWN, 30),
        (403, Code.INVALID, None),
        (401, Code.CONFLICT, None),
    ],
)
@pytest.mark.gen_test
async def test_what_telegram_refuses_is_told_apart(
    telegram_site: Site, telegram: TelegramBotApi, status: int, code: Code, after: float | None
) -> None:
    await connected(telegram_site)
    user = user_of(await kept(telegram_site))
    telegram.faults["sendMessage"] = [status]
    with pytest.raises(HubError) as caught:
        await telegram_site.services.integrations.telegram.send(user, "Hello")
    assert (caught.value.code, caught.value.retry_after_seconds) == (code, after)
    assert telegram.sent == [] and telegram.faults["sendMessage"] == []


@pytest.mark.gen_test
async def test_what_was_sent_is_sent_though_that_cannot_be_noted(
    telegram_site: Site, telegram: TelegramBotApi, mongod_uri: str
) -> None:
    await connected(telegram_site)
    user = user_of(await kept(telegram_site))
    async with fail_point(mongod_uri, "alwaysOn", ["update"], errorCode=2):
        assert (await telegram_site.services.integrations.telegram.send(user, "Hello"))["message_id"] == 1


@pytest.mark.gen_test
async def test_without_a_chat_one_has_to_be_named(telegram_site: Site) -> None:
    client = await assistant(telegram_site)
    await client.post(f"{ALL}/connect", {"integration_type": "telegram", "bot_token": TOKEN})
    with pytest.raises(HubError) as caught:
        await telegram_site.services.integrations.telegram.send(user_of(await kept(telegram_site)), "Hello")
    assert caught.value.details[0].field == "chat_id"


# --- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_token_that_was_taken_back_is_told_once(telegram_site: Site, telegram: TelegramBotApi) -> None:
    client = await connected(telegram_site)
    telegram.bots.clear()
    for _ in range(2):
        refused = await client.post(f"{ALL}/test?integration_type=telegram", status=409)
        assert "no bot of this token" in refused.body["error"]["message"]
    (listed,) = (await client.get(ALL)).body["integrations"]
    assert listed["status"] == "error" and "no bot of this token" in listed["error"]
    told = await telegram_site.services.database["notifications"].find({}, limit=5)
    assert [each["title"] for each in told if "Telegram" in each["title"]] == ["Telegram is disconnected"]
    telegram.bots[TOKEN] = "my_bot"
    assert (await client.post(f"{ALL}/connect", CONNECT)).body["error"] is None


@pytest.mark.gen_test
async def test_a_bot_that_was_refused_and_answers_again_is_used_again(
    telegram_site: Site, telegram: TelegramBotApi
) -> None:
    client = await connected(telegram_site)
    bots, user = telegram_site.services.integrations.telegram, user_of(await kept(telegram_site))
    telegram.faults["sendMessage"] = [401]
    for _ in range(2):
        with pytest.raises(HubError):
            await bots.send(user, "Hello")
    await client.post(f"{ALL}/test?integration_type=telegram")
    (listed,) = (await client.get(ALL)).body["integrations"]
    assert (listed["status"], listed["error"]) == ("connected", None)
    assert (await bots.send(user, "Hello"))["message_id"] == 1


@pytest.mark.gen_test
async def test_what_a_test_says_of_an_earlier_connection_does_not_count(telegram_site: Site) -> None:
    await connected(telegram_site)
    earlier = await kept(telegram_site)
    await telegram_site.services.database["integrations"].update_one(
        {}, {"$set": {"connected_at": now(), "status": "error", "error": "no"}}
    )
    await integrations.works(telegram_site.services.database, earlier, now())
    assert (await kept(telegram_site))["status"] == "error"


@pytest.mark.gen_test
async def test_a_bot_that_somebody_else_hears_shows_in_the_test(telegram_site: Site) -> None:
    first, second = await connected(telegram_site), await connected(telegram_site)
    for client, hears in ((first, False), (second, True)):
        details = (await client.post(f"{ALL}/test?integration_type=telegram")).body["details"]
        assert details["can_send_messages"] and details["can_receive_messages"] is hears


@pytest.mark.gen_test
async def test_a_chat_that_the_bot_may_not_write_to_shows_in_the_test(
    telegram_site: Site, telegram: TelegramBotApi
) -> None:
    client = await connected(telegram_site, chat_id="55")
    details = (await client.post(f"{ALL}/test?integration_type=telegram")).body["details"]
    assert details == {"bot_username": "@my_bot", "can_send_messages": False, "can_receive_messages": True}


@pytest.mark.gen_test
async def test_a_hub_without_https_connects_bots_that_only_write(http_site: Site, telegram: TelegramBotApi) -> None:
    client = await connected(http_site)
    assert telegram.calls == ["getMe"]
    details = (await client.post(f"{ALL}/test?integration_type=telegram")).body["details"]
    assert details["can_send_messages"] and not details["can_receive_messages"]


@pytest.mark.parametrize(
    ("method", "status", "answer"), [("getMe", 502, 503), ("getMe", 429, 503), ("setWebhook", 403, 409)]
)
@pytest.mark.gen_test
async def test_nothing_is_kept_of_a_bot_that_cannot_be_set_up(
    telegram_site: Site, telegram: TelegramBotApi, method: str, status: int, answer: int
) -> None:
    client = await assistant(telegram_site)
    telegram.faults[method] = [status]
    await client.post(f"{ALL}/connect", CONNECT, status=answer)
    assert (await client.get(ALL)).body["integrations"] == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"bot_token": "12:unknown"}, "bot_token"),
        ({"bot_token": "../getMe"}, "bot_token"),
        ({"bot_token": "１２:a"}, "bot_token"),
        *(({"bot_token": wrong}, "bot_token") for wrong in (None, True, 5, "", ["a"], {"$gt": ""}, "1" * 2_049)),
        *(({"chat_id": wrong}, "chat_id") for wrong in (None, 123456789, "", "a b", "@", {"a": 1}, "1" * 21)),
        ({"oauth_code": "4/0AX4XfWh"}, "oauth_code"),
        ({"redirect_uri": "postmessage"}, "redirect_uri"),
        ({"integration_type": "google", "oauth_code": "4/0AX4XfWh"}, "bot_token"),
        *(({"project_id": wrong}, "project_id") for wrong in ("1", 0, 1.5, True, None)),
        ({"status": "connected"}, "status"),
    ],
)
@pytest.mark.gen_test
async def test_what_is_wrong_is_named(telegram_site: Site, fields: dict[str, Any], named: str) -> None:
    client = await assistant(telegram_site)
    refused = await client.post(f"{ALL}/connect", CONNECT | fields, status=400)
    assert named in [each["field"] for each in refused.body["error"]["details"]["errors"]]
    assert TOKEN not in repr(refused.body)
    assert (await client.get(ALL)).body["integrations"] == []


@pytest.mark.gen_test
async def test_a_token_is_needed(telegram_site: Site) -> None:
    refused = await (await assistant(telegram_site)).post(
        f"{ALL}/connect", {"integration_type": "telegram"}, status=400
    )
    assert refused.body["error"]["details"]["field"] == "bot_token"


@pytest.mark.gen_test
async def test_a_telegram_that_is_away_is_told_so(telegram_site: Site, telegram: TelegramBotApi) -> None:
    client = await assistant(telegram_site)
    await telegram.stop()
    assert (await client.post(f"{ALL}/connect", CONNECT, status=503)).headers["Retry-After"] == "30"
