"""The analyser on real documents: of others, as the set-up takes them from npm, our own, and the four of the contract.

What it counts is counted here another way: over the raw JSON, or over the lines of the text.
"""

import gzip
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pytest
from openpyxl import load_workbook

from config import assistant
from handlers.postman import collection
from hub.analyser.analysis import analyse
from hub.analyser.sheets import tables
from hub.analyser.xlsx import workbook
from tests.contract.described import DOCUMENT

_ROOT: Final = Path(__file__).parents[3]
_OTHERS: Final = _ROOT / "tests" / "documents" / "node_modules"
_EXAMPLES: Final = _OTHERS / "@readme" / "oas-examples"
_CONTRACT: Final = _ROOT / "tests" / "recorded" / "api"
_GITHUB: Final = _OTHERS / "@octokit" / "openapi" / "generated" / "api.github.com.json"
_KUBERNETES: Final = _OTHERS / "kubernetes-client" / "lib" / "specs" / "swagger-1.13.json.gz"
_ECHO: Final = _OTHERS / "postman-combine-collections" / "samples" / "Postman Echo.postman_collection.json"

_METHODS: Final = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
_LINE: Final = re.compile(r"^(?:\*\*)?(GET|POST|PUT|PATCH|DELETE)(?:\*\*)? `?(/[^\s`?]*)", re.MULTILINE)


