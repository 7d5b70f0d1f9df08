"""The documented examples made into requests: what stands for their ids, and how an answer is held against theirs."""

from datetime import timedelta
from typing import Any

from hub.api_keys import NewKey
from hub.audit_trail import Actor
from hub.letters import SUBJECTS
from models import api_keys, users
from models.clock import now
from tests.api_client import ApiClient
from tests.contract.described import of_answer, operation
from tests.contract.rows import SUMMARIZER, Row
from tests.factories import grant
from tests.outbox import letter_to, token_in
from tests.patience import until
from tests.site import Site

_SECRET = "wf_secret_of_the_workflow"
_PLAIN = {("ai_aggregator", "/v1/chat/completions")}  # OpenAI's own form: no envelope


def unlike(example: Any, actual: Any, path: str = "answer") -> list[str]:
    """Where an answer lacks a documented field or has another type."""
    if example is None:
        return []
    if _json_type(example) != _json_type(actual):
        return [f"{path} is {actual!r}, documented as {example!r}"]
    if isinstance(example, dict):
        missing = [f"{path}.{name} is missing" for name in example if name not in actual]
        present = [name for name in example if name in actual]
        return missing + [fault for name in present for fault in unlike(example[name], actual[name], f"{path}.{name}")]
    if isinstance(example, list) and example:
        items = [fault for index, item in enumerate(actual) for fault in unlike(example[0], item, f"{path}[{index}]")]
        return items if actual else [f"{path} is empty, so that its items cannot be seen"]
    return []


def _json_type(value: Any) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


async def asked(client: ApiClient, row: Row, path: str, body: Any, headers: dict[str, str]) -> list[str]:
    """Where a row's example is not answered as the document says, or not as the hub's own OpenAPI document does."""
    if not row.streamed:
        plain = (row.api, row.bare_path) in _PLAIN
        answer = await client.request(row.method, path, body, status=row.status, headers=headers, plain=plain)
        undescribed = of_answer(operation(row.method, row.bare_path), answer.status, answer.headers, answer.body)
        return [*unlike(row.answer, answer.body), *undescribed]
    *deltas, last = await client.events(path, body, headers=headers)
    faults = [fault for delta in deltas for fault in unlike(row.answer, delta)]
    (shown,), (choice,) = row.answer["choices"], last["choices"]
    (finish,) = (name for name in shown if name.startswith("finish"))
    ended = choice[finish] and last["usage"] and last["cost"]
    return faults if deltas and ended else [*faults, f"the stream has {len(deltas)} deltas and ends with {last}"]


def filled(body: Any, facts: dict[str, str]) -> Any:
    if isinstance(body, dict):
        return {name: filled(value, facts) for name, value in body.items()}
    return facts.get(body[1:-1], body) if isinstance(body, str) and body.startswith("{") else body


_DESCRIBED = b"""
openapi: 3.0.3
info: {title: Users, version: "1"}
paths:
  /users:
    get:
      summary: List users
      parameters: [{name: limit, in: query, schema: {type: integer}}]
      responses: {"200": {description: OK}}
components:
  schemas: {User: {type: object}}
  securitySchemes:
    bearer: {type: http, scheme: bearer}
    key: {type: apiKey, in: header, name: X-API-Key}
security: [{bearer: []}, {key: []}]
"""


async def analysed(client: ApiClient) -> dict[str, str]:
    """An analysis that is completed, of a file that the client sends."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="api.yaml"\r\n\r\n'
    form = head + _DESCRIBED + b"\r\n--x--\r\n"
    sent = {"Content-Type": "multipart/form-data; boundary=x"}
    made = (await client.post("/api/doc-analyzer/analyze", form, headers=sent)).body["analysis_id"]

    async def completed() -> bool:
        return bool((await client.get(f"/api/doc-analyzer/analyses/{made}")).body["status"] == "completed")

    await until(completed, 30)
    return {"analysis_123": made}


async def worked(client: ApiClient) -> dict[str, str]:
    """A workflow of a project, and an execution of it that is completed."""
    project = (await client.post("/api/projects", {"name": "A project"}, status=201)).body["id"]
    made = (await client.post("/api/workflows", {**SUMMARIZER, "project_id": project}, status=201)).body
    path, data = f"/api/workflows/{made['id']}", {"email": {"from": "ada@example.com", "body": "Hello"}}
    begun = (await client.post(f"{path}/execute", {"input": {"data": data}})).body["execution_id"]

    async def completed() -> bool:
        return bool((await client.get(f"{path}/executions/{begun}")).body["status"] == "completed")

    await until(completed, 30)
    of_project = {"workflows?project_id=1": f"workflows?project_id={project}", "project_id": str(project)}
    return {"workflow_id": str(made["id"]), "exec_123": begun, _SECRET: made["webhook_secret"], **of_project}


async def ids(site: Site) -> dict[str, str]:
    """What stands where the documents' examples have an id."""
    return {"user_123": (await site.register())["data"]["user"]["id"], "rate_123": await _inactive_rate(site)}


async def own_ids(site: Site, user: str) -> dict[str, str]:
    """A used API key and a webhook of a user's."""
    key, _ = await site.services.api_keys.create(
        user, NewKey("sk_live_", "A key", ["ai:read"], now() + timedelta(days=1))
    )
    await api_keys.used(site.services.database, key.document["_id"], 1, now())
    webhook = await site.services.webhooks.endpoints.create(
        None, user, "ai_playground", "https://your-app.com/webhook", ["ai.task.completed"], None, True
    )
    return {"key_123": key.document["_id"], "wh_123": webhook["_id"]}


async def _inactive_rate(site: Site) -> str:
    actor = Actor("user_1", "127.0.0.1", "req_1")
    rate = await site.services.rate_administration.create(actor, "credits", "points", 10**9, active=False)
    return str(rate["_id"])


async def notification_id(site: Site, user: str) -> str:
    (welcome,), _ = await site.services.notifications.page(user, 1, None)
    return str(welcome["_id"])


async def mailed(site: Site, email: str) -> dict[str, str]:
    """What a mail brought."""
    await site.client().post("/api/auth/forgot-password", {"email": email})
    letter = await letter_to(site.services.settings.data_dir, email, SUBJECTS["reset"])
    return {"reset_token": token_in(letter)}


async def may_give(site: Site, client: ApiClient, headers: dict[str, str]) -> dict[str, str]:
    """Let the caller be somebody who may give a hundred credits; a friend's address."""
    email = (await client.get("/api/auth/me", headers=headers)).body["email"]
    caller = await users.by_email(site.services.database, email)
    assert caller is not None
    await site.services.identities.change_user(caller["_id"], {"email_verified": True})
    await grant(site.services.ledger, caller["_id"], 100_000_000)
    return {"friend": (await site.register())["user"]["email"]}


def with_ids(path: str, facts: dict[str, str]) -> str:
    return "/".join(facts.get(part, part) if "_" in part else part for part in path.split("/"))
