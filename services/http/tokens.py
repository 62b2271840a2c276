"""A token is what a caller shows as `Authorization: Bearer ..`; a principal is who that makes the caller.

Tokens are random and long, so a plain SHA-256 of each is kept (in `key` documents), and nothing that leads back to it.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

from fastapi import Request
from pydantic import SecretStr

from services.http.problem import unauthorized
from streams.domain.registry import Snapshot

Role = Literal["source", "enterprise", "viewer", "operator"]
TOKEN_BYTES = 32
# Longer than every token that was ever given out; what is longer is not worth hashing.
_MAX_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a role, and what it is about (a source, an enterprise, a territory; None: everything).

    `key` is the id of the key document, None for the operator token of the settings.
    """

    role: Role
    subject: str | None
    key: str | None

    def __str__(self) -> str:
        return f"{self.role}/{self.subject}" if self.subject else self.role


def new_token() -> str:
    """Return a new random token, fit for a header and a URL."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """Return the hex SHA-256 that a key document keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def bearer(request: Request) -> str:
    """Return the request's bearer token; raise the 401 Problem when it shows none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > _MAX_LENGTH:
        raise unauthorized("send the header Authorization: Bearer TOKEN")
    return token


def principal_of(token: str, snapshot: Snapshot, operator_token: SecretStr | None, at_ms: int) -> Principal | None:
    """Return whose token it is at an instant [epoch ms]; None when it is unknown, revoked, or not valid on that day."""
    if operator_token is not None and hmac.compare_digest(operator_token.get_secret_value().encode(), token.encode()):
        return Principal("operator", None, None)
    # Keys are found by their hash: what a caller learns from the time of a look-up tells nothing about a token.
    key = snapshot.keys.get(token_hash(token))
    if key is None or not key.usable_at(at_ms):
        return None
    return Principal(key.role, key.subject, key.id)
