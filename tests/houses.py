"""Running hubs for clients of others: one that asks companies, one that is its own sandbox, one that counts requests.

The companies are stand-ins that send recorded answers; what such an answer says is `RECORDED`. The conftests that name these
fixtures make them known to their folders.
"""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection
from typing import Any, Final

import pytest

from tests.conftest import Databases, StartHub, hubs_in
from tests.running_hub import PASSWORD, RunningHub
from tests.stand_ins.anthropic_server import AnthropicStandIn
from tests.stand_ins.base import Scenario, StandIn
from tests.stand_ins.openai_server import OpenAIStandIn

OPENAI_MODEL: Final = "gpt-4o"
ANTHROPIC_MODEL: Final = "claude-haiku-4-5"
MODELS: Final = (OPENAI_MODEL, ANTHROPIC_MODEL, "minimax")
REQUESTS_PER_MINUTE: Final = 100  # of a user on /v1, by the documents
_ADMIN: Final = {"HUB_ADMIN_EMAIL": "admin@example.org", "HUB_ADMIN_PASSWORD": PASSWORD}


@dataclass(frozen=True)
class Said:
    """What an answer says: its text, the one tool it calls, and its usage."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    tool: str | None = None
    arguments: Mapping[str, str] | None = None


# By the form that a company speaks, the name of the recording and whether it is streamed.
_OF_OPENAI: Final = {
    ("text", True): Said("Hello, wörld!", 19, 3),
    ("text", False): Said("Hello! How can I assist you today?", 19, 10),
    ("tools", True): Said("", 19, 3, "get_weather", {"location": "Paris"}),
    ("tools", False): Said("", 82, 17, "get_current_weather", {"location": "Boston, MA"}),
}
_OF_ANTHROPIC: Final = {
    ("text", True): Said("Hello, wörld!", 135, 15),
    ("text", False): Said("Hi! My name is Claude.", 2100, 503),
    ("tools", True): Said("Okay, let's check", 472, 89, "get_weather", {"location": "San Francisco, CA"}),
    ("tools", False): Said("I'll check the weather.", 400, 61, "get_weather", {"location": "San Francisco, CA"}),
}


@dataclass
class Companies:
    """The stand-ins of all companies."""

    openai: OpenAIStandIn
    anthropic: AnthropicStandIn
    minimax: OpenAIStandIn

    @property
    def environ(self) -> dict[str, str]:
        return {
            "OPENAI_BASE_URL": self.openai.base_url,
            "OPENAI_API_KEY": "sk-test",
            "ANTHROPIC_BASE_URL": self.anthropic.base_url,
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "MINIMAX_BASE_URL": self.minimax.base_url,
            "MINIMAX_API_KEY": "sk-test",
        }

    def of(self, model: str) -> StandIn:
        """The one that answers for a model."""
        if model.startswith("claude"):
            return self.anthropic
        return self.minimax if model == "minimax" else self.openai

    def forget(self) -> int:
        """The requests so far, and the scripted answers; how many of these were not asked for."""
        return sum(stand_in.forget() for stand_in in (self.openai, self.anthropic, self.minimax))

    def will_say(self, model: str, recording: str, *, streamed: bool) -> Said:
        """Have the next request for this model answered by a recording; what that says."""
        self.of(model).script(Scenario(recorded=recording))
        said = _OF_ANTHROPIC if self.of(model) is self.anthropic else _OF_OPENAI
        return said[recording, streamed]


@dataclass(frozen=True)
class House:
    """A running hub and its users. `companies` is None where the sandbox answers."""

    hub: RunningHub
    companies: Companies | None = None

    @property
    def v1(self) -> str:
        return f"{self.hub.url}/v1"

    def newcomer(self) -> str:
        """A new user's access token; ten credits are theirs."""
        return self.hub.register()

    @cached_property
    def somebody(self) -> str:
        """That of a user whom all tests share, where it does not matter what they have asked before."""
        return self.newcomer()

    @cached_property
    def pauper(self) -> str:
        """That of a user whose wallet is empty."""
        token = self.newcomer()
        user = self.call("GET", "/api/users/me", token)["data"]["id"]
        login = {"email": _ADMIN["HUB_ADMIN_EMAIL"], "password": PASSWORD}
        admin = self.call("POST", "/api/auth/login", None, login)["data"]["tokens"]["accessToken"]
        self.call("PUT", f"/api/admin/users/{user}", admin, {"credits": 0})
        return token

    def charges(self, token: str) -> list[float]:
        """What each answer has cost a user so far."""
        history = self.call("GET", "/api/credits/history?limit=100", token)["data"]
        return [-entry["amount"] for entry in history if entry["type"] == "usage"]

    def call(self, method: str, path: str, token: str | None, body: Any = None) -> Any:
        """The JSON that a request is answered with; it must succeed."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.hub.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def use_up_the_limit(self, token: str) -> None:
        """Send all the requests that a user has in a minute."""
        line = HTTPConnection("127.0.0.1", self.hub.port, timeout=30)
        for _ in range(REQUESTS_PER_MINUTE):
            line.request("GET", "/v1/models", headers={"Authorization": f"Bearer {token}"})
            answer = line.getresponse()
            answer.read()
            assert answer.status == 200
        line.close()


@contextmanager
def _companies() -> Iterator[Companies]:
    with ExitStack() as stack:
        stand_ins = (OpenAIStandIn(), AnthropicStandIn(), OpenAIStandIn())
        openai, anthropic, minimax = stand_ins
        for stand_in in stand_ins:
            stack.enter_context(stand_in.in_thread())
        yield Companies(openai, anthropic, minimax)


@pytest.fixture(scope="session")
def start_house(mongod_uri: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartHub]:
    with hubs_in(tmp_path_factory.mktemp("houses"), mongod_uri, databases) as start:
        yield start


@pytest.fixture(scope="session")
def shared_company_house(start_house: StartHub) -> Iterator[House]:
    with _companies() as companies:
        yield House(start_house(**_ADMIN, **companies.environ), companies)


@pytest.fixture
def companies(shared_company_house: House) -> Iterator[Companies]:
    """What a test has them say it has to ask for."""
    companies = shared_company_house.companies
    assert companies is not None
    companies.forget()
    yield companies
    assert companies.forget() == 0, "a scripted answer was not asked for"


@pytest.fixture
def company_house(shared_company_house: House, companies: Companies) -> House:
    return shared_company_house


@pytest.fixture(scope="session")
def sandbox_house(start_house: StartHub) -> House:
    return House(start_house(**_ADMIN, HUB_SANDBOX_TOKENS_PER_SECOND="5000"))


@pytest.fixture(scope="session")
def limited_house(start_house: StartHub) -> House:
    """The one that counts requests; ten users a minute may register there."""
    return House(start_house(HUB_RATE_LIMITS="on"))


@pytest.fixture(params=["sandbox_house", "company_house"], ids=["sandbox", "companies"])
def house(request: pytest.FixtureRequest) -> House:
    """Either: what a client sees is the same."""
    found: House = request.getfixturevalue(request.param)
    return found
