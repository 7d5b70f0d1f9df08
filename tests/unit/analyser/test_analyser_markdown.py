"""API documentation in Markdown: the forms in which such pages name endpoints, and what belongs to each of them."""

import time
from typing import Any

import pytest

from hub.analyser.analysis import analyse


def _results(page: str) -> dict[str, Any]:
    return analyse(page.encode(), "markdown")


def _endpoints(page: str) -> list[tuple[str, str]]:
    return [(each["method"], each["path"]) for each in _results(page)["endpoints"]]


@pytest.mark.parametrize(
    "page",
    [
        "**GET** `/a/{id}`",
        "### GET /a/{id}",
        "### `GET /a/{id}`",
        "## Get one: GET /a/{id}",
        "`GET` `/a/{id}`",
        "GET /a/:id",
        "Endpoint: `GET /a/<id>`",
        "**Endpoint:** GET https://api.example.com/a/{id}",
        "- `GET /a/{id}` returns one",
        "```\nGET /a/{id}\n```",
        "```http\nGET /a/{id} HTTP/1.1\nHost: example.com\n```",
        "    GET /a/:id\n",
        "| Method | Path |\n|---|---|\n| GET | `/a/{id}` |\n",
        "| Endpoint | About |\n|---|---|\n| `GET /a/{id}` | One |\n",
        "[GET /a/{id}](#one)",
        "> **GET** `/a/{id}?x=1`",
    ],
)
def test_endpoints_are_named_in_many_forms(page: str) -> None:
    assert _endpoints(page) == [("GET", "/a/{id}")]


_LIST = """
    GET    /v1/users?limit=5             list users
    POST   /v1/users {"name": "Ada"}     -> {"id"}
      -> {"user": {"name": "Ada"}}
    DELETE /v1/users/{id}
"""


@pytest.mark.parametrize("page", [_LIST, f"```\n{_LIST}```\n", f"```http\n# users\n{_LIST}```\n"])
def test_a_block_may_be_a_list_of_endpoints(page: str) -> None:
    endpoints = _results(f"# T\n\nThese are:\n\n{page}\n")["endpoints"]
    found = {(each["method"], each["path"]): each for each in endpoints}
    assert list(found) == [("GET", "/v1/users"), ("POST", "/v1/users"), ("DELETE", "/v1/users/{id}")]
    assert found["GET", "/v1/users"]["summary"] == "list users"
    assert all(each["request_body"] is None and each["responses"] == {} for each in endpoints)


def test_one_line_with_more_beside_it_is_an_endpoint_and_two_messages_are_no_list() -> None:
    page = 'PUT /me {"a": 1}\n'
    assert _endpoints(f"```\n{page}```\n") == [("PUT", "/me")]
    (put, get) = _results("```\nPUT /me\nContent-Type: text/plain\n\nx\n\nGET /me\n```\n")["endpoints"]
    assert put["request_body"]["content"][0]["media_type"] == "text/plain" and get["method"] == "GET"


@pytest.mark.parametrize(
    ("call", "endpoint"),
    [
        ("curl -X POST https://api.example.com/v1/users", ("POST", "/v1/users")),
        ("$ curl -sS 'https://api.example.com/v1/users?a=1'", ("GET", "/v1/users")),
        ("curl --request=DELETE --url https://api.example.com/v1/users", ("DELETE", "/v1/users")),
        ("curl https://api.example.com/v1/users \\\n  -H 'X-API-Key: k' \\\n  -d '{\"a\": 1}'", ("POST", "/v1/users")),
        ("curl -XPUT -d @file https://api.example.com/v1/users", ("PUT", "/v1/users")),
    ],
)
def test_a_call_of_curl_is_an_endpoint_where_nothing_else_tells_it(call: str, endpoint: tuple[str, str]) -> None:
    assert _endpoints(f"# T\n\n## Users\n\n```bash\n{call}\n```\n") == [endpoint]
    assert _endpoints(f"# T\n\n## GET /real\n\n```bash\n{call}\n```\n") == [("GET", "/real")]


