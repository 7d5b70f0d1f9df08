"""The figures of an analysis."""

from collections import Counter
from collections.abc import Iterable

from config import assistant as bounds
from hub.analyser.description import Described, Json
from hub.analyser.rules import SEVERITIES


def statistics_of(described: Described, issues_by_severity: dict[str, int]) -> Json:
    """Totals of the whole document; the counts by method, tag and status are of the endpoints that are listed."""
    endpoints = described.endpoints
    return {
        "total_endpoints": described.endpoints_total,
        "total_schemas": described.schemas_total,
        "total_parameters": sum(len(each.parameters) for each in endpoints),
        "total_issues": sum(issues_by_severity.values()),
        "deprecated_endpoints": sum(each.deprecated for each in endpoints),
        "secured_endpoints": sum(bool(each.security) and [] not in (each.security or ()) for each in endpoints),
        "endpoints_by_method": dict(sorted(Counter(each.method for each in endpoints).items())),
        "endpoints_by_tag": _counted("tag", (tag for each in endpoints for tag in each.tags)),
        "responses_by_status": dict(sorted(Counter(status for each in endpoints for status in each.responses).items())),
        "issues_by_severity": {severity: issues_by_severity[severity] for severity in SEVERITIES},
    }


def _counted(name: str, values: Iterable[str]) -> list[Json]:
    """The most frequent first: a list, for a tag may be called anything, and names of fields may not."""
    counts = Counter(values)
    ordered = sorted(counts, key=lambda value: (-counts[value], value))[: bounds.ANALYSIS_TAGS_MAX]
    return [{name: value, "endpoints": counts[value]} for value in ordered]
