"""The analyser as a program: what it answers, and how little it loads."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from hub.analyser.child import answer
from hub.analyser.child_process import FAULT
from hub.analyser.limited import tell

_ROOT: Final = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("source", "form", "field", "says"),
    [
        (b"{", "auto", None, "not JSON"),
        (b'{"swagger": "2.0", "paths": {}}', "openapi3", "format", "the document is swagger2"),
    ],
)
def test_what_cannot_be_read_is_an_answer_too(source: bytes, form: str, field: str | None, says: str) -> None:
    told = json.loads(answer(source, form))
    assert list(told) == ["error"] and told["error"]["field"] == field and says in told["error"]["message"]


def test_what_nobody_caught_is_told_without_the_document_s_words(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        json.loads("{SECRET")
    except ValueError as error:
        error.args = ("SECRET\nfault: SECRET at x:1",)
        tell(type(error), error, error.__traceback__)
    said = capsys.readouterr().err.encode()
    ((kind, place),) = FAULT.findall(said)
    assert kind == b"JSONDecodeError" and b"decoder.py:" in place and b"SECRET" not in said


def test_the_program_reads_a_document_and_loads_neither_server_nor_database() -> None:
    program = "import runpy, sys; runpy.run_module('hub.analyser.child', run_name='__main__')"
    heavy = "print([name for name in ('tornado', 'pymongo', 'aiohttp', 'openpyxl') if name in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; {heavy}", "markdown"],
        input=b"# T\n\n## GET /a\n",
        capture_output=True,
        cwd=_ROOT,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["results"]["endpoints"][0]["path"] == "/a"
    assert done.stderr.strip() == b"[]"
