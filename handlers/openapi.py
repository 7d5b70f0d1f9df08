"""The API's own document, OpenAPI 3.1, made from the routes, the marks of their methods and the input schemas.

    Route, Access, Terms, docstring --> _Operation --> paths        dialects --> envelopes, errors, headers

Pages are not in it, nor what crosses a WebSocket: that is `docs/asyncapi.yaml`'s. It is a pure function of the code.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

from apispec import APISpec
from marshmallow import Schema

from handlers import openapi_parts as parts
from handlers.access import Access, access_of, methods_of
from handlers.addressing import of_form
from handlers.chat_headers import IDEMPOTENCY_KEY
from handlers.dialects import ANTHROPIC, DIALECTS, Json
from handlers.health import HUB_VERSION
from handlers.openapi_examples import with_examples
from handlers.routing import Route
from handlers.terms import (
    EVENTS,
    FORM,
    JSON,
    PAGE,
    Parameter,
    Success,
    asked_of,
    bodies_of,
    body_of,
    form_of,
    may_be_bodiless,
    success_of,
)
from hub.errors import Code

_GROUP: Final = re.compile(r"\(([^()]*)\)")
_SENTENCE: Final = re.compile(r"(.*?[.;:?!])(?:\s|$)", re.DOTALL)
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_ABOUT: Final = (
    "One hub, four documented APIs: each operation is tagged with those that it belongs to, and answers in their form. What "
    "several of them have is answered in the form of the API whose address was asked. Requests, envelopes and errors are "
    "described; what stands in the envelope of a success is left open here, for fields may be added to it. "
    "What crosses a WebSocket after its upgrade is described in `docs/asyncapi.yaml`."
)


def document(routes: Iterable[Route], server: str) -> Json:
    """The document of those routes that belong to an API. `server` is where they are served; `/`: where this document is."""
    about = {"description": _ABOUT, "license": {"name": "ISC", "identifier": "ISC"}}
    spec = parts.specification("Smart AI Hub", HUB_VERSION, info=about, servers=[{"url": server}], security=[])
    for name, way in parts.SECURITY.items():
        spec.components.security_scheme(name, way)
    for name, says in parts.HEADERS.items():
        spec.components.header(name, {"description": says, "schema": {"type": "string"}})
    for title in parts.TITLES.values():
        spec.tag({"name": title})
    for form, dialect in parts.FORMS.items():
        spec.components.schema(f"{form}.Success", parts.success_form(dialect))
        spec.components.schema(f"{form}.Error", parts.error_form(dialect))
    for route in routes:
        if route.apis:
            _add_path(spec, route)
    return with_examples(spec.to_dict())


def path_of(route: Route) -> str:
    """The path with the names that its methods have for its parts."""
    names = iter(_part_names(route))
    return _GROUP.sub(lambda _: "{" + next(names) + "}", route.pattern)


def _part_names(route: Route) -> list[str]:
    method = getattr(route.handler, _methods(route)[0].lower())
    given = [
        name for name, one in inspect.signature(method).parameters.items() if one.kind is one.POSITIONAL_OR_KEYWORD
    ]
    return given[1:]


def _methods(route: Route) -> list[str]:
    return [method for method in methods_of(route.handler) if method != "OPTIONS"]


def _add_path(spec: APISpec, route: Route) -> None:
    all_of_it = {method.lower(): _Operation(spec, route, method) for method in _methods(route)}
    spec.path(
        path_of(route),
        operations={name: operation.described() for name, operation in all_of_it.items()},
        parameters=list(_path_parameters(route)),
    )


def _path_parameters(route: Route) -> Iterator[Json]:
    for name, pattern in zip(_part_names(route), _GROUP.findall(route.pattern), strict=True):
        form = {"type": "string", "pattern": f"^{pattern}$"}
        yield {"name": name, "in": "path", "required": True, "schema": form}


@dataclass(frozen=True)
class _Operation:
    """One method of one route."""

    spec: APISpec
    route: Route
    method: str

    @cached_property
    def access(self) -> Access:
        access = access_of(self.route.handler, self.method)
        assert access is not None, "the application refuses to start with such a method"
        return access

    @cached_property
    def forms(self) -> Sequence[str]:
        """What its answers may look like, by the names of `parts.FORMS`."""
        return ["anthropic"] if of_form(self.route.example) is ANTHROPIC else self.route.apis

    @cached_property
    def body(self) -> Schema | None:
        return body_of(self.route.handler, self.method)

    @cached_property
    def body_form(self) -> Any:
        """What its JSON body looks like: in each of the APIs, where they differ."""
        others = bodies_of(self.route.handler, self.method).values()
        return parts.either([self.body, *others]) if others else self.body

    @cached_property
    def asked(self) -> Sequence[Parameter]:
        paging = {DIALECTS[api].paging for api in self.route.apis}
        asked = asked_of(self.route.handler, self.method).values()
        return [parameter for parameter in asked if parameter.paging is None or parameter.paging in paging]

    @cached_property
    def success(self) -> Success:
        return success_of(self.route.handler, self.method)

    def described(self) -> Json:
        summary, description = self._words()
        made: Json = {
            "operationId": _operation_id(self.method, path_of(self.route)),
            "tags": [parts.TITLES[api] for api in self.route.apis],
            "summary": summary,
            "security": parts.security(self.access, self.route.pattern),
            "responses": dict(self._responses()),
        }
        if description:
            made["description"] = description
        if self.asked:
            made["parameters"] = [self._parameter(parameter) for parameter in self.asked]
        if self.body is not None:
            needed = not may_be_bodiless(self.route.handler, self.method)
            forms = {JSON: self.body_form, FORM: form_of(self.route.handler, self.method)}
            content = {media: {"schema": form} for media, form in forms.items() if form is not None}
            made["requestBody"] = {"required": needed, "content": content}
        return made

    def _words(self) -> tuple[str, str]:
        """The first sentence of what the method says of itself, or its handler; and all the rest of it."""
        of_method = inspect.cleandoc(getattr(self.route.handler, self.method.lower()).__doc__ or "")
        of_handler = inspect.cleandoc(self.route.handler.__doc__ or "")
        first, *rest = [text for text in (of_method, of_handler) if text]
        found = _SENTENCE.match(first)
        assert found is not None, f"{self.method} {self.route.pattern} has no sentence about itself"
        return found.group(1).rstrip(".;:").replace("\n", " "), "\n\n".join([first[found.end() :], *rest]).strip()

    def _parameter(self, parameter: Parameter) -> Json:
        sizes = {DIALECTS[api].page_size for api in self.route.apis}
        default = {"default": sizes.pop()} if parameter is PAGE[0] and len(sizes) == 1 else {}
        return {
            "name": parameter.name,
            "in": parameter.place,
            "description": parameter.says,
            "schema": {**parameter.form, **default},
            **({"required": True} if parameter.required else {}),
        }

    # --- responses ---------------------------------------------------------------------------------------------

    def _responses(self) -> Iterator[tuple[str, Any]]:
        yield str(self.success.status), self._success_response()
        for status in sorted(self._failures()):
            yield str(status), self._error_link(status)

    def _success_response(self) -> Json:
        response: Json = {
            "description": HTTPStatus(self.success.status).phrase,
            "headers": parts.header_links([*parts.common_headers(self.forms), *self._further_headers()]),
        }
        if self.success.status in (HTTPStatus.OK, HTTPStatus.CREATED):
            response["content"] = {media: {"schema": self._form(media)} for media in self.success.media}
        return response

    def _further_headers(self) -> Iterator[str]:
        if IDEMPOTENCY_KEY in self.asked:
            yield "Idempotency-Hit"
        yield from getattr(self.route.handler, "tells", ())

    def _form(self, media: str) -> Json:
        if media != JSON:
            return {"type": "string"}
        if not self.success.enveloped:
            return {"type": "object"}
        return parts.either([{"$ref": f"#/components/schemas/{form}.Success"} for form in self.forms])

    def _error_link(self, status: int) -> Json:
        """Made once for all operations of the same APIs."""
        name = parts.error_name(self.forms, status)
        if name not in self.spec.components.responses:
            self.spec.components.response(name, parts.error_response(self.forms, status))
        return {"$ref": f"#/components/responses/{name}"}

    def _failures(self) -> set[int]:
        """The statuses of all that may go wrong here."""
        unlikely = set(self._impossible()).difference(getattr(self.route.handler, "refuses", ()))
        codes = [code for code in Code if code not in unlikely]
        return {parts.FORMS[form].codes[code][0] for form in self.forms for code in codes}

    def _impossible(self) -> Iterator[Code]:
        yield Code.METHOD_NOT_ALLOWED
        if self.method not in _WITH_BODY:
            yield from (Code.TOO_LARGE, Code.INSUFFICIENT_CREDITS)
            if not self.asked:
                yield Code.INVALID
        if self.method == "GET":
            yield Code.CONFLICT
        if self.access.kind == "public":
            yield from (Code.UNAUTHENTICATED, Code.FORBIDDEN)
            if self.body is None:
                yield Code.BAD_CREDENTIALS
        if IDEMPOTENCY_KEY not in self.asked:
            yield from (Code.KEY_REUSED, Code.IN_FLIGHT)
        if EVENTS not in self.success.media or self.body is None:
            yield from (Code.PROVIDER_FAILED, Code.PROVIDER_REFUSED)


def _operation_id(method: str, path: str) -> str:
    """`GET /api/streams/{stream_id}/events` is `get_api_streams_stream_id_events`: it changes only where the path does."""
    return "_".join(re.findall(r"[A-Za-z0-9]+", f"{method.lower()} {path}"))
