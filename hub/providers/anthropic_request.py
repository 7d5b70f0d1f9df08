"""Turns a call in OpenAI's form into the body of Anthropic's Messages API. Pure.

system, developer -> `system`               tool -> a user's `tool_result`
user, assistant   -> alternating turns      assistant's tool_calls -> `tool_use`
response_format   -> `output_config`        user -> `metadata`

What OpenAI's form does not know is Anthropic's, or nobody's, and goes through as it is.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from hub.providers.base import Json, ProviderCall, ProviderError

_DATA_URL: Final = re.compile(r"data:((?:image|application)/[\w.+-]+);base64,", re.ASCII)
# OpenAI's own parameters: said in Anthropic's words below, or without any meaning there.
_OPENAIS: Final = frozenset(
    {"temperature", "top_p", "stop", "tools", "tool_choice", "parallel_tool_calls", "response_format", "user"}
    | {"metadata", "service_tier", "stream_options", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs"}
    | {"top_logprobs", "seed", "store", "modalities", "audio", "prediction", "reasoning_effort", "verbosity"}
    | {"safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "moderation"}
    | {"web_search_options", "functions", "function_call"}
)
_OURS: Final = frozenset({"model", "messages", "system", "max_tokens", "max_completion_tokens", "stream", "n"})
_TOOL_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}
_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


def messages_body(call: ProviderCall) -> Json:
    """The whole body but `stream`. Raises `ProviderError` (`request_is_wrong`) for what has no form there."""
    try:
        system, turns = _turns(call.messages)
        body: Json = {"model": call.model, "max_tokens": call.max_tokens, "messages": turns}
        if system:
            body["system"] = system
        given = call.parameters
        return _passed(given) | body | _sampling(given) | _tools(given) | _answer_form(given) | _asker(given)
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
    if kind == "refusal":
        return {"type": "text", "text": part["refusal"]}
    if kind == "file":
        return _document(part["file"])
    raise _wrong(f"A content part of type {str(kind)[:40]!r} cannot be sent to this model")


def _image_source(image: Any) -> Json:
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise _wrong("An image_url needs a url")
    if (source := _base64_source(url)) and source["media_type"].startswith("image/"):
        return source
    if url.startswith(("http://", "https://")):
        return {"type": "url", "url": url}
    raise _wrong("An image must be a base64 data URL or an http(s) address")


def _document(file: Json) -> Json:
    source = _base64_source(file.get("file_data") or "")
    if source is None or source["media_type"] != "application/pdf":
        raise _wrong("A file must be a PDF, with its bytes in file_data as a base64 data URL")
    named = {"title": file["filename"]} if file.get("filename") else {}
    return {"type": "document", "source": source, **named}


def _base64_source(url: str) -> Json | None:
    found = _DATA_URL.match(url)
    return None if found is None else {"type": "base64", "media_type": found[1], "data": url[found.end() :]}


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


def _passed(parameters: Mapping[str, Any]) -> Json:
    return {
        name: value
        for name, value in parameters.items()
        if name not in _OPENAIS and name not in _OURS and value is not None
    }


def _asker(parameters: Mapping[str, Any]) -> Json:
    """On whose behalf, and in which tier. OpenAI's `metadata` are tags of its own dashboard, which would be refused."""
    user = parameters.get("user") or (parameters.get("metadata") or {}).get("user_id")
    tier = _TIERS.get(parameters.get("service_tier") or "")
    return ({"metadata": {"user_id": user}} if user else {}) | ({"service_tier": tier} if tier else {})


def _answer_form(parameters: Mapping[str, Any]) -> Json:
    """A JSON schema. Of JSON without one there is no word here: OpenAI demands that the prompt asks for it too."""
    form = parameters.get("response_format") or {}
    if form.get("type") != "json_schema":
        return {}
    beside = parameters.get("output_config") or {}
    return {"output_config": {**beside, "format": {"type": "json_schema", "schema": form["json_schema"]["schema"]}}}


def _sampling(parameters: Mapping[str, Any]) -> Json:
    body: Json = {}
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
    if parameters.get("functions"):
        raise _wrong("This model takes functions as `tools` alone")
    tools, wanted = [_tool(tool) for tool in parameters.get("tools") or ()], parameters.get("tool_choice")
    if isinstance(wanted, dict) and (allowed := wanted.get("allowed_tools")):
        names = {tool["function"]["name"] for tool in allowed["tools"]}
        tools, wanted = [tool for tool in tools if tool.get("name") in names], allowed["mode"]
    if not tools:
        return {}
    choice = _tool_choice(wanted)
    if parameters.get("parallel_tool_calls") is False and choice.get("type") != "none":
        choice = {"type": "auto"} | choice | {"disable_parallel_tool_use": True}
    return {"tools": tools} | ({"tool_choice": choice} if choice else {})


def _tool(tool: Json) -> Json:
    """The caller's own; one that the company itself runs goes through as it is."""
    if "function" not in tool and "type" in tool:
        return tool
    function = tool.get("function") or {}
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    told = {name: function[name] for name in ("description", "strict") if function.get(name)}
    return {"name": function.get("name", ""), **told, "input_schema": schema}


def _tool_choice(choice: Any) -> Json:
    if isinstance(choice, str):
        return {"type": _TOOL_CHOICES.get(choice, "auto")}
    if isinstance(choice, dict):
        return {"type": "tool", "name": (choice.get("function") or {}).get("name", "")}
    return {}
