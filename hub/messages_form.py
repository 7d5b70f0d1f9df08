"""A request in Anthropic's form, said in the hub's own: OpenAI's messages and parameters. Pure.

    system                       -> a system message
    user:      tool_result       -> a tool message each, before what else the turn says; its pictures stand in that
               text, image       -> the parts of one user message
    assistant: text, tool_use    -> content and tool_calls; thoughts have no place
    tools, tool_choice, ...      -> their OpenAI names

For providers that do not speak Anthropic's form, and for counting. What has no counterpart there goes through as it is, and
is refused by who does not know it: nothing is left out of a question in silence. What only tells Anthropic how to work is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

Json = dict[str, Any]

# Read here, or without any meaning for other companies' models: how to think, to cache, to be billed and routed there.
_OWN: Final = frozenset(
    {"model", "messages", "system", "max_tokens", "stream", "stop_sequences", "metadata", "tools", "tool_choice"}
    | {"thinking", "output_config", "cache_control", "service_tier", "context_management", "container", "mcp_servers"}
    | {"inference_geo", "speed", "diagnostics", "user_profile_id", "workspace_id", "n"}
)
_TOOL_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
_SAID_ELSEWHERE: Final = frozenset({"tool_use", "thinking", "redacted_thinking"})


def openai_messages(request: Mapping[str, Any]) -> list[Json]:
    """The system prompt and all turns. `request` has passed `hub/anthropic_fields.py`."""
    system = _joined(request.get("system") or "", "\n\n")
    messages: list[Json] = [{"role": "system", "content": system}] if system else []
    for message in request["messages"]:
        messages += _OF_ROLE[message["role"]](message["content"])
    return messages


def openai_parameters(request: Mapping[str, Any]) -> Json:
    """OpenAI's other fields; those that are not known here pass through."""
    parameters = {name: value for name, value in request.items() if name not in _OWN and value is not None}
    if request.get("stop_sequences"):
        parameters["stop"] = request["stop_sequences"]
    if user := (request.get("metadata") or {}).get("user_id"):
        parameters["user"] = user
    return parameters | openai_format(request) | _tools(request)


def openai_format(request: Mapping[str, Any]) -> Json:
    """The form that the answer is to have, as `response_format`."""
    form = (request.get("output_config") or {}).get("format")
    return {"response_format": _response_format(form)} if form else {}


def openai_tools(request: Mapping[str, Any]) -> list[Json]:
    """The tools that are offered."""
    return [_tool(tool) for tool in request.get("tools") or ()]


def _joined(content: str | Sequence[Json], between: str) -> str:
    """A text, or the texts of blocks."""
    if isinstance(content, str):
        return content
    return between.join(block["text"] for block in content if block["type"] == "text")


# --- turns ------------------------------------------------------------------------------------------------------


def _system(content: str | Sequence[Json]) -> list[Json]:
    return [{"role": "system", "content": _joined(content, "\n\n")}]


def _user(content: str | Sequence[Json]) -> list[Json]:
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    results = [block for block in content if block["type"] == "tool_result"]
    shown = [part for result in results for part in _parts(_beyond_text(result))]
    said = [*shown, *_parts(block for block in content if block["type"] != "tool_result")]
    plain = len(said) == 1 and said[0]["type"] == "text"
    turn: list[Json] = [{"role": "user", "content": said[0]["text"] if plain else said}] if said else []
    return [_tool_result(result) for result in results] + turn


def _tool_result(result: Json) -> Json:
    text = _joined(result.get("content") or "", "\n")
    said = f"Error: {text}" if result.get("is_error") else text
    return {"role": "tool", "tool_call_id": result["tool_use_id"], "content": said}


def _beyond_text(result: Json) -> list[Json]:
    content = result.get("content") or ()
    return [] if isinstance(content, str) else [block for block in content if block["type"] != "text"]


def _assistant(content: str | Sequence[Json]) -> list[Json]:
    if isinstance(content, str):
        return [{"role": "assistant", "content": content}]
    calls = [_tool_call(block) for block in content if block["type"] == "tool_use"]
    said = [block for block in content if block["type"] not in _SAID_ELSEWHERE]
    only_text = all(block["type"] == "text" for block in said)
    text_or_parts = _joined(said, "") or None if only_text else _parts(said)
    if text_or_parts is None and not calls:
        return []
    return [{"role": "assistant", "content": text_or_parts, **({"tool_calls": calls} if calls else {})}]


def _tool_call(block: Json) -> Json:
    function = {"name": block["name"], "arguments": orjson.dumps(block["input"]).decode()}
    return {"id": block["id"], "type": "function", "function": function}


_OF_ROLE: Final = {"system": _system, "user": _user, "assistant": _assistant}

# --- content ----------------------------------------------------------------------------------------------------


def _parts(blocks: Iterable[Json]) -> list[Json]:
    return [_OF_KIND.get(block["type"], _as_it_is)(block) for block in blocks]


def _as_it_is(block: Json) -> Json:
    return block


def _text(block: Json) -> Json:
    return {"type": "text", "text": block["text"]}


def _image(block: Json) -> Json:
    source = block["source"]
    if source["type"] == "url":
        return {"type": "image_url", "image_url": {"url": source["url"]}}
    return {"type": "image_url", "image_url": {"url": _data_url(source)}} if source["type"] == "base64" else block


def _document(block: Json) -> Json:
    """A text is a text; a file in base64 is one for OpenAI too."""
    source = block["source"]
    if source["type"] == "text":
        return {"type": "text", "text": source["data"]}
    if source["type"] != "base64":
        return block
    return {"type": "file", "file": {"filename": block.get("title") or "document.pdf", "file_data": _data_url(source)}}


def _data_url(source: Json) -> str:
    return f"data:{source['media_type']};base64,{source['data']}"


_OF_KIND: Final = {"text": _text, "image": _image, "document": _document}

# --- tools and the form of the answer ---------------------------------------------------------------------------


def _tools(request: Mapping[str, Any]) -> Json:
    tools = openai_tools(request)
    if not tools:
        return {}
    choice = request.get("tool_choice") or {}
    said: Json = {"tools": tools}
    if choice:
        said["tool_choice"] = _tool_choice(choice)
    if choice.get("disable_parallel_tool_use"):
        said["parallel_tool_calls"] = False
    return said


def _tool(tool: Json) -> Json:
    """The caller's own; one that the company itself runs goes through, and is refused by every other."""
    if tool.get("type") not in (None, "custom"):
        return tool
    function = {"name": tool["name"], "parameters": tool["input_schema"]}
    told = {name: tool[name] for name in ("description", "strict") if tool.get(name) is not None}
    return {"type": "function", "function": function | told}


def _tool_choice(choice: Json) -> Any:
    if choice["type"] == "tool":
        return {"type": "function", "function": {"name": choice["name"]}}
    return _TOOL_CHOICES.get(choice["type"], choice)


def _response_format(form: Json) -> Json:
    if form["type"] != "json_schema":
        return form
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": form["schema"]}}
