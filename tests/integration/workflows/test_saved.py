"""What is refused when a workflow is saved, because it could never be done, and how that is told."""

from typing import Any

import orjson
import pytest

from tests.integration.workflows.owner import ALL, Owner, http_request, manual
from tests.site import Site


def fields_of(answer: Any) -> list[str]:
    return [each["field"] for each in answer.body["error"]["details"]["errors"]]


@pytest.mark.gen_test
async def test_addresses_that_nothing_will_ever_be_asked_at_are_refused(site: Site) -> None:
    owner = await Owner.at(site)
    urls = {"a": "http://", "b": "http://10.0.0.1/", "c": "https://example.com/", "d": "http://10.0.0.1/{{x}}"}
    inner = {"id": "i", **http_request("http://localhost/")}
    each = {"type": "for_each", "config": {"items": "{{rows}}", "do": [inner]}}
    given = manual("t>a t>b t>c t>d t>e", e=each, **{name: http_request(url) for name, url in urls.items()})
    refused = await owner.client.post(ALL, {"name": "Asks", "definition": given}, status=400)
    assert fields_of(refused) == [
        *("definition.nodes[0].config.url", "definition.nodes[1].config.url"),
        "definition.nodes[4].config.do[0].config.url",
    ]


@pytest.mark.gen_test
@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", str(2**70).encode()])
async def test_numbers_that_are_none_are_told_by_the_same_paths(site: Site, number: bytes) -> None:
    owner = await Owner.at(site)
    given = manual("t>a t>b", b={"type": "transform", "config": {"set": {"rows": ["here"]}}})
    body = orjson.dumps({"name": "Counts", "definition": given}).replace(b'"here"', number)
    refused = await owner.client.post(ALL, body, status=400)
    assert fields_of(refused) == ["definition.nodes[1].config.set.rows[0]"]
    assert refused.body["error"]["message"].startswith("definition.nodes[1].config.set.rows[0]: ")
