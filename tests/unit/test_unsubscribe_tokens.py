"""The tokens of links that end mails: who made them, and for what."""

from pathlib import Path
from typing import Any, cast

import pytest

from config import settings
from hub.errors import Code, HubError
from hub.notices.unsubscribe import Unsubscribing
from models.database import Database

SECRET = "Yx3-a7Qm0Lr9Vt2Kc8Wd5Nz1Hb6Pf4Sg_eUjTi"


def _unsubscribing(folder: Path, secret: str = SECRET) -> Unsubscribing:
    environ = {"HUB_DATA_DIR": str(folder), "HUB_JWT_SECRET": secret, "HUB_PUBLIC_URL": "https://hub.example.com"}
    return Unsubscribing(settings.load(environ), cast(Database, None))


def _token(unsubscribing: Unsubscribing, user: str, what: str) -> str:
    address, _, token = unsubscribing.link(user, what).partition("?token=")
    assert address == "https://hub.example.com/unsubscribe"
    return token


def test_a_token_names_its_user_and_category(tmp_path: Path) -> None:
    token = _token(_unsubscribing(tmp_path), "user_1", "billing")
    assert _unsubscribing(tmp_path).named(token) == ("user_1", "billing")  # another process, the same secret


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: token.replace("user_1", "user_2"),
        lambda token: token.replace("billing", "all"),
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: "." + token,
        lambda token: token.upper(),
        lambda token: "ü.billing.ü",
        lambda token: "",
    ],
)
def test_any_other_is_refused(tmp_path: Path, forge: Any) -> None:
    unsubscribing = _unsubscribing(tmp_path)
    with pytest.raises(HubError) as refused:
        unsubscribing.named(forge(_token(unsubscribing, "user_1", "billing")))
    assert refused.value.code is Code.INVALID


def test_another_hubs_token_is_refused(tmp_path: Path) -> None:
    token = _token(_unsubscribing(tmp_path, SECRET[::-1]), "user_1", "billing")
    with pytest.raises(HubError):
        _unsubscribing(tmp_path).named(token)
