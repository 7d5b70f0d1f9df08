"""What people type about themselves, checked and brought to one form: e-mail addresses, names, usernames.

Two spellings that look alike get one key (NFKC, case-folded), by which they collide. Raises `HubError` INVALID naming the
field; nothing here knows the database.
"""

import unicodedata

from config import limits
from hub.errors import invalid

_LOCAL_REFUSED = frozenset(',:;<>()[]"\\')  # in a mail's head they would say more than one address, or something else
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def email(value: object, field: str = "email") -> str:
    """An address as it will be shown: NFKC, with its case kept."""
    text = _text(value, field, limits.EMAIL_CHARS_MAX)
    text = unicodedata.normalize("NFKC", text.strip())
    if len(text) > limits.EMAIL_CHARS_MAX or not _is_address(text):
        raise invalid(field, "must be a valid email address", text[: limits.NAME_CHARS_MAX])
    return text


def key(text: str) -> str:
    """What addresses and usernames are compared by. Folding can undo the normal form, so it is made twice."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded)


def username(value: object, field: str = "username") -> str:
    """3 to 30 letters and digits of ASCII: in other scripts one name could pass for another."""
    return _username(value, field, "", "letters and digits")


def profile_username(value: object, field: str = "username") -> str:
    """The same for who has signed up: the underscore may be in it too."""
    return _username(value, field, "_", "letters, digits and underscores")


def _username(value: object, field: str, beside: str, says: str) -> str:
    text = _text(value, field, limits.USERNAME_CHARS_MAX)
    usable = text.isascii() and all(char.isalnum() or char in beside for char in text)
    if len(text) < limits.USERNAME_CHARS_MIN or not usable:
        low, high = limits.USERNAME_CHARS_MIN, limits.USERNAME_CHARS_MAX
        raise invalid(field, f"must have {low} to {high} {says}, and nothing else", text)
    return text


def name(value: object, field: str) -> str:
    """A first or last name: any script, one line, no characters that turn the direction of what follows."""
    text = unicodedata.normalize("NFC", _text(value, field, limits.NAME_CHARS_MAX).strip())
    if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") or char in _BIDI_CONTROLS for char in text):
        raise invalid(field, "must not contain control characters")
    return text


def plain_text(value: object, field: str, chars_max: int) -> str:
    """What one person says to another: the same in several lines, which may be indented. Lines end in a line feed alone."""
    text = unicodedata.normalize("NFC", _text(value, field, chars_max).replace("\r\n", "\n").strip())
    if any((unicodedata.category(char) == "Cc" and char not in "\n\t") or char in _BIDI_CONTROLS for char in text):
        raise invalid(field, "must not contain control characters")
    return text


def _text(value: object, field: str, chars_max: int) -> str:
    """Text that can be stored; its length is looked at before anything that takes time with it."""
    if not isinstance(value, str):
        raise invalid(field, "must be a string")
    if len(value) > chars_max:
        raise invalid(field, f"must have at most {chars_max} characters")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise invalid(field, "must be valid Unicode text")
    return value


def _is_address(text: str) -> bool:
    local, _, domain = text.partition("@")
    if not local or "@" in domain or any(unicodedata.category(char)[0] in "CZ" for char in text):
        return False
    if not _LOCAL_REFUSED.isdisjoint(local):
        return False
    labels = domain.split(".")
    return all(labels) and (len(labels) > 1 or domain == "localhost") and all(map(_is_label, labels))


def _is_label(label: str) -> bool:
    """Letters, digits, marks and inner hyphens, in any script."""
    inside = all(unicodedata.category(char)[0] in "LNM" or char == "-" for char in label)
    return inside and not label.startswith("-") and not label.endswith("-")
