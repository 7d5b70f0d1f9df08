"""The client programs in Python: lines in, lines out, and where they connect to.

python -m tests.clients.served NAME     with `ask` of tests/clients/NAME_client.py

The fields of the lines are told in `tests/clients/programs.py`. A client that opens a connection to anywhere but loopback,
even while it is imported, is found out by Python's own audit events, whatever library does it.
"""

import importlib
import json
import sys
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Heard:
    """An answer as far as it has come: what was read before a failure counts too."""

    text: str = ""
    pieces: int = 0
    usage: Json | None = None
    finish: str | None = None
    calls: list[Json] = field(default_factory=list)

    def add_text(self, piece: str | None) -> None:
        self.text += piece or ""
        self.pieces += bool(piece)

    def add_call(self, index: int, call_id: str | None, name: str | None, arguments: str | None) -> None:
        """A piece of a tool's call; the first piece has the id and the name."""
        while len(self.calls) <= index:
            self.calls.append({"id": "", "name": "", "arguments": ""})
        self.calls[index]["id"] += call_id or ""
        self.calls[index]["name"] += name or ""
        self.calls[index]["arguments"] += arguments or ""


def main(name: str) -> None:
    """Answer requests until standard input ends. What a client prints, as some do on a failure, goes to standard error."""
    addresses: list[str] = []
    answers, sys.stdout = sys.stdout, sys.stderr
    sys.addaudithook(lambda event, args: _note(addresses, event, args))
    ask = importlib.import_module(f"tests.clients.{name}_client").ask
    of_openai: type[Exception] = importlib.import_module("openai").OpenAIError  # imported where it is listened to
    for line in sys.stdin:
        heard, error = Heard(), None
        try:
            ask(json.loads(line), heard)
        except of_openai as failure:  # litellm's and langchain's are of its kinds; anything else ends us
            error = _told(failure)
        answer = {**vars(heard), "error": error, "addresses": addresses[:]}
        addresses.clear()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _note(addresses: list[str], event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(args[1], tuple):
        addresses.append(str(args[1][0]))
    elif event == "socket.getaddrinfo" and args[0] is not None:
        addresses.append(args[0].decode() if isinstance(args[0], bytes) else str(args[0]))


def _told(failure: Exception) -> Json:
    classes = [f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(failure).__mro__]
    status, code = getattr(failure, "status_code", None), getattr(failure, "code", None)
    return {"classes": classes, "status": status, "code": code, "message": str(failure)}


if __name__ == "__main__":
    main(sys.argv[1])
