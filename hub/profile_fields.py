"""Strict fields of who somebody is: addresses, passwords, names, telephone numbers, time zones, languages."""

import zoneinfo
from typing import Any, ClassVar, Final

from config import assistant, limits
from hub import identity_input, passwords
from hub.fields import ByRule, Form, Strict, Text

# A look at many files: made once, at start-up. Without the names of no place: whatever zone a server is set to, and none.
_ZONES: Final = frozenset(zoneinfo.available_timezones()) - {"localtime", "Factory", "posixrules"}
_LANGUAGE: Final = r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?"


class Email(ByRule):
    """An e-mail address."""

    form: ClassVar[Form] = {"type": "string", "maxLength": limits.EMAIL_CHARS_MAX, "examples": ["ada@example.org"]}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(identity_input.email, **kwargs)


class Username(ByRule):
    """Letters and digits."""

    form: ClassVar[Form] = {
        "type": "string",
        "pattern": "^[A-Za-z0-9]*$",
        "minLength": limits.USERNAME_CHARS_MIN,
        "maxLength": limits.USERNAME_CHARS_MAX,
        "examples": ["ada99"],
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(identity_input.username, **kwargs)


class ProfileUsername(ByRule):
    """Letters, digits and underscores."""

    form: ClassVar[Form] = {**Username.form, "pattern": "^[A-Za-z0-9_]*$", "examples": ["ada_99"]}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(identity_input.profile_username, **kwargs)


class Password(ByRule):
    """What is to be compared with a password."""

    form: ClassVar[Form] = {"type": "string", "format": "password", "examples": ["Correct horse 9 battery"]}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(passwords.check_size, **kwargs)


class NewPassword(ByRule):
    """What is to become a password."""

    form: ClassVar[Form] = {
        **Password.form,
        "minLength": limits.PASSWORD_CHARS_MIN,
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(passwords.check_form, **kwargs)


class SecondCode(Text):
    """A code of the second factor: six digits of an authenticator, or a recovery code; with spaces as people write them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(low=1, high=assistant.TWO_FACTOR_CODE_CHARS_MAX, example="123456", **kwargs)


class PersonName(ByRule):
    """A first or last name in any script; may be empty."""

    form: ClassVar[Form] = {"type": "string", "maxLength": limits.NAME_CHARS_MAX, "examples": ["Ada"]}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lambda value: identity_input.name(value, "name"), **kwargs)


class Phone(Text):
    """An international number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            high=16, pattern=r"\+[0-9]{7,15}", says="must be + and 7 to 15 digits", example="+1234567890", **kwargs
        )


class Language(Text):
    """A language by BCP 47, with its script and region where it matters: `en`, `pt-BR`, `zh-Hant-TW`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            high=16, pattern=_LANGUAGE, says="must be a language tag such as en or pt-BR", example="en", **kwargs
        )


class Timezone(Strict):
    """A time zone by its name in the IANA database."""

    form: ClassVar[Form] = {"type": "string", "examples": ["Europe/Berlin"]}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.fail("must be a string")
        if value not in _ZONES:
            raise self.fail("must be a time zone such as Europe/Berlin")
        return value