def _walk(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of a document with the keys that lead to it."""
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _walk(each, (*path, str(key)))


def _operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    found = ((keys, value) for keys, value in _walk(document["paths"]) if len(keys) == 2 and keys[1] in _METHODS)
    return {(keys[1].upper(), keys[0]): value for keys, value in found}


def _followed(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        place: Any = document
        for key in value["$ref"].removeprefix("#/").split("/"):
            place = place[key]
        value = place
    return value


def _parameters(document: dict[str, Any], path: str, operation: dict[str, Any]) -> set[tuple[str, str]]:
    """But for bodies, which Swagger 2 has among the parameters."""
    given = [*document["paths"][path].get("parameters", []), *operation.get("parameters", [])]
    named = {(each["name"], each["in"]) for each in (_followed(document, parameter) for parameter in given)}
    return {(name, place) for name, place in named if place != "body"}


def _check_counts(results: dict[str, Any], document: dict[str, Any], schemas: int) -> None:
    """All figures of an OpenAPI or Swagger document against what stands in it."""
    operations = _operations(document)
    figures = results["statistics"]
    assert {(each["method"], each["path"]) for each in results["endpoints"]} == operations.keys()
    assert figures["total_endpoints"] == len(results["endpoints"]) == len(operations)
    assert figures["total_schemas"] == len(results["schemas"]) == schemas
    assert figures["endpoints_by_method"] == Counter(method for method, _ in operations)
    assert {each["tag"]: each["endpoints"] for each in figures["endpoints_by_tag"]} == Counter(
        tag for operation in operations.values() for tag in operation.get("tags", [])
    )
    assert figures["responses_by_status"] == Counter(
        status for operation in operations.values() for status in operation["responses"]
    )
    assert figures["deprecated_endpoints"] == sum(
        operation.get("deprecated", False) for operation in operations.values()
    )
    assert figures["total_parameters"] == sum(
        len(_parameters(document, path, operation)) for (_, path), operation in operations.items()
    )
    secured = [operation.get("security", document.get("security", [])) for operation in operations.values()]
    assert figures["secured_endpoints"] == sum(bool(ways) and {} not in ways for ways in secured)


def _named(results: dict[str, Any], rule: str) -> set[tuple[str, str]]:
    return {(each["method"], each["path"]) for each in results["security_issues"] if each["rule"] == rule}


def test_github_s_description_in_a_child_process() -> None:
    """13 MB, within the time and the memory that a child lets itself have."""
    command = [sys.executable, "-m", "hub.analyser.limited", "0", "hub.analyser.child", "openapi3"]
    source = _GITHUB.read_bytes()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(source)
        child.stdin.close()
        answer = json.loads(child.stdout.read())
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0 and list(answer) == ["results"]
    assert used.ru_utime + used.ru_stime < assistant.ANALYSIS_CHILD_SECONDS_MAX
    results, text = answer["results"], source.decode()
    lines_of_schemas = text[text.index('\n    "schemas": {') :]
    lines_of_schemas = lines_of_schemas[: lines_of_schemas.index("\n    }")]
    _check_counts(results, json.loads(text), len(re.findall(r'^      "[^"]+": \{$', lines_of_schemas, re.MULTILINE)))
    assert results["title"].startswith("GitHub") and results["format"] == "openapi3"
    assert results["authentication"] == [], "GitHub's description has no security schemes"
    assert "no_authentication" in {issue["rule"] for issue in results["security_issues"]}
    operations = _operations(json.loads(text))
    unlimited = {key for key, each in operations.items() if not {"429", "default", "4XX"} & each["responses"].keys()}
    assert _named(results, "missing_429") == unlimited


def test_kubernetes_swagger() -> None:
    source = gzip.decompress(_KUBERNETES.read_bytes())
    results, document = analyse(source, "auto"), json.loads(source)
    _check_counts(results, document, len(document["definitions"]))
    assert (results["format"], results["title"]) == ("swagger2", "Kubernetes")
    assert results["authentication"] == ["api_key"] and _named(results, "missing_401") == set()
    bodies = {
        key
        for key, each in _operations(document).items()
        if any(p.get("in") == "body" for p in each.get("parameters", []))
    }
    assert {(each["method"], each["path"]) for each in results["endpoints"] if each["request_body"]} == bodies


@pytest.mark.parametrize(
    ("name", "version", "schemas"),
    [
        ("petstore", "2.0", "definitions"),
        ("petstore", "3.0", "components"),
        ("star-trek", "3.0", "components"),
        ("readme", "3.1", "components"),
        ("train-travel", "3.1", "components"),
    ],
)
def test_documents_in_json_and_yaml_are_one(name: str, version: str, schemas: str) -> None:
    source = (_EXAMPLES / version / "json" / f"{name}.json").read_bytes()
    results, document = analyse(source, "auto"), json.loads(source)
    listed = document[schemas] if schemas == "definitions" else document[schemas].get("schemas", {})
    _check_counts(results, document, len(listed))
    assert analyse((_EXAMPLES / version / "yaml" / f"{name}.yaml").read_bytes(), "auto") == results


def test_the_pet_store_s_faults_are_found() -> None:
    results = analyse((_EXAMPLES / "2.0" / "json" / "petstore.json").read_bytes(), "swagger2")
    assert results["authentication"] == ["api_key", "oauth2"]
    rules = Counter(issue["rule"] for issue in results["security_issues"])
    assert rules["plain_http_server"] == rules["plain_http_sign_in"] == rules["implicit_flow"] == 1
    assert _named(results, "secret_in_query") == {("GET", "/user/login")}
    assert ("POST", "/user") in _named(results, "change_without_security")


def test_a_workbook_of_a_real_document_has_all_of_it() -> None:
    results = analyse((_EXAMPLES / "3.0" / "json" / "star-trek.json").read_bytes(), "auto")
    book = load_workbook(BytesIO(workbook(tables(results, include_examples=True))), read_only=True)
    rows = {sheet.title: list(sheet.iter_rows(min_row=2, values_only=True)) for sheet in book}
    assert [row[:2] for row in rows["Endpoints"]] == [(each["method"], each["path"]) for each in results["endpoints"]]
    assert len({row[0] for row in rows["Schemas"]}) == results["statistics"]["total_schemas"]
    assert len(rows["Security"]) == results["statistics"]["total_issues"]


def test_postman_s_own_echo_collection() -> None:
    source = _ECHO.read_bytes()
    results = analyse(source, "auto")
    requests = [
        value["request"] for _, value in _walk(json.loads(source)) if isinstance(value, dict) and "request" in value
    ]
    written = {(each["method"], _raw(each["url"])) for each in requests if "originalRequest" not in each}
    paths = {(method, "/" + re.sub(r"^https?://[^/]+/", "", url).partition("?")[0]) for method, url in written}
    assert {(each["method"], each["path"]) for each in results["endpoints"]} == paths
    assert results["statistics"]["total_endpoints"] == len(paths) > 15
    assert results["servers"] == sorted({"/".join(url.split("/")[:3]) for _, url in written})
    assert {"basic", "digest", "hawk"} <= set(results["authentication"])


def _raw(url: Any) -> str:
    return url if isinstance(url, str) else url["raw"]


def test_our_own_description_and_collection() -> None:
    results = analyse(json.dumps(DOCUMENT).encode(), "openapi31")
    _check_counts(results, DOCUMENT, len(DOCUMENT["components"]["schemas"]))
    assert {"missing_reference", "remote_reference", "unknown_scheme", "credential_in_document"} & {
        issue["rule"] for issue in results["security_issues"]
    } == set()
    assert [each for each in results["notices"] if each["kind"] == "malformed"] == []
    ours = collection(DOCUMENT, "https://hub.example.com")
    told = analyse(json.dumps(ours).encode(), "postman")
    assert {(each["method"], each["path"]) for each in told["endpoints"]} == _operations(DOCUMENT).keys()


def test_our_own_lists_of_endpoints() -> None:
    text = (_ROOT / "docs" / "api.md").read_text()
    results = analyse(text.encode(), "auto")
    written = set(re.findall(r"^ {4}(GET|POST|PUT|PATCH|DELETE) +(/[^\s?]*)", text, re.MULTILINE))
    found = {(each["method"], each["path"]) for each in results["endpoints"]}
    assert {(method, re.sub(r"/:(\w+)", r"/{\1}", path)) for method, path in written} <= found
    assert len(written) > 50 and results["format"] == "markdown"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("smart-ai-hub", ["bearer", "oauth2"]),
        ("ai-playground", ["api_key", "bearer"]),
        ("ai-aggregator", ["api_key", "bearer"]),
        ("ai-assistant", ["cookie"]),
    ],
)
def test_the_documents_of_the_contract(name: str, kinds: list[str]) -> None:
    text = (_CONTRACT / f"{name}.md").read_text()
    results = analyse(text.encode(), "auto")
    written = {(method, re.sub(r"/:(\w+)", r"/{\1}", path)) for method, path in _LINE.findall(text)}
    assert {(each["method"], each["path"]) for each in results["endpoints"]} == written
    assert results["statistics"]["total_endpoints"] == len(written) > 10
    assert (results["format"], results["authentication"]) == ("markdown", kinds)
    bearers = re.findall(r"^(GET|POST|PUT|DELETE) (/[^\s?]*)\S*\nAuthorization: Bearer", text, re.MULTILINE)
    assert {(each["method"], each["path"]) for each in results["endpoints"] if each["security"] == [["bearer"]]} == {
        (method, re.sub(r"/:(\w+)", r"/{\1}", path)) for method, path in bearers
    }
    queries = sum(
        path.count("=") for path in set(re.findall(r"^(?:\*\*)?[A-Z]+(?:\*\*)? `?(/\S*\?\S*)", text, re.MULTILINE))
    )
    assert sum(each["in"] == "query" for one in results["endpoints"] for each in one["parameters"]) >= queries > 0
