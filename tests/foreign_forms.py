"""Bodies in Anthropic's form and of embeddings, with every field that is looked into, for the tests of bad input."""

from typing import Any, Final

_PNG: Final = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
PROMPT: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "How is the weather here?"},
                {"type": "image", "source": _PNG},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {"type": "document", "source": {"type": "text", "data": "Words"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"},
                {"type": "redacted_thinking", "data": "EmwK"},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {}},
                {"type": "tool_use", "id": "t2", "name": "weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "Sunny"}]},
                {"type": "tool_result", "tool_use_id": "t2", "content": "No such city", "is_error": True},
            ],
        },
        {"role": "system", "content": "Be brief."},
    ],
    "system": [{"type": "text", "text": "Be kind."}],
    "tools": [{"type": "custom", "name": "weather", "description": "Tells it", "input_schema": {}}],
    "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1},
    "output_config": {"format": {"type": "json_schema", "schema": {}}},
}
MESSAGE: Final[dict[str, Any]] = {
    **PROMPT,
    "max_tokens": 5,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "stop_sequences": ["."],
    "metadata": {"user_id": "u1"},
    "stream": False,
}
EMBEDDING: Final[dict[str, Any]] = {
    "model": "text-embedding-3-small",
    "input": ["Hello", "world"],
    "dimensions": 5,
    "encoding_format": "float",
    "user": "u1",
}
_KINDS: Final = (
    *(f"messages.0.content.{place}.type" for place in range(4)),
    *(f"messages.0.content.{place}.source.type" for place in range(1, 4)),
    *(f"messages.1.content.{place}.type" for place in range(4)),
    *(f"messages.2.content.{place}.type" for place in range(2)),
    "messages.2.content.0.content.0.type",
    *("system.0.type", "tools.0.type", "tool_choice.type", "thinking.type", "output_config.format.type"),
)
_TEXTS: Final = ("system", *(f"messages.{place}.content" for place in range(3)), "messages.2.content.0.content")
_NULLABLE: Final = (
    *("system", "tools", "tool_choice", "thinking", "output_config", "output_config.format"),
    *("messages.1.content.0.signature", "messages.2.content.0.content", "messages.2.content.1.content"),
    *("messages.2.content.1.is_error", "tools.0.type", "tools.0.description", "tool_choice.disable_parallel_tool_use"),
)
# What is right after all: a kind that is not known, a text instead of blocks, a null that means "not given", no items.
PROMPT_ACCEPTED: Final[tuple[tuple[str, Any], ...]] = (
    *((name, "x") for name in (*_KINDS, *_TEXTS)),
    *((name, None) for name in _NULLABLE),
    *((name, []) for name in ("messages.2.content.1.content",)),
)
MESSAGE_ACCEPTED: Final[tuple[tuple[str, Any], ...]] = (
    *PROMPT_ACCEPTED,
    *((name, None) for name in ("temperature", "top_p", "top_k", "stop_sequences", "metadata", "metadata.user_id")),
    ("stream", None),
)
EMBEDDING_ACCEPTED: Final[tuple[tuple[str, Any], ...]] = (
    ("input", "x"),
    *((name, None) for name in ("dimensions", "encoding_format", "user")),
    *(("dimensions", value) for value in (1,)),
    ("user", "x"),
)
