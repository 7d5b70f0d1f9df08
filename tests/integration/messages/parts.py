"""A hub with stand-ins for OpenAI and Anthropic, and what is asked of it in Anthropic's form."""

from dataclasses import dataclass
from typing import Any, Final

from hub.audit import audit
from hub.prices import charge_micro
from tests.anthropic_events import events_of
from tests.http_streams import Face, Response, ask
from tests.stand_ins.anthropic_server import AnthropicStandIn
from tests.stand_ins.base import StandIn

PATH: Final = "/v1/messages"
CLAUDE, GPT, SANDBOX = "claude-haiku-4-5", "gpt-4o", "minimax"
KEY: Final = {"Idempotency-Key": "order 66"}
PNG: Final = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
WEATHER: Final = {"name": "get_weather", "description": "Tells it", "input_schema": {"type": "object"}}


@dataclass
class Desk:
    """A served hub with stand-ins for OpenAI and Anthropic; MiniMax is the sandbox."""

    face: Face
    anthropic: AnthropicStandIn
    other_port: int

    def of(self, model: str) -> StandIn:
        return self.anthropic if model == CLAUDE else self.face.provider

    async def send(self, model: str, headers: dict[str, str] | None = None, **fields: Any) -> Response:
        body = {"model": model, "max_tokens": 600, "messages": [{"role": "user", "content": "Hello"}], **fields}
        return await ask(self.face.port, "POST", PATH, token=self.face.token, body=body, headers=headers)

    async def message(self, model: str, **fields: Any) -> dict[str, Any]:
        response = await self.send(model, **fields)
        assert response.status == 200, await response.text()
        made: dict[str, Any] = await response.json()
        return made

    async def events(self, model: str, **fields: Any) -> list[dict[str, Any]]:
        response = await self.send(model, stream=True, **fields)
        assert response.status == 200, await response.text()
        return events_of((await response.text()).encode())

    async def refused(self, status: int, model: str = GPT, **fields: Any) -> tuple[str, str]:
        """The type and the message of an error that has Anthropic's form and nothing else."""
        return await refusal(await self.send(model, **fields), status)

    def price(self, model: str, prompt_tokens: int, completion_tokens: int) -> int:
        return charge_micro(self.face.services.catalogue[model], prompt_tokens, completion_tokens)

    async def assert_sound(self) -> None:
        await self.face.at_rest()
        assert [difference async for difference in audit(self.face.services.database)] == []


async def refusal(response: Response, status: int) -> tuple[str, str]:
    answer = await response.json()
    assert (response.status, set(answer), answer["type"]) == (status, {"type", "error", "request_id"}, "error"), answer
    assert set(answer["error"]) == {"type", "message"}
    assert response.headers["request-id"] == response.headers["x-request-id"] == answer["request_id"]
    return answer["error"]["type"], answer["error"]["message"]
