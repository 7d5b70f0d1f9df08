"""Turns a call in OpenAI's form into the body of Anthropic's Messages API. Pure.

system, developer -> `system`               tool -> a user's `tool_result`
user, assistant   -> alternating turns      assistant's tool_calls -> `tool_use`
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from hub.providers.base import Json, ProviderCall, ProviderError

_DATA_URL: Final = re.compile(r"data:(image/[\w.+-]+);base64,", re.ASCII)
# Fields that are Anthropic's own: `/v1` passes unknown fields through.
_PASSED: Final = ("top_k", "thinking", "metadata", "service_tier")
_TOOL_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}


def messages_body(call: ProviderCall) -> Json:
    """The whole body but `stream`. Raises `ProviderError` (`request_is_wrong`) for what has no form there."""
    try:
        system, turns = _turns(call.messages)
        body: Json = {"model": call.model, "max_tokens": call.max_tokens, "messages": turns}
        if system:
            body["system"] = system
        return body | _sampling(call.parameters) | _tools(call.parameters)
    except (
        AttributeError,
        LookupError,
        TypeError,
    ) as error:  # fields passed through have whatever form the caller gave
        raise _wrong("A field of the request does not have the form of a chat completion") from error


def _wrong(message: str) -> ProviderError:
    return ProviderError(message, request_is_wrong=True)


def _turns(messages: Sequence[Json]) -> tuple[str, list[Json]]:
    system: list[str] = []
    turns: list[Json] = []
    for message in messages:
        if message.get("role") in ("system", "developer"):
            system.append(_plain_text(message.get("content")))
            continue
        role = "assistant" if message.get("role") == "assistant" else "user"
        blocks = _blocks(message)
        if turns and turns[-1]["role"] == role:  # roles alternate there
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    text = "\n\n".join(filter(None, system))
    if not turns:  # a turn is required: instructions alone are then the question
        return "", [{"role": "user", "content": [{"type": "text", "text": text}]}]
    _trim_prefill(turns[-1])
    return text, turns


def _trim_prefill(last: Json) -> None:
    """An assistant's turn at the end is continued, and is refused where it ends in white space. It is never blank."""
    block = last["content"][-1]
    if last["role"] == "assistant" and block["type"] == "text":
        block["text"] = block["text"].rstrip()


def _blocks(message: Json) -> list[Json]:
    if message.get("role") == "tool":
        return [_tool_result(message)]
    blocks = _content_blocks(message.get("content"))
    return blocks + [_tool_use(call) for call in message.get("tool_calls") or ()]


def _content_blocks(content: Any) -> list[Json]:
    """Blank texts are left out, because a blank block is refused."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    return [block for part in content or () if (block := _part(part)) is not None]


def _part(part: Json) -> Json | None:
    kind = part.get("type")
    if kind == "text":
        return {"type": "text", "text": part["text"]} if str(part.get("text") or "").strip() else None
    if kind == "image_url":
        return {"type": "image", "source": _image_source(part.get("image_url"))}
    raise _wrong(f"A content part of type {str(kind)[:40]!r} cannot be sent to this model")


def _image_source(image: Any) -> Json:
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise _wrong("An image_url needs a url")
    if found := _DATA_URL.match(url):
        return {"type": "base64", "media_type": found[1], "data": url[found.end() :]}
    if url.startswith(("http://", "https://")):
        return {"type": "url", "url": url}
    raise _wrong("An image must be a base64 data URL or an http(s) address")


def _plain_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or () if isinstance(part, dict))


def _tool_result(message: Json) -> Json:
    content = _content_blocks(message.get("content"))
    block: Json = {"type": "tool_result", "tool_use_id": message.get("tool_call_id", "")}
    return block | ({"content": content} if content else {})


def _tool_use(call: Json) -> Json:
    function = call.get("function") or {}
    try:
        arguments = orjson.loads(function.get("arguments") or "{}")
    except orjson.JSONDecodeError as error:
        raise _wrong("A tool call's arguments are not JSON") from error
    if not isinstance(arguments, dict):
        raise _wrong("A tool call's arguments are not an object")
    return {"type": "tool_use", "id": call.get("id", ""), "name": function.get("name", ""), "input": arguments}


def _sampling(parameters: Mapping[str, Any]) -> Json:
    body = {key: parameters[key] for key in _PASSED if parameters.get(key) is not None}
    temperature, top_p = parameters.get("temperature"), parameters.get("top_p")
    if temperature is not None:
        body["temperature"] = min(temperature, 1)  # OpenAI's scale goes to 2
    elif top_p is not None:  # newer models refuse the two together
        body["top_p"] = top_p
    stop = parameters.get("stop") or ()
    sequences = [text for text in ([stop] if isinstance(stop, str) else stop) if text.strip()]  # blank ones are refused
    return body | ({"stop_sequences": sequences} if sequences else {})


def _tools(parameters: Mapping[str, Any]) -> Json:
    """Without tools a choice among them is refused, so both or none are sent."""
    tools = [_tool(tool) for tool in parameters.get("tools") or () if tool.get("type") == "function"]
    if not tools:
        return {}
    choice = _tool_choice(parameters.get("tool_choice"))
    if parameters.get("parallel_tool_calls") is False and choice.get("type") != "none":
        choice = {"type": "auto"} | choice | {"disable_parallel_tool_use": True}
    return {"tools": tools} | ({"tool_choice": choice} if choice else {})


def _tool(tool: Json) -> Json:
    function = tool.get("function") or {}
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    described = {"description": function["description"]} if function.get("description") else {}
    return {"name": function.get("name", ""), **described, "input_schema": schema}


def _tool_choice(choice: Any) -> Json:
    if isinstance(choice, str):
        return {"type": _TOOL_CHOICES.get(choice, "auto")}
    if isinstance(choice, dict):
        return {"type": "tool", "name": (choice.get("function") or {}).get("name", "")}
    return {}
