"""Messages to a bot begin its owner's workflows: in the chats that they listen to, once, and by Telegram alone."""

from typing import Any

import pytest

from tests.integration.workflows.author import Author, chain, note
from tests.integration.workflows.owner import ALL, Json
from tests.site import Site
from tests.stand_ins.telegram_bot_api import TOKEN, TelegramBotApi

CONNECT = {"integration_type": "telegram", "bot_token": TOKEN, "chat_id": "123456789"}


async def author(site: Site, **fields: Any) -> Author:
    """With a bot, of the chat 123456789 unless it is told otherwise."""
    who = await Author.of(site)
    given = {name: value for name, value in {**CONNECT, **fields}.items() if value is not None}
    await who.client.post("/api/integrations/connect", given)
    return who


async def listener(who: Author, **config: str) -> Json:
    said = note(said="{{message.text}}", by="{{message.from.first_name}}")
    return await who.make(chain(said, trigger="telegram", **config))


@pytest.mark.gen_test
async def test_a_message_begins_those_that_listen(telegram_site: Site, telegram: TelegramBotApi) -> None:
    who = await author(telegram_site)
    made, by_hand, off = await listener(who), await who.make(chain(note())), await listener(who)
    await who.client.request("PUT", f"{ALL}/{off['id']}", {"enabled": False}, status=200)
    answer = await telegram.sends(telegram_site.port, telegram.update("Hello"))
    assert (answer.code, answer.body) == (200, b'{"ok":true,"executions":1}')
    (execution,) = await who.begun(made)
    ended = await who.ended(made, execution["id"])
    assert (ended["trigger"], ended["result"]["value"]) == ("telegram", {"said": "Hello", "by": "Ada"})
    assert await who.begun(by_hand) == [] and await who.begun(off) == []


@pytest.mark.gen_test
async def test_a_workflow_answers_where_it_was_asked(telegram_site: Site, telegram: TelegramBotApi) -> None:
    who = await author(telegram_site)
    config = {"chat_id": "{{message.chat.id}}", "text": "You said: {{message.text}}"}
    made = await who.make(chain({"id": "answer", "type": "telegram_message", "config": config}, trigger="telegram"))
    await telegram.sends(telegram_site.port, telegram.update("Hello"))
    (execution,) = await who.begun(made)
    assert (await who.ended(made, execution["id"]))["status"] == "completed"
    assert telegram.sent == [{"chat_id": "123456789", "text": "You said: Hello"}]


@pytest.mark.gen_test
async def test_the_same_update_begins_nothing_again(telegram_site: Site, telegram: TelegramBotApi) -> None:
    who = await author(telegram_site)
    made, update = await listener(who), telegram.update("Hello")
    for _ in range(3):
        assert (await telegram.sends(telegram_site.port, update)).code == 200
    assert len(await who.begun(made)) == 1
    await who.client.post("/api/integrations/connect", CONNECT)  # what Telegram still had goes to the new address
    assert (await telegram.sends(telegram_site.port, update)).code == 200
    assert len(await who.begun(made)) == 1
    await telegram.sends(telegram_site.port, telegram.update("Hello"))
    assert len(await who.begun(made)) == 2


@pytest.mark.gen_test
async def test_strangers_begin_nothing(telegram_site: Site, telegram: TelegramBotApi) -> None:
    who = await author(telegram_site)
    made, theirs = await listener(who), await listener(who, chat_id="55")
    assert (await telegram.sends(telegram_site.port, telegram.update("Hi", chat_id=66))).code == 200
    assert await who.begun(made) == [] and await who.begun(theirs) == []
    await telegram.sends(telegram_site.port, telegram.update("Hi", chat_id=55))
    assert await who.begun(made) == [] and len(await who.begun(theirs)) == 1


@pytest.mark.gen_test
async def test_a_bot_without_a_chat_hears_those_that_workflows_name(
    telegram_site: Site, telegram: TelegramBotApi
) -> None:
    who = await author(telegram_site, chat_id=None)
    anybody, channel = await listener(who), await listener(who, chat_id="@Ada")
    await telegram.sends(telegram_site.port, telegram.update("Hi", kind="channel_post"))
    assert await who.begun(anybody) == [] and len(await who.begun(channel)) == 1


@pytest.mark.gen_test
async def test_only_telegram_is_heard(telegram_site: Site, telegram: TelegramBotApi) -> None:
    who = await author(telegram_site)
    made, update = await listener(who), telegram.update("Hello")
    for wrong in ("", "x", telegram.webhooks[TOKEN]["secret_token"][:-1], "é"):
        refused = await telegram.sends(telegram_site.port, update, **{"X-Telegram-Bot-Api-Secret-Token": wrong})
        assert refused.code == 401, wrong
    hook = telegram.webhooks[TOKEN]
    telegram.webhooks[TOKEN] = {**hook, "url": hook["url"][:-1] + "_"}
    assert (await telegram.sends(telegram_site.port, update)).code == 404
    assert await who.begun(made) == []
    await who.client.post("/api/integrations/disconnect?integration_type=telegram")
    telegram.webhooks[TOKEN] = hook
    assert (await telegram.sends(telegram_site.port, update)).code == 404


@pytest.mark.parametrize(
    ("update", "status"),
    [
        *(
            (wrong, 400)
            for wrong in (None, 5, "x", [], {}, {"update_id": "1"}, {"update_id": True}, {"update_id": None})
        ),
        *(({"update_id": 1, "message": odd}, 200) for odd in (None, 5, "x", [], {}, {"chat": 5}, {"chat": {}})),
        ({"update_id": 1, "edited_message": {"chat": {"id": 123456789}}}, 200),
        ({"update_id": 1, "message": {"chat": {"id": {"$gt": ""}, "username": ["@"]}, "text": {"a.b": 1}}}, 200),
    ],
)
@pytest.mark.gen_test
async def test_what_is_no_message_begins_nothing(
    telegram_site: Site, telegram: TelegramBotApi, update: Any, status: int
) -> None:
    who = await author(telegram_site)
    made, named = await listener(who), await listener(who, chat_id="@ada")
    assert (await telegram.sends(telegram_site.port, update)).code == status
    assert await who.begun(made) == [] and await who.begun(named) == []


@pytest.mark.gen_test
async def test_where_too_many_run_telegram_is_to_come_again(
    telegram_site: Site, telegram: TelegramBotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await author(telegram_site)
    made, update = await listener(who), telegram.update("Hello")
    monkeypatch.setattr("config.workflows.EXECUTIONS_RUNNING_MAX", 0)
    assert (await telegram.sends(telegram_site.port, update)).code == 429
    monkeypatch.undo()
    assert (await telegram.sends(telegram_site.port, update)).code == 200
    assert len(await who.begun(made)) == 1


@pytest.mark.gen_test
async def test_addresses_of_bots_are_in_no_log(
    telegram_site: Site, telegram: TelegramBotApi, capfd: pytest.CaptureFixture[str]
) -> None:
    await author(telegram_site)
    await telegram.sends(telegram_site.port, telegram.update("Hello"))
    logged, hook = capfd.readouterr(), telegram.webhooks[TOKEN]["url"].rpartition("/")[2]
    assert "/webhooks/telegram/***" in logged.err
    for secret in (hook, TOKEN, telegram.webhooks[TOKEN]["secret_token"]):
        assert secret not in logged.err + logged.out
