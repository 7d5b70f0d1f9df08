"""The documented examples that need a bot at Telegram, one after the other, with Telegram played by a stand-in."""

import pytest

from tests.contract.examples import asked, filled, unlike
from tests.contract.rows import AT_TELEGRAM, HOSTS
from tests.site import Site
from tests.stand_ins.telegram_bot_api import TOKEN
from tests.telegram_site import telegram, telegram_site

__all__ = ["telegram", "telegram_site"]


@pytest.mark.gen_test
async def test_each_example_is_answered_as_documented(telegram_site: Site) -> None:
    client = telegram_site.client("ai_assistant", cookie=await telegram_site.cookie())
    headers = {"Host": HOSTS["ai_assistant"]}
    for row in AT_TELEGRAM:
        body = filled(row.body, {"bot_token": TOKEN})
        # Tornado's client says of no body that it is a form, which no other client does, and the cookie is not for.
        sent = headers if body is not None else {**headers, "Content-Type": "application/json"}
        assert await asked(client, row, row.path, body, sent) == [], row.name


@pytest.mark.gen_test
async def test_a_project_shows_its_integrations_as_they_are_listed(telegram_site: Site) -> None:
    client = telegram_site.client("ai_assistant", token=await telegram_site.token())
    project = (await client.post("/api/projects", {"name": "P"}, status=201)).body["id"]
    bot = {"integration_type": "telegram", "bot_token": TOKEN, "chat_id": "123456789", "project_id": project}
    await client.post("/api/integrations/connect", bot)
    await client.post("/api/integrations/test?integration_type=telegram", {})
    (listed,) = (row.answer for row in AT_TELEGRAM if row.path == "/api/integrations")
    assert unlike(listed, (await client.get(f"/api/projects/{project}")).body) == []
