"""How many workflows led to something: told by every way to ask a model, and an end to circles that is nobody's failure."""

from collections.abc import Awaitable
from typing import Any

import pytest
from aiohttp import web

from config import workflows as limits
from hub.webhooks.portion import Payload
from tests.hooks import Owner as Hooks
from tests.integration.workflows.author import Author, chain, note
from tests.integration.workflows.owner import database_of, http_request
from tests.patience import until
from tests.site import Site
from tests.stand_ins.webhook_receiver import WebhookReceiver

Json = dict[str, Any]
SAID = [{"role": "user", "content": "Hello"}]
FACES = [
    ("ai_aggregator", "/v1/chat/completions", {"model": "gpt-4", "messages": SAID, "max_tokens": 5}),
    ("ai_aggregator", "/v1/messages", {"model": "gpt-4", "messages": SAID, "max_tokens": 5}),
    ("ai_playground", "/api/v1/ai/chat", {"model": "gpt-4", "messages": SAID, "max_tokens": 5}),
    ("ai_playground", "/api/v1/ai/generate", {"model": "gpt-4", "prompt": "Hello", "max_tokens": 5}),
    ("smart_ai_hub", "/api/mcp/chat/completions", {"model": "gpt-4", "messages": SAID, "maxTokens": 5}),
    ("ai_assistant", "/api/ai/chat", {"model": "gpt-4", "message": "Hello", "max_tokens": 5}),
    ("ai_aggregator", "/v1/embeddings", {"model": "text-embedding-3-small", "input": "Hello"}),
]


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(("api", "path", "body"), FACES)
async def test_an_answer_that_a_workflow_asked_for_comes_after_it(site: Site, api: str, path: str, body: Json) -> None:
    client = site.client(api, token=await site.token())
    for hops, kept in (("2", 2), ("0", None)):
        answer = await client.raw("POST", path, body, headers={"X-Hub-Hops": hops})
        assert answer.code == 200
        (event,) = await database_of(site)["events"].find(
            {"type": {"$in": ["chat.completed", "embedding.completed"]}},
            limit=1,
            sort=[("created_at", -1), ("offset", -1)],
        )
        assert event.get("hops") == kept
    assert (await client.raw("POST", path, body, headers={"X-Hub-Hops": "many"})).code in (400, 422)


@pytest.mark.gen_test(timeout=90)
async def test_a_circle_through_the_hubs_own_api_comes_to_an_end(calling_site: Site, receiver: WebhookReceiver) -> None:
    """A workflow asks a model by its owner's key, and is told of each answer: nothing is left waiting in the end."""
    who, database = await Author.of(calling_site), database_of(calling_site)
    client = calling_site.client("ai_aggregator", token=who.token)

    async def asks_the_hub(request: web.Request) -> web.StreamResponse:
        sent = await client.raw(
            "POST", FACES[0][1], await request.read(), {"X-Hub-Hops": request.headers["X-Hub-Hops"]}
        )
        return web.Response(status=sent.code)

    receiver.behave("a", asks_the_hub)
    made = await who.make(chain({"id": "ask", **http_request(receiver.url("a"), body=FACES[0][2])}, trigger="webhook"))
    hooks = Hooks(calling_site, "ai_aggregator", client, who.user, who.token)
    own = f"http://127.0.0.1:{calling_site.port}/webhooks/{made['webhook_secret']}"
    await hooks.hook(own, "chat.completion", secret=made["webhook_secret"])
    await who.begin(made)
    ignored = {"status": "delivered", "attempts.answer": {"$regex": "ignored"}}
    await until(lambda: _is(database["deliveries"].count(ignored), 1), 60)
    found = await database["executions"].find({}, limit=50, sort=[("hops", 1)])
    assert [each["hops"] for each in found] == list(range(limits.HOPS_MAX + 1))
    assert await database["deliveries"].count({"status": "waiting"}) == 0


async def _is(counted: Awaitable[int], number: int) -> bool:
    return await counted == number


@pytest.mark.gen_test(timeout=60)
async def test_a_replay_to_a_workflow_leaves_out_what_came_of_too_many(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXECUTIONS_RUNNING_MAX", 2)
    who = await Author.of(site)
    made = await who.make(chain(note(said="x"), trigger="webhook"))
    workflow = await site.services.automation.workflows.find(who.user, made["id"])
    told = [Payload(f"msg_{hops}", "{}", hops) for hops in (0, limits.HOPS_MAX + 1, limits.HOPS_MAX)]
    assert await site.services.automation.incoming.replayed(workflow, told, None, 0) == 2
    assert len(await who.begun(made)) == 2
