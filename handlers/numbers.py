"""The integer ids of the AI Assistant's API in its paths. What is no such number is nobody's id."""

from typing import Final

from hub.errors import Code, HubError

NUMBER_MAX: Final = 2**53  # what a browser's number holds exactly; no counter comes that far
NUMBER: Final = "([A-Za-z0-9_]{1,64})"  # as wide as other ids, so that a stranger is told the same of both


def number_of(text: str, what: str) -> int:
    """Raises `HubError` NOT_FOUND, naming `what` there is none of."""
    if not text.isascii() or not text.isdigit() or int(text) > NUMBER_MAX:
        raise HubError(Code.NOT_FOUND, f"No such {what}")
    return int(text)
