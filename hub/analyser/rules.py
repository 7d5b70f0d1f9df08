"""The rules that find what an API's description leaves open to attackers, by their names, and what they find.

findings.py: where --> RULES: how grave, and why --> the issues of the results
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from config import assistant as bounds
from hub.analyser import findings
from hub.analyser.description import Described, Json
from hub.analyser.findings import Found
from hub.analyser.taking import Taking

SEVERITIES: Final = ("high", "medium", "low", "info")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule has the name of what finds it. `{}` in the sentence is where the detail of a finding stands."""

    find: Callable[[Described], Iterator[Found]]
    severity: str
    sentence: str

    @property
    def name(self) -> str:
        return self.find.__name__


RULES: Final = (
    Rule(
        findings.plain_http_server, "high", "{} is served without TLS: what is sent can be read and changed on its way"
    ),
    Rule(findings.plain_http_sign_in, "high", "Signing in goes through {} without TLS"),
    Rule(findings.credentials_in_server, "high", "The address of the server {} has a user's name or password in it"),
    Rule(findings.credential_in_document, "high", "{}; whoever has the document can use it"),
    Rule(findings.no_authentication, "high", "No way to sign in is described"),
    Rule(findings.change_without_security, "high", "Anybody may change data here: it asks for no way to sign in"),
    Rule(findings.secret_in_query, "high", "{} in an address is a secret that stands in logs and histories"),
    Rule(findings.key_in_query, "high", "The key of {} is sent in addresses, which stand in logs and histories"),
    Rule(findings.endpoint_without_security, "medium", "It asks for no way to sign in"),
    Rule(
        findings.optional_security,
        "medium",
        "Signing in is left to the caller: one of its alternatives asks for nothing",
    ),
    Rule(findings.unknown_scheme, "medium", "It asks for {}, which the document does not define"),
    Rule(findings.basic_authentication, "medium", "{} sends the password with each request"),
    Rule(findings.implicit_flow, "medium", "{} uses the implicit flow, in which tokens stand in addresses"),
    Rule(findings.password_flow, "medium", "{} uses the password flow, in which clients see the user's password"),
    Rule(findings.unbounded_array, "low", "An array without maxItems can be of any length: {}"),
    Rule(findings.unbounded_page, "low", "A page without a maximum can be of any size: {}"),
    Rule(findings.missing_401, "low", "It is not said what is answered to who has not signed in (401)"),
    Rule(findings.missing_429, "low", "It is not said what is answered to who asks too often (429)"),
    Rule(findings.missing_reference, "info", "The reference {} leads to nothing"),
    Rule(findings.remote_reference, "info", "The reference {} leads out of the document, and was not followed"),
)


def issues_of(described: Described, taking: Taking) -> tuple[list[Json], dict[str, int]]:
    """What the rules find, the gravest first, and how many each severity has in all."""
    issues: list[Json] = []
    counts = dict.fromkeys(SEVERITIES, 0)
    for rule in sorted(RULES, key=lambda rule: SEVERITIES.index(rule.severity)):
        found = rule.find(described)
        for place in islice(found, max(bounds.ANALYSIS_ISSUES_MAX - len(issues), 0)):
            issues.append(_issue(rule, place, taking))
            counts[rule.severity] += 1
        for _ in found:
            counts[rule.severity] += 1
            taking.left_out("security issues", bounds.ANALYSIS_ISSUES_MAX)
    return issues, counts


def _issue(rule: Rule, found: Found, taking: Taking) -> Json:
    endpoint = found.endpoint
    return {
        "rule": rule.name,
        "severity": rule.severity,
        "path": endpoint.path if endpoint else None,
        "method": endpoint.method if endpoint else None,
        "message": taking.description(rule.sentence.format(found.detail)),
    }
