"""Endpoints that a document comes to more than once: a collection's requests, a page's sections."""

from config import assistant as bounds
from hub.analyser.description import Body, Endpoint
from hub.analyser.taking import Taking


class Endpoints:
    """Each method at a path once; what was told first stands, later tellings only add to it."""

    def __init__(self, taking: Taking) -> None:
        self._taking = taking
        self._found: dict[tuple[str, str], Endpoint] = {}
        self.total = 0

    @property
    def found(self) -> list[Endpoint]:
        """In the order in which they were first told of."""
        return list(self._found.values())[: bounds.ANALYSIS_ENDPOINTS_MAX]

    def add(self, endpoint: Endpoint) -> Endpoint:
        """The one that stands: this, or an earlier one that now has what this adds."""
        key = endpoint.method, endpoint.path
        if (standing := self._found.get(key)) is not None:
            self._merge(standing, endpoint)
            return standing
        self.total += 1
        if self.total > bounds.ANALYSIS_ENDPOINTS_MAX:
            self._taking.left_out("endpoints", bounds.ANALYSIS_ENDPOINTS_MAX)
        self._found[key] = endpoint
        return endpoint

    def _merge(self, standing: Endpoint, other: Endpoint) -> None:
        known = {(each.place, each.name) for each in standing.parameters}
        standing.parameters += [each for each in other.parameters if (each.place, each.name) not in known]
        if standing.request_body is None:
            standing.request_body = other.request_body
        elif other.request_body is not None:
            self._add_content(standing.request_body, other.request_body)
        for status, response in other.responses.items():
            standing.responses.setdefault(status, response)
        if standing.security is None:
            standing.security = other.security
        elif other.security is not None:
            standing.security += [way for way in other.security if way not in standing.security]
        standing.summary = standing.summary or other.summary
        standing.description = standing.description or other.description

    def _add_content(self, standing: Body, other: Body) -> None:
        known = {each.media_type for each in standing.content}
        standing.content += [each for each in other.content if each.media_type not in known]
