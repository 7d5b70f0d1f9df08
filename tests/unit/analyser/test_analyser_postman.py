"""Postman collections: addresses in all their forms, inherited ways to sign in, bodies and saved answers."""

import json
from typing import Any

import pytest

from hub.analyser.analysis import analyse
from hub.analyser.postman_address import address_of

_VARIABLES = {"base": "https://api.example.com/v1", "host": "example.com"}


@pytest.mark.parametrize(
    ("url", "server", "path"),
    [
        ("https://example.com/users/:id?x=1#top", "https://example.com", "/users/{id}"),
        ("{{base}}/users/{{user_id}}", "https://api.example.com/v1", "/users/{user_id}"),
        ("{{unknown}}/users", "{{unknown}}", "/users"),
        ("https://{{host}}:8443", "https://example.com:8443", "/"),
        ("localhost:3000/a", "http://localhost:3000", "/a"),
        ("", "", "/"),
        (None, "", "/"),
        (7, "", "/"),
        ({"raw": "https://example.com/a"}, "https://example.com", "/a"),
        (
            {"protocol": "https", "host": ["example", "com"], "path": ["a", ":b", {"value": "c"}]},
            "https://example.com",
            "/a/{b}/c",
        ),
        ({"host": "example.com", "port": "81", "path": "/a/b"}, "http://example.com:81", "/a/b"),
    ],
)
def test_addresses_have_servers_and_paths(url: Any, server: str, path: str) -> None:
    found = address_of(url, _VARIABLES)
    assert (found.server, found.path) == (server, path)


def test_queries_and_variables_are_found_in_either_form() -> None:
    found = address_of(
        {
            "raw": "https://example.com/:id/b?x=1&y",
            "query": [{"key": "x", "value": "2"}, {"key": "z", "disabled": True}, {"key": None}, "text"],
            "variable": [{"key": "id", "value": "7"}],
        },
        {},
    )
    assert found.query == {"x": {"key": "x", "value": "2"}, "y": {"value": ""}}
    assert found.variables == {"id": {"key": "id", "value": "7"}}


def _request(name: str, url: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    return {"name": name, "request": {"method": method, "url": url, **more}}


def _results(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    schema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
    document = {"info": {"name": "C", "schema": schema}, "item": list(items), **more}
    return analyse(json.dumps(document).encode(), "postman")


def test_ways_to_sign_in_are_inherited() -> None:
    bearer = {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}"}]}
    basic_of_v2_0 = {"type": "basic", "basic": {"username": "u", "password": "hunter2"}}
    results = _results(
        _request("A", "/a"),
        {"name": "Folder", "auth": basic_of_v2_0, "item": [{"name": "Inner", "item": [_request("B", "/b")]}]},
        _request("C", "/c", auth={"type": "noauth"}),
        _request("D", "/d", header=[{"key": "Authorization", "value": "Digest x"}]),
        _request("F", "/f", header=[{"key": "Authorization", "value": 'OAuth oauth_consumer_key="x"'}]),
        _request("E", "/e", auth=None),
        auth=bearer,
    )
    ways = {each["path"]: each["security"] for each in results["endpoints"]}
    assert ways == {
        "/a": [["bearer"]],
        "/b": [["basic"]],
        "/c": [],
        "/d": [["digest"]],
        "/e": [["bearer"]],
        "/f": [["oauth1"]],
    }
    assert results["authentication"] == ["basic", "bearer", "digest", "oauth1"]
    assert results["endpoints"][1]["tags"] == ["Inner"]


def test_passwords_are_told_of_and_not_shown() -> None:
    basic = {"type": "basic", "basic": [{"key": "username", "value": "u"}, {"key": "password", "value": "hunter2"}]}
    results = _results(_request("A", "/a?api_key=s3cr3t-s3cr3t", auth=basic))
    told = [issue["message"] for issue in results["security_issues"] if issue["rule"] == "credential_in_document"]
    assert told == ["GET /a: its basic password is written out; whoever has the document can use it"]
    assert "hunter2" not in json.dumps(results) and "s3cr3t" not in json.dumps(results)


def test_requests_to_the_same_endpoint_are_one() -> None:
    first = {**_request("Found", "/a?x=1"), "response": [{"code": 200, "name": "Found", "body": "{}"}]}
    second = {**_request("Not found", "/a?y=2"), "response": [{"code": 404}, {"code": 200, "name": "Again"}]}
    results = _results(first, second, _request("Other", "/a", "POST"))
    assert results["statistics"]["total_endpoints"] == 2
    endpoint = results["endpoints"][0]
    assert endpoint["summary"] == "Found" and [each["name"] for each in endpoint["parameters"]] == ["x", "y"]
    assert {status: each["description"] for status, each in endpoint["responses"].items()} == {
        "200": "Found",
        "404": "",
    }


@pytest.mark.parametrize(
    ("body", "media_type", "parameters"),
    [
        ({"mode": "raw", "raw": "{}", "options": {"raw": {"language": "json"}}}, "application/json", []),
        ({"mode": "raw", "raw": "x"}, "text/plain", []),
        (
            {"mode": "urlencoded", "urlencoded": [{"key": "a", "value": "1"}]},
            "application/x-www-form-urlencoded",
            ["a"],
        ),
        ({"mode": "formdata", "formdata": [{"key": "f", "type": "file"}]}, "multipart/form-data", ["f"]),
        ({"mode": "graphql", "graphql": {"query": "{a}"}}, "application/json", []),
        ({"mode": "file", "file": {"src": "x"}}, "application/octet-stream", []),
    ],
)
def test_bodies_have_media_types(body: dict[str, Any], media_type: str, parameters: list[str]) -> None:
    endpoint = _results(_request("A", "/a", "POST", body=body))["endpoints"][0]
    assert [each["media_type"] for each in endpoint["request_body"]["content"]] == [media_type]
    assert [each["name"] for each in endpoint["parameters"] if each["in"] == "form"] == parameters


def test_folders_in_folders_have_an_end() -> None:
    deep: dict[str, Any] = _request("A", "/a")
    for number in range(60):
        deep = {"name": str(number), "item": [deep]}
    assert _results(deep)["endpoints"][0]["tags"] == ["0"]
