"""The rules: each finds what breaks it, and leaves alone what does not."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from hub.analyser.analysis import analyse
from hub.analyser.rules import RULES, SEVERITIES
from hub.analyser.secrets import credentials_in, is_secret_name, masked, without_credentials

_ANSWERS: Final = {"200": {"description": "x"}, "401": {"description": "x"}, "429": {"description": "x"}}
_BEARER: Final = {"b": {"type": "http", "scheme": "bearer"}}
_FLOW: Final = {"scopes": {}, "authorizationUrl": "https://example.com", "tokenUrl": "https://example.com"}


def _document(
    path: str = "/a", method: str = "get", schemes: Any = _BEARER, servers: Any = (), **operation: Any
) -> dict[str, Any]:
    """A document that breaks no rule but by what it is given."""
    asked = {"security": [{name: []} for name in schemes], "responses": _ANSWERS, **operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "servers": [{"url": url} for url in servers],
        "paths": {path: {method: asked}},
        "components": {"securitySchemes": schemes},
    }


def _query(name: str, **schema: Any) -> dict[str, Any]:
    return {"parameters": [{"name": name, "in": "query", "schema": schema}]}


def _header(name: str, required: bool = True) -> dict[str, Any]:
    return {"parameters": [{"name": name, "in": "header", "required": required, "schema": {"type": "string"}}]}


def _body(schema: Any) -> dict[str, Any]:
    return {"method": "post", "requestBody": {"content": {"application/json": {"schema": schema}}}}


def _oauth(flow: str, **changed: Any) -> dict[str, Any]:
    return {"schemes": {"o": {"type": "oauth2", "flows": {flow: {**_FLOW, **changed}}}}}


# What breaks each rule, and what comes near to it.
_CASES: Final[dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]] = {
    "plain_http_server": (
        [{"servers": ["http://example.com"]}, {"servers": ["https://a.example", "HTTP://10.0.0.1/x"]}],
        [
            {
                "servers": [
                    "https://example.com",
                    "http://localhost:80",
                    "http://127.0.0.1",
                    "http://[::1]:1/",
                    "/",
                    "//x",
                ]
            }
        ],
    ),
    "plain_http_sign_in": (
        [_oauth("clientCredentials", tokenUrl="http://example.com/token")],
        [_oauth("clientCredentials"), _oauth("clientCredentials", tokenUrl="http://localhost/token")],
    ),
    "credentials_in_server": (
        [{"servers": ["https://user:hunter2@example.com"]}],
        [{"servers": ["https://example.com/@me", "https://example.com?x=@"]}],
    ),
    "credential_in_document": (
        [
            {"description": "AKIA" + "ABCD1234" * 2},
            {"description": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0xx.c2lnbmF0dXJl"},
        ],
        [{"description": "AKIA, and eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9..."}],
    ),
    "no_authentication": ([{"schemes": {}}], [{}]),
    "change_without_security": (
        [
            {"method": "post", "security": []},
            {"method": "delete", "security": []},
            {"method": "post", "security": [], "path": "/currencies/exchange"},
            {"method": "post", "security": [], **_header("Stripe-Signature", required=False)},
        ],
        [
            {"security": []},
            {"method": "post", "security": [], "path": "/auth/login"},
            {"method": "post", "security": [], "path": "/api/auth/methods"},
            {"method": "post", "security": [], "path": "/users/log-out"},
            {"method": "post", "security": [], **_header("X-Hub-Signature")},
            {"method": "post", "schemes": {}},
        ],
    ),
    "endpoint_without_security": (
        [{"security": []}, {"method": "options", "security": []}],
        [{"method": "post", "security": []}, {"security": [], "path": "/healthz"}, {"security": [{"b": []}, {}]}],
    ),
    "optional_security": ([{"security": [{"b": []}, {}]}], [{"security": [{"b": []}]}, {"security": []}]),
    "unknown_scheme": ([{"security": [{"other": []}]}], [{}]),
    "secret_in_query": (
        [
            _query("access_token"),
            _query("apiKey"),
            _query("X-API-Key"),
            _query("client_secret"),
            _query("userPassword"),
        ],
        [_query("page_token"), _query("q"), _query("author"), {"parameters": [{"name": "token", "in": "header"}]}],
    ),
    "key_in_query": (
        [{"schemes": {"k": {"type": "apiKey", "in": "query", "name": "k"}}}],
        [{"schemes": {"k": {"type": "apiKey", "in": "header", "name": "k"}}}],
    ),
    "basic_authentication": (
        [{"schemes": {"p": {"type": "http", "scheme": "Basic"}}}],
        [{}, {"schemes": {"p": {"type": "http", "scheme": "digest"}}}],
    ),
    "implicit_flow": ([_oauth("implicit")], [_oauth("authorizationCode")]),
    "password_flow": ([_oauth("password")], [_oauth("clientCredentials")]),
    "unbounded_array": (
        [_body({"properties": {"a": {"type": "array"}}}), _query("ids", type="array")],
        [_body({"properties": {"a": {"type": "array", "maxItems": 5}}}), _query("ids", type="array", enum=[[1]])],
    ),
    "unbounded_page": (
        [
            _query("limit", type="integer"),
            _query("page_size", type="integer"),
            _query("perPage", type=["integer", "null"]),
        ],
        [
            _query("limit", type="integer", maximum=100),
            _query("limit", type="string"),
            _query("offset", type="integer"),
        ],
    ),
    "missing_401": (
        [{"responses": {"200": {}, "429": {}}}],
        [{"responses": {"4XX": {}}}, {"responses": {"default": {}}}, {"responses": {"429": {}}, "security": []}],
    ),
    "missing_429": (
        [{"responses": {"200": {}, "401": {}}}],
        [{"responses": {"4xx": {}}}, {"responses": {"default": {}}}, {"responses": {"429": {}}}],
    ),
    "missing_reference": ([_body({"$ref": "#/x"})], [_body({"$ref": "#/info"})]),
    "remote_reference": ([_body({"$ref": "a.json"})], [_body({"$ref": "#/info"})]),
}


def _found(case: dict[str, Any]) -> dict[str, dict[str, Any]]:
    results = analyse(json.dumps(_document(**case)).encode(), "auto")
    return {issue["rule"]: issue for issue in results["security_issues"]}


def test_each_rule_has_cases_and_a_name_of_its_own() -> None:
    assert sorted(_CASES) == sorted(rule.name for rule in RULES)
    assert {rule.severity for rule in RULES} == set(SEVERITIES)


def test_each_rule_is_in_the_documentation_by_its_severity() -> None:
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
    for severity in SEVERITIES:
        (line,) = (line for line in page.splitlines() if line.startswith(f"| {severity} | `"))
        assert re.findall(r"`(\w+)`", line) == [rule.name for rule in RULES if rule.severity == severity]


def test_a_careful_document_breaks_no_rule() -> None:
    assert _found({}) == {}


@pytest.mark.parametrize("name", _CASES)
def test_a_rule_finds_what_breaks_it(name: str) -> None:
    severity = {rule.name: rule.severity for rule in RULES}[name]
    for case in _CASES[name][0]:
        issue = _found(case)[name]
        assert issue["severity"] == severity and "{}" not in issue["message"]
        assert (issue["path"] is None) == (issue["method"] is None)
        assert "hunter2" not in issue["message"]


@pytest.mark.parametrize("name", _CASES)
def test_a_rule_leaves_alone_what_only_looks_like_it(name: str) -> None:
    for case in _CASES[name][1]:
        assert name not in _found(case), case


def test_issues_come_by_their_severity_and_are_counted() -> None:
    document = _document(schemes={}, servers=["http://example.com"], responses={}, **_query("limit", type="integer"))
    results = analyse(json.dumps(document).encode(), "auto")
    severities = [issue["severity"] for issue in results["security_issues"]]
    assert severities == ["high", "high", "low", "low"]
    assert results["statistics"]["issues_by_severity"] == {"high": 2, "medium": 0, "low": 2, "info": 0}
    assert results["statistics"]["total_issues"] == 4


def test_an_endpoint_s_issue_names_it() -> None:
    issue = _found({"path": "/a/{b}", "method": "delete", "security": []})["change_without_security"]
    assert (issue["method"], issue["path"]) == ("DELETE", "/a/{b}")


@pytest.mark.parametrize("server", ["https://user:hunter2@example.com/v1", "https://hunter2@example.com/v1"])
def test_a_password_in_an_address_is_not_passed_on(server: str) -> None:
    results = analyse(json.dumps(_document(servers=[server])).encode(), "auto")
    assert results["servers"] == ["https://example.com/v1"] and "hunter2" not in json.dumps(results)
    assert without_credentials("https://example.com/a@b") == "https://example.com/a@b"


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "A1B2C3D4" * 2,
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2_" * 12,
        "sk_live_" + "a1B2" * 6,
        "xoxb-" + "1234-" * 6,
        "AIza" + "a1B2-" * 7,
        "sk-ant-" + "a1B2-" * 6,
        "-----BEGIN RSA PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0xx.c2lnbmF0dXJl",
    ],
)
def test_what_looks_like_a_secret_is_found_and_cut(secret: str) -> None:
    (told,) = credentials_in(f"one\ntwo {secret} three")
    assert told.startswith("Line 2 has what looks like") and secret not in told
    assert masked(f"two {secret} three") == f"two {secret[:6]}… three"


def test_names_of_secrets_are_known_in_any_spelling() -> None:
    assert all(map(is_secret_name, ["token", "Access-Token", "api_key", "X-API-KEY", "clientSecret", "new_password"]))
    assert not any(map(is_secret_name, ["tokens_used", "nextPageToken", "key", "secretary", "passport", "id"]))
