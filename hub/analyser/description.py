"""An API as any of the formats describes it: what the readers make, and what the rules, statistics and tables are made from.

Texts are bounded already when they come here (`hub/analyser/taking.py`). `shown()` is the form in the results.
"""

from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
CHANGING_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(slots=True)
class Parameter:
    """One parameter; `place` is path, query, header, cookie, form or body. `has_maximum` is None where that is not said."""

    name: str
    place: str
    type: str = ""
    required: bool = False
    description: str = ""
    example: str = ""
    has_maximum: bool | None = None

    def shown(self) -> Json:
        about = {"name": self.name, "in": self.place, "type": self.type, "required": self.required}
        return {**about, "description": self.description, "example": self.example}


@dataclass(slots=True)
class Content:
    """A body in one media type: its type in words, and an example as text."""

    media_type: str
    type: str = ""
    example: str = ""

    def shown(self) -> Json:
        return {"media_type": self.media_type, "type": self.type, "example": self.example}


@dataclass(slots=True)
class Body:
    """What a request carries."""

    required: bool = False
    content: list[Content] = field(default_factory=list)

    def shown(self) -> Json:
        return {"required": self.required, "content": [each.shown() for each in self.content]}


@dataclass(slots=True)
class Response:
    """What is answered with one status."""

    description: str = ""
    content: list[Content] = field(default_factory=list)

    def shown(self) -> Json:
        return {"description": self.description, "content": [each.shown() for each in self.content]}


@dataclass(slots=True)
class Endpoint:
    """A method at a path.

    `security`: alternatives, each with the ways that are asked for together; an empty alternative asks for nothing, as no
    alternatives do. None: the document does not say. `open_arrays`: the arrays of its request that have no most.
    """

    path: str
    method: str
    summary: str = ""
    description: str = ""
    tags: list[str] = field(default_factory=list)
    deprecated: bool = False
    security: list[list[str]] | None = None
    parameters: list[Parameter] = field(default_factory=list)
    request_body: Body | None = None
    responses: dict[str, Response] = field(default_factory=dict)
    open_arrays: list[str] = field(default_factory=list)

    def shown(self) -> Json:
        return {
            "path": self.path,
            "method": self.method,
            "summary": self.summary,
            "description": self.description,
            "tags": self.tags,
            "deprecated": self.deprecated,
            "security": self.security,
            "parameters": [each.shown() for each in self.parameters],
            "request_body": self.request_body.shown() if self.request_body else None,
            "responses": {status: each.shown() for status, each in self.responses.items()},
        }


@dataclass(slots=True)
class SchemaField:
    """One field of a schema."""

    name: str
    type: str = ""
    required: bool = False
    description: str = ""

    def shown(self) -> Json:
        about = {"name": self.name, "type": self.type}
        return {**about, "required": self.required, "description": self.description}


@dataclass(slots=True)
class NamedSchema:
    """A schema that has a name of its own."""

    name: str
    type: str = ""
    description: str = ""
    fields: list[SchemaField] = field(default_factory=list)
    example: str = ""

    def shown(self) -> Json:
        about = {"name": self.name, "type": self.type, "description": self.description}
        return {**about, "fields": [each.shown() for each in self.fields], "example": self.example}


@dataclass(slots=True)
class Scheme:
    """A way to sign in. `kind` is what the results call it: bearer, basic, api_key, cookie, oauth2 and others."""

    name: str
    kind: str
    place: str = ""
    key: str = ""
    flows: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Described:
    """All that one document says.

    `statuses` are those that it describes for all endpoints together. `credentials` tells where it seems to give away
    one, and `secret_addresses` where it shows one in an address; neither repeats it.
    """

    form: str
    specification: str = ""
    title: str = ""
    version: str = ""
    servers: list[str] = field(default_factory=list)
    schemes: dict[str, Scheme] = field(default_factory=dict)
    endpoints: list[Endpoint] = field(default_factory=list)
    endpoints_total: int = 0
    schemas: list[NamedSchema] = field(default_factory=list)
    schemas_total: int = 0
    statuses: set[str] = field(default_factory=set)
    remote_references: list[str] = field(default_factory=list)
    missing_references: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    secret_addresses: list[str] = field(default_factory=list)
