"""What the beginning of a document says that it is, looked at in the hub's own event loop."""

import time

import pytest

from hub.analyser.looks import HEAD_BYTES, NotText, check_head


@pytest.mark.parametrize(
    "head",
    [
        b"<html>",
        b" \n<!-- a --> <!----><!-- b\n -->\t<!DOCTYPE html>",
        b"\xef\xbb\xbf<!----->\n<svg xmlns=''>",
        (b"<!---->" * 140 + b"<?xml version='1.0'?>")[:HEAD_BYTES],
    ],
)
def test_markup_is_found_behind_comments(head: bytes) -> None:
    with pytest.raises(NotText, match="HTML or XML"):
        check_head(head)


@pytest.mark.parametrize(
    "head", [b"<!-- never closed <html>", b"<!-- a -->\n# API\n<html>", b'<h1 align="center">', b""]
)
def test_other_text_is_taken(head: bytes) -> None:
    check_head(head)


@pytest.mark.parametrize("piece", [b"<!---->", b"<!-- -->\n ", b"<!--", b" ", b"--><!--"])
def test_no_head_takes_long(piece: bytes) -> None:
    """The regular expression that was here doubled its time with each comment: 22 of them took three seconds."""
    began = time.perf_counter()
    check_head((piece * HEAD_BYTES)[:HEAD_BYTES])
    assert time.perf_counter() - began < 0.1
