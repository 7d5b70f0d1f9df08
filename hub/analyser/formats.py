"""The names of the formats that documents may have: apart from the readers, which only the child process loads."""

from typing import Final

FORMATS: Final = ("openapi3", "openapi31", "swagger2", "postman", "markdown", "auto")
