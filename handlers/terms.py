"""What a method takes and gives, in plain sight beside its access mark: its behaviour and the API's document read the same.

@takes(SCHEMA)        its JSON body: `load_body` and `loaded` use this schema and no other; `optional`: it may be absent;
                      `form`: what it takes as multipart/form-data instead; `ai_assistant=SCHEMA`: what it is in the
                      form of an API that has another one
@asks(PAGE, UNREAD)   parameters of its query, and headers of its own: `query` and `header` give no others
@answers(201)         the status of its success, where that is not 200, and its form, where that is not the API's envelope
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from marshmallow import Schema
from tornado.web import RequestHandler

from hub.fields import Form

Method = TypeVar("Method", bound=Callable[..., Any])
JSON: Final = "application/json"
FORM: Final = "multipart/form-data"
EVENTS: Final = "text/event-stream"
_TEXT: Final[Form] = {"type": "string"}


@dataclass(frozen=True)
class Parameter:
    """Something that a request may say beside its body. `paging`: only where an API's pages are asked for so."""

    name: str
    says: str
    form: Form = field(default_factory=lambda: _TEXT)
    place: Literal["query", "header"] = "query"
    required: bool = False
    paging: Literal["page", "offset"] | None = None


@dataclass(frozen=True)
class Success:
    """`enveloped`: what JSON it gives stands in its API's envelope. `media`: what it may be; none for an empty body."""

    status: int = 200
    media: tuple[str, ...] = (JSON,)
    enveloped: bool = True


def whole_number(low: int) -> Form:
    return {"type": "integer", "minimum": low}


def flag(name: str, says: str) -> Parameter:
    return Parameter(name, says, {"type": "string", "enum": ["true", "false"]})


def header(name: str, says: str, form: Form = _TEXT, required: bool = False) -> Parameter:
    return Parameter(name, says, form, "header", required)


PAGE: Final = (
    Parameter("limit", "How many items a page has, at most 100", whole_number(1)),
    Parameter("page", "The number of the page", whole_number(1), paging="page"),
    Parameter("offset", "How many items stand before the page", whole_number(0), paging="offset"),
)
SORT: Final = Parameter(
    "sort", "Newest first, or oldest first", {"type": "string", "enum": ["desc", "asc"], "default": "desc"}
)

_TAKES: Final = "hub_takes"
_TAKES_OF: Final = "hub_takes_of"
_OPTIONAL: Final = "hub_body_optional"
_FORM: Final = "hub_form"
_ASKS: Final = "hub_asks"
_ANSWERS: Final = "hub_answers"
_PLAIN_SUCCESS: Final = Success()


def takes(
    schema: Schema, *, optional: bool = False, form: Schema | None = None, **of_apis: Schema
) -> Callable[[Method], Method]:
    marks = {_TAKES: schema, _TAKES_OF: of_apis, _OPTIONAL: optional, _FORM: form}

    def marked(method: Method) -> Method:
        for name, value in marks.items():
            _mark(method, name, value)
        return method

    return marked


def asks(*parameters: Parameter) -> Callable[[Method], Method]:
    return lambda method: _mark(method, _ASKS, {parameter.name: parameter for parameter in parameters})


def answers(status: int = 200, *media: str, enveloped: bool = True) -> Callable[[Method], Method]:
    return lambda method: _mark(method, _ANSWERS, Success(status, media or (JSON,), enveloped))


def _mark(method: Method, name: str, value: object) -> Method:
    setattr(method, name, value)
    return method


def body_of(handler: type[RequestHandler], http_method: str, api: str = "") -> Schema | None:
    """The schema of a method's body, in the form of one API where that differs; None where it takes none."""
    schema: Schema | None = bodies_of(handler, http_method).get(api, _of(handler, http_method, _TAKES, None))
    return schema


def bodies_of(handler: type[RequestHandler], http_method: str) -> Mapping[str, Schema]:
    """The schemas of those APIs in which a method's body has a form of its own."""
    schemas: Mapping[str, Schema] = _of(handler, http_method, _TAKES_OF, {})
    return schemas


def form_of(handler: type[RequestHandler], http_method: str) -> Schema | None:
    """The schema of the form that a method takes too; None where it takes none."""
    schema: Schema | None = _of(handler, http_method, _FORM, None)
    return schema


def may_be_bodiless(handler: type[RequestHandler], http_method: str) -> bool:
    """Whether a method that takes a body does without it too."""
    optional: bool = _of(handler, http_method, _OPTIONAL, False)
    return optional


def asked_of(handler: type[RequestHandler], http_method: str) -> Mapping[str, Parameter]:
    """What a method may be told beside its body, by name."""
    parameters: Mapping[str, Parameter] = _of(handler, http_method, _ASKS, {})
    return parameters


def success_of(handler: type[RequestHandler], http_method: str) -> Success:
    success: Success = _of(handler, http_method, _ANSWERS, _PLAIN_SUCCESS)
    return success


def _of(handler: type[RequestHandler], http_method: str, mark: str, absent: Any) -> Any:
    return getattr(getattr(handler, http_method.lower(), None), mark, absent)
