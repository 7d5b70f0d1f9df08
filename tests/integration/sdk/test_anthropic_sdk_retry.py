"""Anthropic's official client over a line that breaks, as `test_openai_sdk_retry.py` has it of OpenAI's."""

from collections.abc import Iterator
from typing import Any, Final

import anthropic
import httpx2
import pytest

from tests.houses import ANTHROPIC_MODEL, OPENAI_MODEL, Companies, House
from tests.integration.sdk.cuts import assert_one_call_and_one_charge, cut_once_asked, wait_until
from tests.line import Line
from tests.stand_ins.base import Scenario

WORDS: Final = 24
ASKED: Final[dict[str, Any]] = {
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 100,
    "extra_headers": {"Idempotency-Key": "of this answer"},
}
both_companies = pytest.mark.parametrize("model", [OPENAI_MODEL, ANTHROPIC_MODEL])


class Caller:
    """A newcomer's client, whose requests go by the line. `sent` has the path of each that really went out."""

    def __init__(self, house: House, line: Line) -> None:
        self.sent: list[str] = []
        self.token = house.newcomer()
        hooks = {"request": [lambda request: self.sent.append(request.url.path)]}
        self.client = anthropic.Anthropic(
            base_url=f"http://127.0.0.1:{line.port}",
            auth_token=self.token,
            api_key=None,
            http_client=anthropic.DefaultHttpxClient(event_hooks=hooks),
        )


@pytest.fixture
def caller(company_house: House, line: Line) -> Iterator[Caller]:
    caller = Caller(company_house, line)
    yield caller
    caller.client.close()


@both_companies
@pytest.mark.parametrize("finished", [False, True], ids=["still being written", "finished meanwhile"])
def test_a_stream_that_is_cut_and_asked_for_again(
    company_house: House, companies: Companies, caller: Caller, line: Line, model: str, finished: bool
) -> None:
    provider = companies.of(model)
    provider.script(Scenario(chunks=WORDS, interval_seconds=0.05))
    heard = 0
    with (
        pytest.raises(httpx2.TransportError),  # this client lets it through
        caller.client.messages.stream(model=model, **ASKED) as events,
    ):
        for _ in events.text_stream:
            heard += 1
            if heard == 5:
                line.cut()
    assert 5 <= heard < WORDS and len(caller.sent) == 1
    line.mend()
    if finished:
        wait_until(lambda: company_house.charges(caller.token))
    with caller.client.messages.stream(model=model, **ASKED) as again:
        message = again.get_final_message()
    assert again.response.headers["idempotency-hit"] == "true"
    assert [block.text for block in message.content if block.type == "text"] == [" word" * WORDS]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", WORDS)
    assert_one_call_and_one_charge(company_house, caller.token, provider)


@both_companies
def test_the_client_tries_again_by_itself(
    company_house: House, companies: Companies, caller: Caller, line: Line, model: str
) -> None:
    """The line breaks before the answer's head: it then repeats the request, key and all, and its program sees nothing."""
    provider = companies.of(model)
    provider.script(Scenario(chunks=WORDS, interval_seconds=0.05))
    with cut_once_asked(line, provider):
        message = caller.client.messages.create(model=model, **ASKED)
    assert [block.text for block in message.content if block.type == "text"] == [" word" * WORDS]
    assert len(caller.sent) >= 2
    assert_one_call_and_one_charge(company_house, caller.token, provider)
