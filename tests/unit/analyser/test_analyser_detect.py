"""Which format a document has, and what is said where it has another than was asked for."""

import json
from typing import Any

import pytest

from hub.analyser.analysis import analyse
from hub.analyser.failures import Unreadable
from hub.analyser.formats import FORMATS

_PATHS: dict[str, Any] = {"/a": {"get": {}}}
_COLLECTION: dict[str, Any] = {"info": {"name": "C"}, "item": [{"name": "R", "request": "https://example.com/a"}]}
_DOCUMENTS: dict[str, bytes] = {
    "openapi3": json.dumps({"openapi": "3.0.4", "paths": _PATHS}).encode(),
    "openapi31": json.dumps({"openapi": "3.1.1", "paths": _PATHS}).encode(),
    "swagger2": json.dumps({"swagger": "2.0", "paths": _PATHS}).encode(),
    "postman": json.dumps(_COLLECTION).encode(),
    "markdown": b"# An API\n\n## GET /a\n",
}


def test_each_format_has_a_document_here() -> None:
    assert (*_DOCUMENTS, "auto") == FORMATS


@pytest.mark.parametrize("form", _DOCUMENTS)
def test_each_format_is_found_and_may_be_named(form: str) -> None:
    found = analyse(_DOCUMENTS[form], "auto")
    assert found["format"] == form and found["statistics"]["total_endpoints"] == 1
    assert analyse(_DOCUMENTS[form], form) == found


@pytest.mark.parametrize("asked", [form for form in FORMATS if form not in ("auto", "markdown")])
@pytest.mark.parametrize("form", [form for form in _DOCUMENTS if form != "markdown"])
def test_another_format_than_was_asked_for_is_named(asked: str, form: str) -> None:
    if asked == form or (asked, form) == ("openapi3", "openapi31"):
        assert analyse(_DOCUMENTS[form], asked)["format"] == form
        return
    with pytest.raises(Unreadable, match=f"format is {asked}, but the document is {form}") as refused:
        analyse(_DOCUMENTS[form], asked)
    assert refused.value.field == "format"


@pytest.mark.parametrize(
    "text",
    [
        "openapi: 3.0.0\npaths:\n  /a:\n    get: {}\n",
        "# a comment\n---\n'openapi': 3.0.0\npaths: {/a: {get: {}}}\n",
        "info: {title: T}\nswagger: '2.0'\npaths: {/a: {get: {}}}\n",
        "swagger: 2.0\npaths: {/a: {get: {}}}\n",
        "{openapi: 3.0.0, paths: {/a: {get: {}}}}\n",
        "\n{ 'openapi': 3.0.0,\n paths: {/a: {get: {}}},}\n",
        "\ufeff---\nopenapi: 3.0.0\npaths: {/a: {get: {}}}\n...\n",
        "info:\n  title: T\n  description: |\n    # Hello\n\n    ```\n    x\n    ```\ntags:\n- name: a\n"
        + "".join(f"x-{number}: {'y' * 90}\n" for number in range(1_200))
        + "paths: {/a: {get: {}}}\nopenapi: 3.0.0\n",
        "info: {name: C}\nitem:\n- {name: R, request: 'https://example.com/a'}\n",
    ],
)
def test_yaml_is_told_from_prose(text: str) -> None:
    assert analyse(text.encode(), "auto")["statistics"]["total_endpoints"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "# An API\n\n```yaml\nopenapi: 3.0.0\npaths: {}\n```\n\n## GET /a\n",
        "Version: 1.0\nAll of it is described by\n\nswagger: 2.0\n\n## GET /a\n",
        "---\ntitle: An API\nopenapi: GET /a\n---\n\n# Get\n\n## GET /a\n",
        "---\nswagger: true\n---\nIt has\n\n## GET /a\n",
        "[![Build](https://x.de/b.svg)](https://x.de)\n\n# An API\n\n## GET /a\n",
        "{% include head %}\n\n## GET /a\n",
        "# An API\n\nopenapi: 3.0.0\n\n| Method | Path |\n|---|---|\n| GET | /a |\n",
    ],
)
def test_prose_is_told_from_yaml(text: str) -> None:
    found = analyse(text.encode(), "auto")
    assert found["format"] == "markdown" and found["endpoints"][0]["path"] == "/a"


def test_a_collection_may_be_wrapped_as_the_api_of_postman_gives_it() -> None:
    assert analyse(json.dumps({"collection": _COLLECTION}).encode(), "postman")["format"] == "postman"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"openapi": "2.0", "paths": {}}, "openapi is '2.0'"),
        ({"openapi": "3.9.0", "paths": {}}, "openapi is '3.9.0'"),
        ({"openapi": 3.1, "paths": {}}, "openapi is 3.1"),
        ({"swagger": "1.2", "paths": {}}, "swagger is '1.2'"),
        ({"swagger": "2.0"}, "paths is missing"),
        ({"swagger": "2.0", "paths": []}, "paths is not an object"),
        ({"openapi": "3.1.0"}, "neither paths, webhooks nor components"),
        ({"openapi": "3.0.0", "paths": "/a"}, "paths is not an object"),
        ({"info": {}, "item": {}}, "item is missing, or not an array"),
        ({"id": "1", "order": [], "requests": []}, "Postman collection of v1"),
        ({"asyncapi": "3.0.0", "channels": {}}, "an AsyncAPI document"),
        ({"channels": {}}, "neither openapi, swagger"),
    ],
)
def test_what_cannot_be_analysed_is_named(document: dict[str, Any], says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        analyse(json.dumps(document).encode(), "auto")


@pytest.mark.parametrize(
    ("source", "form", "says"),
    [
        (b"Just a letter.\n", "auto", "tells of no endpoint"),
        (b"", "auto", "empty"),
        (b"{", "auto", "not JSON"),
        (b"Just a letter.\n", "openapi3", "not an object"),
        (b"openapi: [", "auto", "not YAML"),
        (b"asyncapi: 2.6.0\nchannels: {}\n", "auto", "an AsyncAPI document"),
        (b"#%RAML 1.0\ntitle: T\n/a:\n  get:\n", "auto", "a RAML document"),
        (b'{"openapi": "3.0.0", paths: {}}', "auto", "not JSON"),
        (b"{}", "raml", "format must be one of openapi3, openapi31, swagger2, postman, markdown, auto"),
    ],
)
def test_what_is_no_description_is_refused(source: bytes, form: str, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        analyse(source, form)
