"""The splitter: every line end, every cut, and its bound."""

import pytest

from hub.providers.sse import SseError, SseSplitter

STREAM = (
    b"\xef\xbb\xbfdata: one\n\n: a comment\n\nevent: named\ndata: two\n\n"
    b"data: first\ndata: second\nid: 7\n\nretry: 10\n\ndata:tight\n\ndata\n\n\n\ndata:  spaced\n\nevent: alone\n\n"
)
EVENTS = [("", b"one"), ("named", b"two"), ("", b"first\nsecond"), ("", b"tight"), ("", b""), ("", b" spaced")]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_every_line_end_in_pieces_of_every_size(line_end: bytes, size: int) -> None:
    stream = STREAM.replace(b"\n", line_end)
    splitter = SseSplitter()
    events = [event for at in range(0, len(stream), size) for event in splitter.feed(stream[at : at + size])]
    assert events + splitter.end() == EVENTS


def test_two_pieces_cut_anywhere() -> None:
    stream = STREAM.replace(b"\n", b"\r\n")
    for cut in range(len(stream) + 1):
        splitter = SseSplitter()
        assert splitter.feed(stream[:cut]) + splitter.feed(stream[cut:]) == EVENTS, cut


def test_an_end_without_its_blank_line_is_given_at_the_end() -> None:
    splitter = SseSplitter()
    assert splitter.feed(b"data: a\n\ndata: b") == [("", b"a")]
    assert splitter.end() == [("", b"b")]
    assert splitter.end() == []


def test_an_endless_line_is_refused() -> None:
    splitter = SseSplitter(event_bytes_max=100)
    with pytest.raises(SseError):
        for _ in range(200):
            splitter.feed(b"x")


def test_a_trickle_of_a_long_line_is_linear() -> None:
    splitter = SseSplitter()
    splitter.feed(b"data: ")
    for _ in range(200_000):
        splitter.feed(b"abc")
    assert splitter.feed(b"\n\n") == [("", b"abc" * 200_000)]
