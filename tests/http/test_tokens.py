"""Who a bearer token makes of its caller."""

import datetime as dt

from pydantic import SecretStr

from services.http.tokens import Principal, new_token, principal_of, token_hash
from streams.domain.registry import Snapshot
from tests.registry_writing import STEEL, documents, snapshot_of

NOW_MS = int(dt.datetime(2026, 11, 21, tzinfo=dt.UTC).timestamp() * 1000)
DAY_MS = 86_400_000


def snapshot(*, revoked: bool = False, role: str = "source", subject: str | None = "gw1") -> Snapshot:
    key = {
        "apiVersion": "qingyu/v1",
        "kind": "key",
        "id": "k1",
        "valid_from": "2026-01-01",
        "valid_to": "2027-01-01",
        "spec": {"hash": token_hash("secret"), "role": role, "subject": subject, "revoked": revoked},
    }
    return snapshot_of([*documents(STEEL), key])


def test_a_key_makes_its_holder_what_it_says() -> None:
    assert principal_of("secret", snapshot(), None, NOW_MS) == Principal("source", "gw1", "k1")
    viewer = principal_of("secret", snapshot(role="viewer", subject=None), None, NOW_MS)
    assert viewer == Principal("viewer", None, "k1")


def test_an_unknown_or_revoked_token_makes_nobody() -> None:
    assert principal_of("guess", snapshot(), None, NOW_MS) is None
    assert principal_of("", snapshot(), None, NOW_MS) is None
    assert principal_of("secret", snapshot(revoked=True), None, NOW_MS) is None


def test_a_key_counts_on_its_days_only() -> None:
    assert principal_of("secret", snapshot(), None, NOW_MS - 400 * DAY_MS) is None
    assert principal_of("secret", snapshot(), None, NOW_MS + 400 * DAY_MS) is None


def test_the_hash_itself_opens_nothing() -> None:
    assert principal_of(token_hash("secret"), snapshot(), None, NOW_MS) is None


def test_the_operator_token_of_the_settings_is_the_operator() -> None:
    operator = SecretStr("first")
    assert principal_of("first", snapshot(), operator, NOW_MS) == Principal("operator", None, None)
    assert principal_of("firs", snapshot(), operator, NOW_MS) is None


def test_new_tokens_are_long_and_never_the_same() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 40
