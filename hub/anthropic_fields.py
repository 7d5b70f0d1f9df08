"""The fields of a request in Anthropic's form, checked for what the hub reads of them.

What is not known here (kinds of content blocks, of tools, of thinking) is the provider's matter and goes through.
"""

from collections.abc import Mapping
from typing import Any, Final

from config import limits
from hub.checks import Check, Checked, a_list, an_object, flag, of_kinds, string, text, text_or

ROLES: Final = frozenset({"user", "assistant", "system"})
_BLOCKS_MAX: Final = limits.PARTS_PER_MESSAGE_MAX
_BLOCKS: Final = f"must be a string or a list of 1 to {_BLOCKS_MAX} blocks"


def _json_object(value: Any) -> list[str]:
    return [] if isinstance(value, dict) else ["must be an object"]


def _count(value: Any) -> list[str]:
    return [] if type(value) is int and 0 < value <= limits.MAX_TOKENS_MAX else ["must be a whole number above 0"]


_source = of_kinds(
    {
        "base64": an_object({"media_type": string, "data": string}),
        "url": an_object({"url": string}),
        "text": an_object({"data": string}),
    }
)
_image = an_object({"source": _source})
_text_block = an_object({"text": text})
_inner: Final[Mapping[str, Check]] = {"text": _text_block, "image": _image, "document": _image}
_result = text_or(
    a_list(of_kinds(_inner), 0, _BLOCKS_MAX, f"must be a string or a list of at most {_BLOCKS_MAX} blocks")
)
_blocks: Final[Mapping[str, Check]] = {
    **_inner,
    "tool_use": an_object({"id": string, "name": string, "input": _json_object}),
    "tool_result": an_object({"tool_use_id": string}, {"content": _result, "is_error": flag}),
    "thinking": an_object({"thinking": text}, {"signature": string}),
    "redacted_thinking": an_object({"data": string}),
}
_content = text_or(a_list(of_kinds(_blocks), 1, _BLOCKS_MAX, _BLOCKS))
_system = text_or(a_list(of_kinds({"text": _text_block}), 1, _BLOCKS_MAX, _BLOCKS))


def _role(value: Any) -> list[str]:
    known = isinstance(value, str) and value in ROLES
    return [] if known else [f"must be one of {', '.join(sorted(ROLES))}"]


_message = an_object({"role": _role, "content": _content})
_own_tool = an_object({"name": string, "input_schema": _json_object}, {"description": text})


def _tool(tool: Any) -> Any:
    """The caller's own has no type or is `custom`; the company's have others, and whatever fields those need."""
    if isinstance(tool, dict) and tool.get("type") in (None, "custom"):
        return _own_tool(tool)
    return an_object({"type": string})(tool)


def _choice(choice: Any) -> Any:
    return of_kinds({"tool": an_object({"name": string})})(choice) or an_object(
        {}, {"disable_parallel_tool_use": flag}
    )(choice)


def _stop(stop: Any) -> list[str]:
    good = isinstance(stop, str) and 0 < len(stop) <= limits.STOP_CHARS_MAX
    return [] if good else [f"must be a string of 1 to {limits.STOP_CHARS_MAX} characters"]


def _at_most(items: int, what: str) -> str:
    return f"must be a list of at most {items} {what}"


_MESSAGES_MAX: Final = limits.MESSAGES_PER_REQUEST_MAX
_TOOLS_MAX: Final = limits.TOOLS_PER_REQUEST_MAX
_STOPS_MAX: Final = limits.STOP_SEQUENCES_MAX
_ANY_BLOCKS: Final = {"type": "array", "items": {"type": "object", "required": ["type"]}, "maxItems": _BLOCKS_MAX}
_TEXT_OR_BLOCKS: Final = {"anyOf": [{"type": "string", "maxLength": limits.MESSAGE_CHARS_MAX}, _ANY_BLOCKS]}
_OBJECT: Final = {"type": "object"}


def messages(**kwargs: Any) -> Checked:
    check = a_list(_message, 1, _MESSAGES_MAX, f"must be a list of 1 to {_MESSAGES_MAX} messages")
    turn = {
        "type": "object",
        "required": ["role", "content"],
        "properties": {"role": {"type": "string", "enum": sorted(ROLES)}, "content": _TEXT_OR_BLOCKS},
    }
    form = {"type": "array", "minItems": 1, "maxItems": _MESSAGES_MAX, "items": turn}
    return Checked(check, form, example=[{"role": "user", "content": "Hello!"}], **kwargs)


def system(**kwargs: Any) -> Checked:
    return Checked(_system, _TEXT_OR_BLOCKS, **kwargs)


def tools(**kwargs: Any) -> Checked:
    form = {"type": "array", "maxItems": _TOOLS_MAX, "items": _OBJECT}
    return Checked(a_list(_tool, 0, _TOOLS_MAX, _at_most(_TOOLS_MAX, "tools")), form, **kwargs)


def tool_choice(**kwargs: Any) -> Checked:
    return Checked(_choice, {**_OBJECT, "required": ["type"]}, **kwargs)


def stop_sequences(**kwargs: Any) -> Checked:
    form = {"type": "array", "maxItems": _STOPS_MAX, "items": {"type": "string", "maxLength": limits.STOP_CHARS_MAX}}
    return Checked(a_list(_stop, 0, _STOPS_MAX, _at_most(_STOPS_MAX, "sequences")), form, **kwargs)


def metadata(**kwargs: Any) -> Checked:
    return Checked(an_object({}, {"user_id": string}), _OBJECT, **kwargs)


def thinking(**kwargs: Any) -> Checked:
    check = of_kinds({"enabled": an_object({"budget_tokens": _count})})
    return Checked(check, {**_OBJECT, "required": ["type"]}, **kwargs)


def output_config(**kwargs: Any) -> Checked:
    answer = of_kinds({"json_schema": an_object({"schema": _json_object})})
    return Checked(an_object({}, {"format": answer}), _OBJECT, **kwargs)
