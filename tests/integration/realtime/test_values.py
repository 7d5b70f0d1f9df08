"""Values out of range in `chat.start`: the table of the HTTP bodies, refused by the same fields, and nothing is stored."""

from typing import Any, Final

import orjson
import pytest

from config import limits
from tests.bad_input import stored
from tests.integration.realtime.site import Site
from tests.integration.test_bad_input import MESSAGES, VALUES, names

# What OpenAI's form has and ours has not is an unknown field, and refused as such.
CHANGES: Final = [(change, field) for name, change, _, field in VALUES if name == "v1"]
CHANGES += [({"temperature": True}, "temperature"), ({"message": "x"}, "messages"), ({"maxTokens": 5}, "maxTokens")]


def test_values_out_of_range(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COMMAND_BURST", 1_000)

    async def scenario(site: Site) -> None:
        login = await site.user()
        client, _ = await site.connect(login)
        before = await stored(site.services.database)
        wrong: list[Any] = []
        for number, (change, field) in enumerate(CHANGES):
            frame = {"id": f"v{number}", "type": "chat.start", "model": "gpt-4", "messages": MESSAGES, **change}
            client.send_text(orjson.dumps(frame).decode())
            error = (await client.reply(f"v{number}"))["error"]
            code = "VALIDATION_ERROR" if field else "RESOURCE_NOT_FOUND"
            if error["code"] != code or (field and not names({"error": error}, field)):
                wrong.append((str(change)[:100], error))
        assert wrong == []
        assert await stored(site.services.database) == before
        await client.request("ping")
        await client.close()

    assert {"messages", "messages.0.role", "max_tokens", "temperature"} <= {field for _, field in CHANGES}
    hub.run(scenario)
