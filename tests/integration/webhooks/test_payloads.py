"""What webhooks say: each documented event in its document's form, signed so that anybody's libraries accept it."""

import asyncio
import hashlib
import hmac
import json
import sys
from pathlib import Path

import pytest
from openai import OpenAI
from standardwebhooks import Webhook

from tests.hooks import SECRET, arrived, happens, owner, payload
from tests.site import Site
from tests.stand_ins.webhook_receiver import Received, WebhookReceiver

SNIPPETS = Path(__file__).parent / "snippets"
STANDARD = "whsec_" + "QUJD" * 8


async def verified(command: list[str], received: Received, secret: str) -> list[bool]:
    """What a document's own lines say of a delivery: of its header, and of the signature inside it, if it has one."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=SNIPPETS, stdin=pipe, stdout=pipe)
    header = received.headers["x-webhook-signature"]
    given = {"payload": received.body.decode(), "header": header, "secret": secret}
    told, _ = await process.communicate(json.dumps(given).encode())
    answers: list[bool] = json.loads(told)
    return answers


# --- forms ------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_the_aggregators_events(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    await who.hook(receiver.url("a"), "chat.completion", "billing.charge")
    answer = await who.asks()
    completion, charge = map(payload, await arrived(receiver, "a", 2))
    assert list(completion) == ["id", "type", "data", "timestamp", "signature"]
    assert completion["type"] == "chat.completion"
    tokens = answer["usage"]["total_tokens"]
    (entry,) = (await who.client.get("/v1/billing/history?type=usage")).body["transactions"]
    cost = entry["amount"]
    assert completion["data"] == {"userId": who.user, "model": "gpt-4", "tokens": tokens, "cost": cost}
    assert (charge["type"], charge["data"]["cost"], charge["data"]["currency"]) == ("billing.charge", cost, "USD")
    assert charge["data"]["balance"] == round(10 - cost, 6)
    assert completion["id"] != charge["id"]
    headers = [received.headers["webhook-id"] for received in receiver.got["a"]]
    assert headers == [completion["id"], charge["id"]]


@pytest.mark.gen_test
async def test_the_playgrounds_events(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site, "ai_playground")
    await who.hook(receiver.url("p"), "ai.task.completed", "ai.task.failed", "quota.warning")
    body = {"model": "gpt-4", "prompt": "Say something", "n": 2, "max_tokens": 5}
    answer = (await who.client.post("/api/v1/ai/generate", body)).data
    warning = {"quota_type": "daily", "used": 45, "limit": 50, "percentage": 90}
    await happens(who, "quota.warning", {"user_id": who.user, **warning, "timestamp": "2025-01-01T00:00:00Z"})
    failure = {"code": "PROVIDER_FAILED", "message": "The provider failed"}
    failed = {"stream_id": "str_1", "model": "gpt-4", "error": failure, "usage": {}, "receipt": None}
    await happens(who, "chat.failed", failed)
    completed, quota, task = map(payload, await arrived(receiver, "p", 3))
    assert list(completed) == ["event", "data"] and completed["event"] == "ai.task.completed"
    data = completed["data"]
    assert data["task_id"].partition("_")[2] == answer["id"].partition("-")[2]
    assert (data["status"], data["user_id"]) == ("completed", who.user) and data["timestamp"].endswith("Z")
    assert [choice["message"]["content"] for choice in data["result"]["choices"]] == [
        choice["text"] for choice in answer["choices"]
    ]
    assert data["result"]["usage"] == answer["usage"]
    assert quota["event"] == "quota.warning" and quota["data"] == {
        "user_id": who.user,
        **warning,
        "timestamp": quota["data"]["timestamp"],
    }
    assert task["event"] == "ai.task.failed"
    assert (task["data"]["task_id"], task["data"]["status"]) == ("str_1", "failed")
    assert task["data"]["error"] == "The provider failed"


@pytest.mark.gen_test
async def test_the_hubs_events(site: Site, receiver: WebhookReceiver) -> None:
    """Of all users, for an administrator."""
    admin = await owner(site, "smart_ai_hub")
    names = ("user.created", "user.updated", "credit.purchased", "credit.used", "payment.completed", "payment.failed")
    await admin.hook(receiver.url("h"), *names)
    who = await owner(site)
    await who.client.request(
        "PUT", "/api/users/me", {"firstName": "Grace", "lastName": "Hopper"}, status=200, dialect="smart_ai_hub"
    )
    charge = {"amount": 5, "currency": "USD", "paymentMethod": "card"}
    await who.client.post("/v1/billing/balance/credit", charge)
    await who.client.post("/v1/billing/balance/credit", {**charge, "paymentMethod": "pm_fail"}, status=400)
    await who.asks()
    got = list(map(payload, await arrived(receiver, "h", 6)))
    assert [one["eventType"] for one in got] == [
        *("user.created", "user.updated", "credit.purchased", "payment.completed", "payment.failed", "credit.used")
    ]
    assert all(list(one) == ["eventId", "eventType", "timestamp", "data", "signature"] for one in got)
    assert all(one["data"]["userId"] == who.user for one in got)
    created, updated, bought, paid, failed, used = (one["data"] for one in got)
    assert created["email"] == "user2@example.com" and {"firstName", "lastName"} <= created.keys()
    assert (updated["firstName"], updated["lastName"]) == ("Grace", "Hopper")
    assert sorted(updated["changed"]) == ["firstName", "lastName"]
    assert bought["credits"] == 5 and paid["amount"] == 5 and failed["status"] == "failed"
    assert used["credits"] > 0 and used["model"] == "gpt-4"


@pytest.mark.gen_test
async def test_a_workflows_event_has_the_assistants_form_whoever_hears_it(
    site: Site, receiver: WebhookReceiver
) -> None:
    result = {"answer": [1, "two"]}
    done = {"workflow_id": 1, "execution_id": "exec_123", "status": "completed", "result": result}
    for api in ("ai_aggregator", "ai_playground"):
        who = await owner(site, api)
        await who.hook(receiver.url(api), "workflow.executed")
        await happens(who, "workflow.executed", done)
        (received,) = await arrived(receiver, api)
        said = payload(received)
        assert list(said) == ["event", "timestamp", "workflow_id", "execution_id", "status", "data"]
        assert (said["event"], said["workflow_id"], said["execution_id"]) == ("workflow.executed", 1, "exec_123")
        assert (said["status"], said["data"]) == ("completed", {"result": result})


# --- signatures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["smart_ai_hub", "ai_aggregator", "ai_playground"])
@pytest.mark.parametrize("secret", [SECRET, STANDARD])
@pytest.mark.gen_test
async def test_everybodys_libraries_accept_a_delivery(
    site: Site, receiver: WebhookReceiver, api: str, secret: str
) -> None:
    """`standardwebhooks`, OpenAI's client, and the lines of the documents, run by Node and by Python."""
    who = await owner(site, api)
    made = await who.hook(receiver.url("x"), "credit.used", "user.updated", secret=secret)
    await who.client.request(
        "PUT", "/api/users/me", {"firstName": "Gr\u00e4ce \U0001f600"}, status=200, dialect="smart_ai_hub"
    )
    await who.asks()
    for received in await arrived(receiver, "x", 2):
        text, headers = received.body.decode(), received.headers
        standard = made.get("signing_secret", secret)
        assert Webhook(standard).verify(text, headers) == payload(received)
        OpenAI(api_key="none", webhook_secret=standard).webhooks.verify_signature(text, headers)
        inside = api != "ai_playground"
        for command in (["node", "smart_ai_hub.js"], [sys.executable, "ai_assistant.py"]):
            assert await verified(command, received, secret) == [True] * (1 + inside), command
        assert headers["content-type"] == "application/json"


