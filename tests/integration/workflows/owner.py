"""A user with workflows: makes them, executes them, and waits until what becomes of them is known."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self

from models.clock import now
from models.database import Database, Document
from models.executions import EXECUTIONS
from tests.api_client import ApiClient
from tests.executions import definition
from tests.patience import until
from tests.site import Site

Json = dict[str, Any]
ALL = "/api/workflows"


def manual(drawn: str, **nodes: Json) -> Json:
    """A definition that begins by hand; edges are drawn as in `tests/executions.py`."""
    return definition(drawn, **nodes)


def transform(**set_to: Any) -> Json:
    return {"type": "transform", "config": {"set": set_to}}


def ai_call(prompt: str = "Say hello", **config: Any) -> Json:
    return {"type": "ai_call", "config": {"model": "gpt-4", "prompt": prompt, "max_tokens": 20, **config}}


def send_email(to: str = "bob@example.com", subject: str = "News", **config: Any) -> Json:
    return {"type": "send_email", "config": {"to": to, "subject": subject, **config}}


def http_request(url: str, method: str = "POST", **config: Any) -> Json:
    return {"type": "http_request", "config": {"method": method, "url": url, **config}}


class Owner:
    """`client` is theirs, in the AI Assistant's dialect."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client

    @classmethod
    async def at(cls, site: Site) -> Self:
        return cls(site.client("ai_assistant", token=await site.token()))

    async def make(self, given: Json, **fields: Any) -> Json:
        """A workflow of this definition, as it is answered."""
        body = {"name": "A workflow", "definition": given, **fields}
        made: Json = (await self.client.post(ALL, body, status=201)).body
        return made

    async def begin(self, workflow: Mapping[str, Any], **given: Any) -> str:
        """The id of an execution that was begun just now."""
        answer = await self.client.post(f"{ALL}/{workflow['id']}/execute", {"input": given})
        return str(answer.body["execution_id"])

    async def execution(self, workflow: Mapping[str, Any], execution: str) -> Json:
        found: Json = (await self.client.get(f"{ALL}/{workflow['id']}/executions/{execution}")).body
        return found

    async def ended(self, workflow: Mapping[str, Any], execution: str, seconds: float = 30.0) -> Json:
        """As it is once it has ended."""
        found: Json = {}

        async def has_ended() -> bool:
            found.update(await self.execution(workflow, execution))
            return bool(found["status"] != "running")

        await until(has_ended, seconds)
        return found

    async def executed(self, given: Json, fields: Mapping[str, Any] | None = None, **data: Any) -> Json:
        """What a new workflow of this definition comes to, executed by hand."""
        workflow = await self.make(given, **(fields or {}))
        return await self.ended(workflow, await self.begin(workflow, **data))

    async def balance(self) -> float:
        """In credits."""
        answer = await self.client.get("/api/credits/balance", dialect="smart_ai_hub")
        return float(answer.body["data"]["balance"])


def statuses(execution: Mapping[str, Any]) -> dict[str, str]:
    """Of each step, by its key."""
    return {step["node"]: step["status"] for step in execution["steps"]}


def outputs(execution: Mapping[str, Any]) -> dict[str, Any]:
    return {step["node"]: step.get("output") for step in execution["steps"]}


def database_of(site: Site) -> Database:
    return site.services.database


async def kept(site: Site, execution: str) -> Document:
    """An execution as the database has it."""
    found = await database_of(site)[EXECUTIONS].find_one({"_id": execution})
    assert found is not None
    return found


async def at_rest(site: Site, execution: str) -> None:
    """Until it has begun, and nobody has a turn at it."""

    async def is_free() -> bool:
        found = await kept(site, execution)
        return found["claim"] is None and bool(found["steps"])

    await until(is_free)


async def stands(database: Database, execution: str, name: str, value: str) -> bool:
    """Whether a field of an execution has this value."""
    return await database[EXECUTIONS].count({"_id": execution, name: value}) == 1


async def stolen(site: Site, execution: str) -> None:
    """As if this process had stood still for longer than its claim lasts, and another one had the execution now."""
    other = {"claim": "claim_other", "claimed_until": now() + timedelta(hours=1)}
    await database_of(site)[EXECUTIONS].update_one({"_id": execution}, {"$set": other})


async def given_back(site: Site, execution: str) -> None:
    """Anybody may take it up again."""
    change = {"$set": {"claim": None, "claimed_until": now() - timedelta(hours=1)}}
    await database_of(site)[EXECUTIONS].update_one({"_id": execution}, change)
