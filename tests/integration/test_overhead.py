"""`X-Hub-Overhead-Ms`: the hub's own time until an answer begins, and nobody else's."""

import time
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.http_streams import Face, Response, ask
from tests.ledger_parts import fail_point
from tests.stand_ins.base import Scenario

WAIT_SECONDS: Final = 1.0
WAIT_MS: Final = 1_000 * WAIT_SECONDS
BLOCKED_MS: Final = 1_500
_SAID: Final = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 64}


@dataclass(frozen=True)
class Question:
    """`beside`: the company is asked while the hold is still on its way to the database."""

    path: str
    body: dict[str, Any] = field(default_factory=lambda: dict(_SAID))
    beside: bool = False

    async def ask(self, face: Face) -> Response:
        answer = await ask(face.port, "POST", self.path, token=face.token, body=self.body)
        assert answer.status == 200, await answer.text()
        return answer


QUESTIONS: Final = {
    "completion": Question("/v1/chat/completions"),
    "streamed completion": Question("/v1/chat/completions", {**_SAID, "stream": True}, beside=True),
    "message": Question("/v1/messages"),
    "streamed message": Question("/v1/messages", {**_SAID, "stream": True}, beside=True),
    "vectors": Question("/v1/embeddings", {"model": "text-embedding-3-small", "input": "Hello"}),
}
of_every_question = pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())


def told_ms(answer: Response) -> float:
    return float(answer.headers["x-hub-overhead-ms"])


@of_every_question
@pytest.mark.parametrize(
    "scenario",
    [Scenario(first_token_seconds=WAIT_SECONDS), Scenario("error", status=503, retry_after=f"{WAIT_SECONDS:g}")],
    ids=["it takes its time", "it asks for a pause"],
)
@pytest.mark.gen_test
async def test_the_waits_for_a_company_are_not_ours(face: Face, question: Question, scenario: Scenario) -> None:
    face.provider.script(scenario)
    began = time.monotonic()
    answer = await question.ask(face)
    took_ms = 1_000 * (time.monotonic() - began)
    assert took_ms >= WAIT_MS
    assert 0 < told_ms(answer) <= took_ms - WAIT_MS
    assert told_ms(answer) < WAIT_MS


@of_every_question
@pytest.mark.gen_test
async def test_the_wait_for_the_database_is_ours(face: Face, mongod_uri: str, question: Question) -> None:
    """The hold of what is asked takes its time, and the company none."""
    slow = {"blockConnection": True, "blockTimeMS": BLOCKED_MS}
    async with fail_point(mongod_uri, {"times": 1}, ["commitTransaction"], **slow):
        answer = await question.ask(face)
    assert told_ms(answer) >= (WAIT_MS if question.beside else BLOCKED_MS)
