"""A user and a login as each of the APIs shows them. The union serves the shared paths that carry no credential yet."""

from collections.abc import Mapping, Sequence
from typing import Any

from hub.identity import LoginResult
from hub.prices import credits_number
from models.clock import timestamp

Json = dict[str, Any]
User = Mapping[str, Any]


def hub_user(user: User) -> Json:
    return {
        "id": user["_id"],
        "email": user["email"],
        "firstName": user["first_name"],
        "lastName": user["last_name"],
        "role": user["role"],
        "emailVerified": user["email_verified"],
        "createdAt": timestamp(user["created_at"]),
        "updatedAt": timestamp(user["updated_at"]),
    }


def hub_profile(user: User) -> Json:
    """What its owner sees."""
    return {
        **hub_user(user),
        "username": user.get("username"),
        "tier": user["tier"],
        "phone": user["phone"],
        "timezone": user["timezone"],
        "language": user["language"],
        "autoTopup": auto_topup(user),
    }


def auto_topup(user: User) -> Json:
    """Whether points are bought with credits by themselves, and with how many at a time."""
    chosen = user.get("auto_topup") or {"enabled": False, "credits_micro": 0}
    return {"enabled": chosen["enabled"], "credits": credits_number(chosen["credits_micro"])}


def playground_user(user: User) -> Json:
    return {
        "id": user["_id"],
        "username": user.get("username"),
        "email": user["email"],
        "tier": user["tier"],
        "created_at": timestamp(user["created_at"]),
    }


def playground_profile(user: User, quota: Json, api_keys: Sequence[Json]) -> Json:
    return {
        **playground_user(user),
        "quota": quota,
        "api_keys": api_keys,
        "updated_at": timestamp(user["updated_at"]),
    }


def assistant_user(user: User) -> Json:
    return {"id": user["number"], "email": user["email"]}


def assistant_profile(user: User) -> Json:
    return {
        **assistant_user(user),
        "created_at": timestamp(user["created_at"]),
        "is_active": user["status"] == "active",
        "has_2fa": bool(user.get("two_factor")),
    }


def tokens(result: LoginResult) -> Json:
    return {
        "accessToken": result.access_token,
        "refreshToken": result.refresh_token,
        "expiresIn": result.expires_in,
    }


def playground_login(result: LoginResult) -> Json:
    return {"user": playground_user(result.user), "token": result.access_token}


def assistant_login(result: LoginResult) -> Json:
    return {
        "access_token": result.access_token,
        "token_type": "bearer",
        "user": assistant_user(result.user),
    }


def union_login(result: LoginResult) -> Json:
    user = {**hub_user(result.user), **playground_user(result.user)}
    return {"user": user, "tokens": tokens(result), "token": result.access_token}
