"""What a visual builder keeps in a definition comes back as it was given, and changes nothing of what is done."""

import pytest

from tests.integration.workflows.author import Author, chain, note
from tests.integration.workflows.owner import ALL
from tests.site import Site


@pytest.mark.gen_test
async def test_a_drawn_workflow_comes_back_unchanged_and_runs(site: Site) -> None:
    drawn = {"name": "Say {{it}}", "position": {"x": 12.5, "y": -3}, "ui": {"data": {"a.b": ["{{x"]}, "$w": None}}
    given = chain({**note("a", said="{{said}}"), **drawn}, note("b", said="{{a.output.said}}"))
    given["trigger"] |= drawn
    for number, edge in enumerate(given["edges"]):
        edge |= {"id": f"edge-{number}", "label": "then", "ui": {"sourceHandle": "out", "targetHandle": None}}
    given["ui"] = {"viewport": {"x": 0, "y": 0, "zoom": 1.5}}
    who = await Author.of(site)
    made = await who.make(given)
    assert made["definition"] == (await who.client.get(f"{ALL}/{made['id']}")).body["definition"] == given
    ended = await who.ended(made, await who.begin(made, data={"said": "x"}))
    assert ended["result"]["value"] == {"said": "x"}
