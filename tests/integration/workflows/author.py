"""A user who makes workflows and executes them, in the AI Assistant's own form."""

from itertools import pairwise
from typing import Any, Final, Self
from urllib.parse import urlsplit

from tests.api_client import Answer, ApiClient
from tests.hooks import Owner as Hooks
from tests.integration.workflows.owner import ALL, Json, Owner, transform
from tests.patience import until
from tests.site import Site

WRONG: Final[tuple[Any, ...]] = (None, True, 5, 1.5, "", [], {}, ["a"], {"$gt": ""})


def chain(*nodes: Json, trigger: str = "manual", **config: Any) -> Json:
    """A definition whose nodes come one after the other."""
    names = ["trigger", *(node["id"] for node in nodes)]
    edges = [{"from": before, "to": after} for before, after in pairwise(names)]
    return {"trigger": {"type": trigger, "config": config}, "nodes": list(nodes), "edges": edges}


def note(name: str = "note", **values: Any) -> Json:
    """A node that leaves the hub alone, and says what it was told."""
    return {"id": name, **transform(**values or {"said": "{{said}}"})}


def approval(name: str = "ask", **config: Any) -> Json:
    return {"id": name, "type": "approval", "config": {"message": "Go on?", **config}}


class Author(Owner):
    """An owner whose workflows are begun from outside too."""

    def __init__(self, site: Site, token: str, user: str) -> None:
        super().__init__(site.client("ai_assistant", token=token))
        self.site = site
        self.token = token
        self.user = user

    @classmethod
    async def of(cls, site: Site) -> Self:
        """A new user."""
        registered = await site.register()
        return cls(site, str(registered["access_token"]), str(registered["data"]["user"]["id"]))

    async def posts(
        self, workflow: Json, body: Any, status: int = 200, *, headers: dict[str, str] | None = None
    ) -> Answer:
        """To the workflow's own address, by a stranger."""
        path = urlsplit(workflow["webhook_url"]).path
        return await self.site.client("ai_assistant").post(path, body, status=status, headers=headers)

    async def waits(self, workflow: Json, execution: str) -> Json:
        """An execution, once it waits for an answer."""

        async def is_waiting() -> bool:
            return bool((await self.execution(workflow, execution))["approvals"])

        await until(is_waiting)
        return await self.execution(workflow, execution)

    def hooks(self) -> Hooks:
        """Their webhooks, which they make by the AI Aggregator's API."""
        client = self.site.client("ai_aggregator", token=self.token)
        return Hooks(self.site, "ai_aggregator", client, self.user, self.token)

    async def begun(self, workflow: Json) -> list[Json]:
        """The newest first."""
        found: list[Json] = (await self.client.get(f"{ALL}/{workflow['id']}/executions")).body["executions"]
        return found


async def refused(client: ApiClient, method: str, path: str, body: Any) -> list[str]:
    """The fields that are named."""
    answer = await client.request(method, path, body, status=400)
    assert answer.code == "INVALID_INPUT"
    return [each["field"] for each in answer.body["error"]["details"]["errors"]]
