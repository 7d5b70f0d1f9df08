"""The one way in which a document fails: it cannot be read as what it was said to be."""


class Unreadable(Exception):
    """A document that cannot be analysed. `message` is for whoever gave it; `field` names the field of their request.

    Where the fault stands in the document is a part of the message.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
