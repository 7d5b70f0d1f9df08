"""What is taken from a document: bounds, and the notices of what is beyond them."""

import json

import pytest

from config import assistant
from hub.analyser.analysis import analyse
from hub.analyser.taking import Taking


def _notices(taking: Taking) -> list[str]:
    return [each["message"] for each in taking.notices()]


def test_texts_are_cut_and_the_results_say_so() -> None:
    taking = Taking()
    assert taking.summary("a" * 300) == "a" * 300
    assert taking.summary("b" * 301) == "b" * 299 + "…"
    assert taking.description("c" * 2_001).endswith("c…")
    assert _notices(taking) == ["1 summaries are cut to 300 characters", "1 descriptions are cut to 2,000 characters"]


def test_all_texts_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "ANALYSIS_TEXT_BYTES_MAX", 10)
    taking = Taking()
    assert [taking.name("абв"), taking.name("abcd"), taking.name("e")] == ["абв", "abcd", ""]
    assert _notices(taking) == ["1 names are left out: all texts together exceed 0 MiB"]


def test_what_cannot_be_written_down_is_gone() -> None:
    taking = Taking()
    assert taking.description("a\x00b\ud800c\x1bd\r\ne\tf") == "a b c d \ne\tf"
    assert taking.name(" a\nb ") == "a b" and taking.summary(" a\n\n b ") == "a b"
    assert [taking.name(value) for value in (None, True, [], {}, 7, 1.5)] == ["", "", "", "", "7", "1.5"]


def test_examples_are_json_unless_they_are_text() -> None:
    taking = Taking()
    assert [taking.example(value) for value in (None, "text", False, 0, [])] == ["", "text", "false", "0", "[]"]
    assert json.loads(taking.example({"ключ": [1]})) == {"ключ": [1]}


def test_secrets_are_not_passed_on() -> None:
    taking = Taking()
    secret = "ghp_" + "a1B2" * 9
    assert taking.example({"token": secret}) == '{\n "token": "ghp_a1…"\n}'
    assert taking.description(f"Use {secret}.") == "Use ghp_a1…."


def test_rows_have_a_bound_of_their_own_and_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "ANALYSIS_ROWS_MAX", 5)
    taking = Taking()
    assert taking.rows(range(9), 3, "fields") == [0, 1, 2]
    assert taking.rows(range(9), 3, "fields") == [0, 1]
    assert taking.rows(range(9), 3, "fields") == []
    assert _notices(taking) == [
        "18 fields are left out: at most 3 are taken",
        "4 fields are left out: at most 5 rows are taken in all",
    ]


def test_notices_have_a_bound() -> None:
    taking = Taking()
    for number in range(1_000):
        taking.object([], f"place {number}")
        taking.notice("kind", "x")
    assert len(taking.notices()) == 2 * assistant.ANALYSIS_NOTICES_MAX + 1
    assert "950 more like these" in _notices(taking)


def test_endpoints_schemas_and_issues_beyond_their_bounds_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINTS", "SCHEMAS", "ISSUES"):
        monkeypatch.setattr(assistant, f"ANALYSIS_{name}_MAX", 2)
    document = {
        "openapi": "3.0.0",
        "paths": {f"/{n}": {"get": {}, "put": {}} for n in range(5)},
        "components": {"schemas": {str(n): {} for n in range(7)}},
    }
    results = analyse(json.dumps(document).encode(), "openapi3")
    assert len(results["endpoints"]) == len(results["schemas"]) == len(results["security_issues"]) == 2
    figures = results["statistics"]
    assert (figures["total_endpoints"], figures["total_schemas"], figures["total_issues"]) == (10, 7, 3)
    assert {each["message"] for each in results["notices"]} == {
        "8 endpoints are left out: at most 2 are taken",
        "5 schemas are left out: at most 2 are taken",
        "1 security issues are left out: at most 2 are taken",
    }
