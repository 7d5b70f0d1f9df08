"""One document to its results: a pure function, the same for the same bytes.

    bytes --> text --> values --> Described --> results
              reading.py          a reader for each format: openapi.py, swagger2.py, postman.py, markdown.py

What is cut, and what is not as its format demands, stands in the results' `notices`.
"""

from hub.analyser import markdown, openapi, postman, swagger2
from hub.analyser.description import Described, Json
from hub.analyser.detect import check_kind, form_of, looks_structured
from hub.analyser.failures import Unreadable
from hub.analyser.formats import FORMATS
from hub.analyser.paths import Source
from hub.analyser.reading import object_of, text_of
from hub.analyser.rules import issues_of
from hub.analyser.secrets import credentials_in, without_credentials
from hub.analyser.statistics import statistics_of
from hub.analyser.taking import Taking


def analyse(source: bytes, form: str) -> Json:
    """The results of a document in one of the FORMATS. Raises `Unreadable`.

    `openapi3` is any OpenAPI 3, as the word says; the results' `format` tells which.
    """
    if form not in FORMATS:
        raise Unreadable(f"format must be one of {', '.join(FORMATS)}", "format")
    text = text_of(source)
    if form != "markdown":
        check_kind(text)
    if form == "markdown" or (form == "auto" and not looks_structured(text)):
        taking = Taking()
        described = markdown.describe(text, taking)
    else:
        described, taking = _structured(object_of(text), form)
    described.credentials += credentials_in(text)
    return _results(described, taking)


def _structured(document: Json, asked: str) -> tuple[Described, Taking]:
    form = form_of(document)
    if asked not in ("auto", form) and (asked, form) != ("openapi3", "openapi31"):
        raise Unreadable(f"format is {asked}, but the document is {form}", "format")
    if form == "postman":
        taking = Taking()
        return postman.describe(document, taking), taking
    source = Source(document)
    describe = swagger2.describe if form == "swagger2" else openapi.describe
    return describe(source, form), source.taking


def _results(described: Described, taking: Taking) -> Json:
    issues, counts = issues_of(described, taking)
    kinds = sorted({scheme.kind for scheme in described.schemes.values()})
    return {
        "format": described.form,
        "specification": described.specification,
        "title": described.title,
        "version": described.version,
        "servers": [without_credentials(each) for each in described.servers],
        "endpoints": [each.shown() for each in described.endpoints],
        "schemas": [each.shown() for each in described.schemas],
        "authentication": kinds,
        "security_issues": issues,
        "statistics": statistics_of(described, counts),
        "notices": taking.notices(),
    }