def test_what_curl_sends_belongs_to_its_endpoint() -> None:
    page = "```sh\ncurl -H 'X-API-Key: k' -d '{\"a\": 1}' https://example.com/a\n```\n\n```sh\ncurl https://example.com/b\n```\n"
    first, second = _results(f"# T\n\n{page}")["endpoints"]
    assert (first["method"], first["security"]) == ("POST", [["api_key"]]) and first["request_body"]["content"]
    assert (second["method"], second["path"], second["request_body"]) == ("GET", "/b", None)


@pytest.mark.parametrize(
    "line",
    [
        "Then call GET /a for more",
        "get /a",
        "GET it from us",
        "TARGET /a",
        "GETTING /a",
        "```js\nfetch('/a', {method: 'GET'})\n```",
        '```json\n{"method": "GET /a"}\n```',
        "| Method |\n|---|\n| GET |\n",
        "<!-- GET /a -->",
    ],
)
def test_prose_is_not_taken_for_endpoints(line: str) -> None:
    assert _endpoints(f"# T\n\n{line}\n\n## POST /real\n") == [("POST", "/real")]


_PAGE = """# Pets API

**Version**: 2.1.0

## Base URL

`https://pets.example.com/v1`, in tests `http://localhost:8000`

## Authentication

Send `Authorization: Bearer <token>` (not API keys).

| Code | Meaning |
|------|---------|
| 401  | Who are you |
| 429  | Too many |

## Pets

### List pets

All of them, by name.

**GET** `/pets?limit=10&sort=name`

| Parameter | Type | Required | Description |
|-----------|------|----------|-------------|
| `limit` | integer | No | How many |
| `kind` | string | yes | Cats or dogs |

**Response (200):**

```json
{"pets": []}
```

**Error Response (404 Not Found):**

```json
{"error": "none"}
```

### Add a pet

```http
POST /pets
Authorization: Bearer abc
Content-Type: application/xml

<pet/>
```

**Parameters:**
- `name` (string, required): What it is called
  - `deep`: A part of it
- `age`: In years

Response:

```http
HTTP/1.1 201 Created
Content-Type: application/xml

<pet id="1"/>
```

#### Request

```json
{"name": "Rex"}
```

## Errors

```json
{"error": "general"}
```
"""


def test_a_page_is_told_in_full() -> None:
    results = _results(_PAGE)
    assert (results["title"], results["version"], results["format"]) == ("Pets API", "2.1.0", "markdown")
    assert results["servers"] == ["https://pets.example.com/v1", "http://localhost:8000"]
    assert results["authentication"] == ["bearer"]
    assert results["security_issues"] == [] and results["schemas"] == []


def test_what_a_table_and_a_path_say_of_a_parameter_is_one() -> None:
    listed = _results(_PAGE)["endpoints"][0]
    assert (listed["summary"], listed["tags"], listed["security"]) == ("List pets", ["Pets"], None)
    assert listed["description"] == "All of them, by name."
    assert listed["parameters"] == [
        {
            "name": "limit",
            "in": "query",
            "type": "integer",
            "required": False,
            "description": "How many",
            "example": "10",
        },
        {"name": "sort", "in": "query", "type": "", "required": False, "description": "", "example": "name"},
        {
            "name": "kind",
            "in": "query",
            "type": "string",
            "required": True,
            "description": "Cats or dogs",
            "example": "",
        },
    ]


def test_examples_belong_to_the_answer_that_their_label_names() -> None:
    listed = _results(_PAGE)["endpoints"][0]
    assert {status: each["content"][0]["example"] for status, each in listed["responses"].items()} == {
        "200": '{"pets": []}',
        "404": '{"error": "none"}',
    }
    assert listed["request_body"] is None


