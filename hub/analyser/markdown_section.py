"""The place in a page where the reader is: its headings, the endpoint that is told of, and what the next block shows."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from config import assistant as bounds
from hub.analyser.description import CHANGING_METHODS, Body, Content, Endpoint, Parameter, Response
from hub.analyser.markdown_blocks import Code, Heading, Line
from hub.analyser.markdown_code import EXAMPLES, Message
from hub.analyser.markdown_signs import way_of
from hub.analyser.merging import Endpoints
from hub.analyser.taking import Taking

_HOST: Final = re.compile(r"https?://[^/?#]*")
_NAMED_PART: Final = re.compile(r"(?<=/)(?::([A-Za-z_]\w*)|<([A-Za-z_]\w*)>)")
_TEMPLATE: Final = re.compile(r"\{([^{}/]{1,100})\}")
_LABEL_CHARS_MAX: Final = 80
_ANSWER: Final = re.compile(r"response|returns?\b|reply|result|success|error|ответ", re.IGNORECASE)
_PARAMETERS: Final = re.compile(r"param|header|path variable|argument|параметр|заголов", re.IGNORECASE)
_REQUEST: Final = re.compile(r"request|body|payload|input|запрос|тело", re.IGNORECASE)
_STATUS: Final = re.compile(r"(?<!\d)[1-5]\d\d(?!\d)")
_FIELD: Final = re.compile(r"\s*(?:\(([^()]*)\))?\s*[:—–-]*\s*(.*)", re.DOTALL)
_SUCCESS: Final = "200"


class Section:
    """Where the reader is. `endpoint` is None outside of any endpoint's own section."""

    def __init__(self, taking: Taking, endpoints: Endpoints) -> None:
        self._taking = taking
        self._endpoints = endpoints
        self._stack: list[Heading] = []
        self._level = 0
        self._prose: list[str] = []
        self.endpoint: Endpoint | None = None
        self.label = ""

    @property
    def headings(self) -> list[str]:
        """From the page's title to the innermost."""
        return [heading.text for heading in self._stack]

    def enter(self, heading: Heading) -> None:
        """A heading: of an endpoint's own level it ends what is said of it, below it is a label."""
        while self._stack and self._stack[-1].level >= heading.level:
            self._stack.pop()
        self._stack.append(heading)
        self.label, self._prose = heading.text, []
        if heading.level <= self._level:
            self.endpoint = None

    def begin(self, method: str, target: str) -> None:
        """An endpoint is named: what follows is about it."""
        self.endpoint = self._endpoints.add(self._made(method, target))
        self._level = self._stack[-1].level if self._stack else 6
        self.label = ""

    def mention(self, method: str, target: str, summary: str) -> None:
        """An endpoint is named in a list of many."""
        made = self._made(method, target)
        made.summary = self._taking.summary(summary)
        self._endpoints.add(made)

    def _made(self, method: str, target: str) -> Endpoint:
        path, _, query = _HOST.sub("", target, count=1).rstrip("\"'),.;*").partition("?")
        path = _NAMED_PART.sub(lambda found: "{" + (found[1] or found[2]) + "}", path.partition("#")[0])
        made = Endpoint(self._taking.name(path) or "/", method)
        made.summary = self._taking.summary(self._stack[-1].text if self._stack else "")
        made.tags = [self._taking.name(self._stack[-2].text)] if len(self._stack) > 1 else []
        made.description = self._taking.description("\n".join(self._prose))
        names = list(dict.fromkeys(_TEMPLATE.findall(made.path)))
        written = [part.partition("=") for part in query.split("&") if part]
        parameters = [Parameter(self._taking.name(name), "path", required=True) for name in names]
        parameters += [self._of_query(name, value) for name, _, value in written]
        made.parameters = self._taking.rows(parameters, bounds.ANALYSIS_PARAMETERS_MAX, "parameters")
        return made

    def _of_query(self, name: str, value: str) -> Parameter:
        return Parameter(self._taking.name(name), "query", example=self._taking.example(value))

    def line(self, line: Line) -> None:
        """A line of prose: a label, a parameter in a list, or a part of a description."""
        short = len(line.text) <= _LABEL_CHARS_MAX and not line.depth
        if short and (line.text.endswith(":") or (self.endpoint and len(line.text) < 30 and _kind(line.text))):
            self.label = line.text
        elif line.depth == 1 and line.code:  # what stands deeper is a part of a parameter
            self._listed(line)
        elif line.text and not line.depth:
            self._prose.append(line.text)
            if self.endpoint is not None and not self.endpoint.description:
                self.endpoint.description = self._taking.description(line.text)

    def _listed(self, line: Line) -> None:
        """An item such as "`limit` (integer): how many" below a label that names parameters."""
        if self.endpoint is None or _kind(self.label) != "parameters":
            return
        about = _FIELD.fullmatch(line.text.removeprefix(line.code))
        kind, description = (about[1] or "", about[2]) if about else ("", "")
        parameter = Parameter(self._taking.name(line.code), place_of(self.endpoint, line.code, self.label))
        parameter.type = self._taking.name(kind.split(",")[0])
        parameter.required = "required" in kind.lower() or parameter.place == "path"
        parameter.description = self._taking.description(description)
        self.add_parameters([parameter])

    def sent(self, message: Message) -> None:
        """A request as it goes over the line."""
        assert self.endpoint is not None, "its first line has begun one"
        ways = [way for name, value in message.headers.items() if (way := way_of(name, value))]
        if ways and self.endpoint.security is None:
            self.endpoint.security = [ways]
        if message.body:
            self._asked(message.media_type, message.body)

    def answered(self, message: Message) -> None:
        """An answer as it comes over the line."""
        self._answer(message.status, message.media_type, message.body)

    def example(self, code: Code) -> None:
        """A block that is an example of what its label says."""
        if self.endpoint is None or code.language not in EXAMPLES:
            return
        media = "application/xml" if code.language == "xml" else "application/json"
        if self._is_request():
            self._asked(media, code.text.strip())
        else:
            status = _STATUS.search(self.label)
            self._answer(status[0] if status else _SUCCESS, media, code.text.strip())

    def _is_request(self) -> bool:
        assert self.endpoint is not None
        if kind := _kind(self.label):
            return kind != "response"
        return self.endpoint.method in CHANGING_METHODS and self.endpoint.request_body is None

    def _asked(self, media_type: str, body: str) -> None:
        assert self.endpoint is not None
        if self.endpoint.request_body is None:
            content = Content(self._taking.name(media_type), "", self._taking.example(body))
            self.endpoint.request_body = Body(False, self._taking.rows([content], 1, "bodies"))

    def _answer(self, status: str, media_type: str, body: str) -> None:
        if self.endpoint is None or status in self.endpoint.responses:
            return
        content = [Content(self._taking.name(media_type), "", self._taking.example(body))] if body else []
        described = Response(self._taking.summary(self.label.rstrip(":")))
        described.content = self._taking.rows(content, 1, "bodies")
        self.endpoint.responses[status] = described

    def add_parameters(self, parameters: Iterable[Parameter]) -> None:
        """Parameters of the endpoint that is told of, where they are not known from its path already."""
        assert self.endpoint is not None
        known = {(each.place, each.name): each for each in self.endpoint.parameters}
        for each in parameters:
            standing = known.get((each.place, each.name))
            if standing is None:
                room = bounds.ANALYSIS_PARAMETERS_MAX - len(self.endpoint.parameters)
                self.endpoint.parameters += self._taking.rows([each], max(room, 0), "parameters")
                known[each.place, each.name] = each
            else:
                standing.type, standing.description = each.type, each.description
                standing.required = standing.required or each.required

    def add_statuses(self, statuses: Mapping[str, str]) -> None:
        """Statuses of the endpoint that is told of, with what is said of each."""
        assert self.endpoint is not None
        for status, about in statuses.items():
            self.endpoint.responses.setdefault(status, Response(self._taking.description(about)))


def place_of(endpoint: Endpoint, name: str, label: str) -> str:
    """Where a parameter goes by what its label says, else by the endpoint's path, else by what its method has."""
    if "{" + name + "}" in endpoint.path:
        return "path"
    for word, place in (("query", "query"), ("header", "header"), ("form", "form"), ("body", "body")):
        if word in label.lower():
            return place
    if any(each.name == name and each.place == "query" for each in endpoint.parameters):
        return "query"
    return "body" if endpoint.method in ("POST", "PUT", "PATCH") else "query"


def _kind(label: str) -> str:
    """What a label announces."""
    kinds = {"response": _ANSWER, "parameters": _PARAMETERS, "request": _REQUEST}
    return next((kind for kind, words in kinds.items() if words.search(label)), "")
