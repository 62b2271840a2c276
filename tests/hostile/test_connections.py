"""Connections that are held, trickled or flooded: each is ended or refused, and others are served meanwhile."""

import json
from contextlib import ExitStack

import pytest

from tests.hostile.house import CONNECTIONS, SOURCE, House, answered, refused

ROLES = ("gateway", "api")
PATHS = {"gateway": "/v1/readings", "api": "/v1/silences"}
AUTHORIZATION = f"Authorization: Bearer {SOURCE}\r\n"


def problem(answer: bytes) -> tuple[int, str]:
    """Return status and code of the last answer on a connection."""
    head, _, body = answer.rpartition(b"\r\n\r\n")
    status = int(head[head.rindex(b"HTTP/1.1 ") + 9 :][:3])
    assert b"application/problem+json" in head, answer
    found = json.loads(body)
    assert found["status"] == status
    return status, found["code"]


@pytest.mark.parametrize("role", ROLES)
def test_heads_that_never_end_are_given_up_while_others_are_served(house: House, role: str) -> None:
    with ExitStack() as stack:
        held = [
            stack.enter_context(house.connect(role, b"POST / HTTP/1.1\r\n", b"X-A: b\r\nX-", b"C")) for _ in range(60)
        ]
        house.serves()
        assert {problem(answered(each)) for each in held} == {(408, "timeout")}


@pytest.mark.parametrize("role", ROLES)
def test_bodies_that_never_end_are_given_up_while_others_are_served(house: House, role: str) -> None:
    head = f"POST {PATHS[role]} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99\r\n"
    with ExitStack() as stack:
        held = [
            stack.enter_context(house.connect(role, f"{head}{AUTHORIZATION}\r\n".encode(), b'{"source"', b":"))
            for _ in range(60)
        ]
        house.serves()
        assert {problem(answered(each)) for each in held} == {(408, "timeout")}


def test_who_shows_no_key_is_told_before_his_body_came(house: House) -> None:
    answer = house.raw("gateway", b"POST /v1/readings HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{")
    assert problem(answer) == (401, "unauthorized")


@pytest.mark.parametrize("role", ROLES)
def test_of_more_connections_than_are_held_the_longest_silent_go_and_others_are_served(house: House, role: str) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(house.connect(role)) for _ in range(3 * CONNECTIONS)]
        house.serves()
        # The first ones went for the last ones; they were told nothing, since they had asked for nothing.
        assert [answered(each) for each in held[:CONNECTIONS]] == [b""] * CONNECTIONS


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"hello\r\n\r\n", (400, "bad_request")),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (400, "bad_request")),
        (b"GET / HTTP/1.1\r\nHost a\r\n\r\n", (400, "bad_request")),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", (400, "bad_request")),
        (b"GET / HTTP/1.1\r\n\r\n", (400, "bad_request")),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", (400, "bad_request")),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nContent-Length: 8\r\n\r\n", (400, "bad_request")),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", (400, "bad_request")),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 4000, (431, "headers_too_large")),
        (b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 20_000, (431, "headers_too_large")),
        (b"GET /" + b"a" * 20_000, (431, "headers_too_large")),
    ],
)  # fmt: skip
def test_what_is_no_http_is_a_problem(house: House, role: str, sent: bytes, expected: tuple[int, str]) -> None:
    answer = house.raw(role, sent)
    if b"chunked" in sent and answer.startswith(b"HTTP/1.1 4"):
        # Who was asked for a key or a page first may be told of that.
        return
    assert problem(answer) == expected


@pytest.mark.parametrize("role", ROLES)
def test_headers_and_addresses_of_any_size_are_refused_or_harmless(house: House, role: str) -> None:
    flood = b"".join(b"X-%d: y\r\n" % n for n in range(2_000))
    for head in (flood, b"X-Long: " + b"x" * 60_000 + b"\r\n", b"Authorization: Bearer " + b"t" * 9000 + b"\r\n"):
        sent = f"GET {PATHS[role]} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n".encode() + head + b"\r\n"
        # Closed while the flood was still coming: who floods need not be told.
        assert not (answer := house.raw(role, sent)) or problem(answer)[0] in (401, 405, 431)
    client = getattr(house, role)
    addresses = (
        "/" + "a/" * 6000,
        f"{PATHS[role]}?limit={'9' * 9000}",
        "/v1/" + "%00" * 3000,
        "/v1/%ff%fe",
        "/v1/../../x",
    )
    for address in addresses:
        assert refused(client.get(address))[0] in (404, 405, 422, 431)


@pytest.mark.parametrize("role", ROLES)
def test_a_length_that_lies_harms_nobody(house: House, role: str) -> None:
    head = f"POST {PATHS[role]} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{AUTHORIZATION}".encode()
    # Too short: the rest is taken for a request of its own, and is none.
    assert problem(house.raw(role, head + b"Content-Length: 2\r\n\r\n{}{}{}\r\n\r\n")) == (400, "bad_request")
    # Too long, and hung up.
    with house.connect(role, head + b"Content-Length: 2000\r\n\r\n{}"):
        pass
    # Longer than anything is taken, and longer than any number.
    for length in (b"99999999999", b"9" * 18):
        assert problem(house.raw(role, head + b"Content-Length: " + length + b"\r\n\r\n{}")) in (
            (413, "too_large"),
            (403, "forbidden"),
        )
    house.serves()


def test_an_answer_that_nobody_takes_holds_up_nobody(house: House) -> None:
    asking = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 300
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(house.connect("gateway", asking))
        house.serves()