@pytest.mark.gen_test
async def test_the_signature_inside_is_the_last_key_and_of_what_stands_before_it(
    site: Site, receiver: WebhookReceiver
) -> None:
    who = await owner(site)
    await who.hook(receiver.url("x"), "chat.completion")
    await who.asks()
    (received,) = await arrived(receiver, "x")
    before, _, after = received.body.rpartition(b',"signature":"')
    assert after.endswith(b'"}')
    ours = hmac.new(SECRET.encode(), before + b"}", hashlib.sha256).hexdigest()
    assert after == f'sha256={ours}"}}'.encode()


@pytest.mark.gen_test
async def test_the_smallest_costs_are_written_as_javascript_writes_them(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    await who.hook(receiver.url("x"), "billing.charge")
    receipt = {"hold": 1, "charged": 0.000003, "released": 0.999997, "balance_after": 9.0, "seq": 2}
    data = {"request_id": "emb_1", "model": "m", "api": "ai_aggregator", "usage": {"prompt_tokens": 3}}
    await happens(who, "embedding.completed", {**data, "receipt": receipt})
    (received,) = await arrived(receiver, "x")
    assert b'"cost":0.000003,' in received.body and b'"balance":9,' in received.body
    assert await verified(["node", "smart_ai_hub.js"], received, SECRET) == [True, True]
