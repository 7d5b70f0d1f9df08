"""`langchain-openai`, unmodified, as a program: its chat model, called and streamed."""

import json

from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI

from tests.clients.served import Heard, Json


def ask(request: Json, heard: Heard) -> None:
    model = ChatOpenAI(
        model=request["model"],
        base_url=request["url"],
        api_key=request["key"],
        max_retries=request["retries"],
        default_headers=request["headers"],
        stream_usage=True,
        **request["fields"],
    )
    asked = model.bind_tools(request["tools"]) if request["tools"] else model
    if not request["stream"]:
        message = asked.invoke(request["messages"])
        heard.add_text(str(message.content))
        _take(heard, message)
        return
    whole = None
    for chunk in asked.stream(request["messages"]):
        heard.add_text(str(chunk.content))
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    _take(heard, whole)


def _take(heard: Heard, message: AIMessage) -> None:
    heard.text = str(message.content)
    heard.finish = message.response_metadata.get("finish_reason")
    heard.calls = [
        {"id": call["id"], "name": call["name"], "arguments": json.dumps(call["args"])} for call in message.tool_calls
    ]
    usage = message.usage_metadata
    if usage is not None:
        heard.usage = {
            "prompt_tokens": usage["input_tokens"],
            "completion_tokens": usage["output_tokens"],
            "total_tokens": usage["total_tokens"],
        }
