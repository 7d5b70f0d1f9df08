"""An OpenID provider that lies in one way at a time; the honest one of these tests is `oidc-provider-mock`.

It asks nobody anything: whoever comes to it is sent back at once with a code. It keeps to PKCE itself, so that a client
without it fails here too.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

Claims = dict[str, Any]


class LyingProvider:
    """`claims` goes into each ID token; `sign(claims, key)` may be replaced, and so may what the callback gets."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.claims: Claims = {"sub": "g-1", "email": "ada@example.com", "email_verified": True}
        self.sign: Callable[[Claims, Any], str] = signed
        self.issuer_told: str | None = None
        self.token_status = 200
        self.exchanges = 0
        self._codes: dict[str, dict[str, str]] = {}
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/.well-known/openid-configuration", self._describe)
        application.router.add_get("/jwks", self._keys)
        application.router.add_get("/authorize", self._authorize)
        application.router.add_post("/token", self._token)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _describe(self, request: web.Request) -> web.Response:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        addresses = {name: f"{self.url}/{path}" for name, path in ends.items()}
        return web.json_response({"issuer": self.issuer_told or self.url, **addresses})

    async def _keys(self, request: web.Request) -> web.Response:
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return web.json_response({"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]})

    async def _authorize(self, request: web.Request) -> web.Response:
        code = secrets.token_urlsafe(16)
        self._codes[code] = dict(request.query)
        back = urlencode({"code": code, "state": request.query["state"]})
        raise web.HTTPFound(f"{request.query['redirect_uri']}?{back}")

    async def _token(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        asked = self._codes.pop(str(form["code"]), None)
        digest = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["code_challenge_method"] != "S256":
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.exchanges += 1
        if self.token_status != 200:
            return web.json_response({"error": "server_error"}, status=self.token_status)
        moment = int(time.time())
        honest = {"iss": self.url, "aud": asked["client_id"], "iat": moment, "exp": moment + 300}
        told = {**honest, "nonce": asked["nonce"], **self.claims}
        token = self.sign({name: value for name, value in told.items() if value is not ...}, self.key)
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": token})


def signed(claims: Claims, key: Any) -> str:
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k1"})
