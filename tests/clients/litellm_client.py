"""`litellm`, unmodified, as a program: it speaks to the hub as to any server with OpenAI's form."""

import litellm

from tests.clients.served import Heard, Json


def ask(request: Json, heard: Heard) -> None:
    answer = litellm.completion(
        model=f"openai/{request['model']}",
        api_base=request["url"],
        api_key=request["key"],
        messages=request["messages"],
        max_retries=request["retries"],
        extra_headers=request["headers"],
        **({"tools": request["tools"]} if request["tools"] else {}),
        **({"stream": True, "stream_options": {"include_usage": True}} if request["stream"] else {}),
        **request["fields"],
    )
    if request["stream"]:
        for chunk in answer:
            _add(heard, chunk.choices, "delta", getattr(chunk, "usage", None))
    else:
        _add(heard, answer.choices, "message", answer.usage)


def _add(heard: Heard, choices: list[Json], part: str, usage: object) -> None:
    if usage is not None:
        heard.usage = {name: getattr(usage, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    for choice in choices:
        said = getattr(choice, part)
        heard.add_text(said.content)
        heard.finish = choice.finish_reason or heard.finish
        for number, call in enumerate(said.tool_calls or ()):
            heard.add_call(getattr(call, "index", number), call.id, call.function.name, call.function.arguments)