def test_http_messages_are_read_as_they_go_over_the_line() -> None:
    added = _results(_PAGE)["endpoints"][1]
    assert added["security"] == [["bearer"]]
    assert added["request_body"]["content"] == [{"media_type": "application/xml", "type": "", "example": "<pet/>"}]
    assert added["responses"]["201"]["content"][0]["example"] == '<pet id="1"/>'
    assert list(added["responses"]) == ["201"], "what stands below the next heading is about all"
    assert [(each["name"], each["in"], each["type"], each["required"]) for each in added["parameters"]] == [
        ("name", "body", "string", True),
        ("age", "body", "", False),
    ]


def test_an_endpoint_that_is_named_again_is_the_same() -> None:
    results = _results("## One\n\nGET /a?x=1\n\n## Two\n\nGET /a?y=2\n\n**Response:**\n\n```json\n{}\n```\n")
    (endpoint,) = results["endpoints"]
    assert endpoint["summary"] == "One" and list(endpoint["responses"]) == ["200"]
    assert [each["name"] for each in endpoint["parameters"]] == ["x", "y"]


@pytest.mark.parametrize(
    ("prose", "kinds"),
    [
        ("Use a JWT.", ["bearer"]),
        ("Use HTTP Basic Auth.", ["basic"]),
        ("Use an API key.", ["api_key"]),
        ("Use httpOnly cookies, not Bearer tokens.", ["cookie"]),
        ("Use OAuth 2.", ["oauth2"]),
        ("```http\nX-API-Key: abc\n```", ["api_key"]),
        ("```http\nAuthorization: Basic abc\n```", ["basic"]),
        ("```http\nCookie: sid=1\n```", ["cookie"]),
        ("Ask a person.", []),
    ],
)
def test_ways_to_sign_in_are_found_where_the_page_is_about_them(prose: str, kinds: list[str]) -> None:
    results = _results(
        f"# T\n\n## Authentication\n\n{prose}\n\n## Things\n\nGET /a\n\nIt makes API keys and cookies.\n"
    )
    assert results["authentication"] == kinds
    assert ("no_authentication" in {issue["rule"] for issue in results["security_issues"]}) == (not kinds)


def test_a_page_that_shows_secrets_in_addresses_is_told_so() -> None:
    results = _results("# T\n\n## GET /a\n\nGET /a?page_token=1\n\nOr `wss://example.com/ws?token=abc&api_key=x`.\n")
    told = [issue["message"] for issue in results["security_issues"] if issue["rule"] == "secret_in_query"]
    assert [message.split()[0] for message in told] == ["token", "api_key"]


def test_a_page_without_statuses_is_told_so_once() -> None:
    rules = [issue["rule"] for issue in _results("## GET /a\n\n## GET /b\n")["security_issues"]]
    assert rules.count("missing_401") == rules.count("missing_429") == 1


@pytest.mark.parametrize(
    "hostile",
    [
        "> " * 2_000 + "x",
        "- " * 2_000 + "x",
        "[" * 5_000,
        "*" * 5_000 + "a",
        "`" * 5_000,
        "![" * 2_000 + "](" * 2_000,
        "|" * 5_000 + "\n" + "|-" * 2_500 + "|\n",
        "<" * 5_000,
        "&#x0;" * 1_000,
        "# " + "a" * 100_000,
        "GET /" + "{" * 50_000,
        "GET /" + "a" * 100_000,
        "```\n" + "curl \\\n" * 20_000 + "```",
        "```\ncurl " + "'\\" * 50_000 + "\n```",
        "```\nGET /a" + " \t" * 50_000 + "\n" + "GET" + " " * 100_000 + "\n```",
    ],
)
def test_hostile_pages_have_an_end(hostile: str) -> None:
    started = time.process_time()
    assert ("GET", "/real") in _endpoints(f"## GET /real\n\n{hostile}\n")
    assert time.process_time() - started < 5
