"""The analyser as a program: `python -m hub.analyser.child FORMAT`, a document in, one JSON object out.

It is the hub's child, and its memory and time have limits. It imports little: neither the web server nor the database.
"""

import gc
import sys

import orjson

from hub.analyser.analysis import analyse
from hub.analyser.failures import Unreadable


def answer(source: bytes, form: str) -> bytes:
    """`{"results": …}`, or `{"error": {"field", "message"}}` for a document that cannot be read, as JSON."""
    try:
        return orjson.dumps({"results": analyse(source, form)})
    except Unreadable as error:
        return orjson.dumps({"error": {"field": error.field, "message": error.message}})


if __name__ == "__main__":
    gc.disable()  # its life is short and its memory bounded: looking for circles is two thirds of a large YAML's time
    sys.stdout.buffer.write(answer(sys.stdin.buffer.read(), sys.argv[1]))
