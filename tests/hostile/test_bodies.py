"""Bodies that mean harm: bombs, depth, numbers and texts beyond all bounds. Each is refused, cheaply, with a code."""

import gzip
import json
from typing import Any

import httpx
import pytest
import zstandard

from tests.gateway.pushing import JSON, TS
from tests.hostile.house import OPERATOR, House, refused

GZIP = {"Content-Encoding": "gzip"}
ZSTD = {"Content-Encoding": "zstd"}
HEAD = b'{"source":"gw1","batch":"b","readings":['
# As much as a body may inflate to, of what takes the most memory beside its text.
FULL = (32 << 20) - 100
# What a gateway at rest may grow by while it refuses all that: a few inflated bodies, and what Python keeps of them.
GROWTH_MIB = 160


def bomb(item: bytes) -> bytes:
    return HEAD + item * (FULL // len(item)) + b"1]}"


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (gzip.compress(bomb(b"{},")), GZIP, (413, "too_large")),
        (gzip.compress(bomb(b"[],")), GZIP, (413, "too_large")),
        (gzip.compress(bomb(b"1.5,")), GZIP, (413, "too_large")),
        (gzip.compress(HEAD + b"[" * (16 << 20) + b"]" * (16 << 20)), GZIP, (413, "too_large")),
        (zstandard.compress(bomb(b"{},")), ZSTD, (413, "too_large")),
        (gzip.compress(gzip.compress(bomb(b"{},"))), GZIP, (400, "not_json")),
        (gzip.compress(b" " * (64 << 20)), GZIP, (413, "too_large")),
        # A member for every twenty bytes.
        (gzip.compress(b"", mtime=0) * 400_000, GZIP, (400, "bad_encoding")),
        (gzip.compress(HEAD + b"]}")[:-9], GZIP, (400, "bad_encoding")),
        (zstandard.compress(HEAD + b"]}")[:-3], ZSTD, (400, "not_json")),
        (gzip.compress(HEAD + b"]}") + b"behind", GZIP, (400, "bad_encoding")),
        (b'{"values":[' + b"[]," * 60_000 + b"1]}", {}, (422, "invalid_envelope")),
    ],
    ids=[
        "dicts",
        "lists",
        "decimals",
        "deep",
        "zstd",
        "nested",
        "blanks",
        "members",
        "cut",
        "cut zstd",
        "more",
        "values",
    ],
)
def test_a_bomb_is_refused_and_takes_no_memory(
    house: House, body: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    before_mib = house.rss_mib("gateway", peak=True)
    answer = house.gateway.post("/v1/readings", content=body, headers={**JSON, **headers})
    assert refused(answer) == expected
    assert house.rss_mib("gateway", peak=True) < before_mib + GROWTH_MIB
    house.serves()


def item(**changed: Any) -> bytes:
    return json.dumps({"meter": "e01", "ts": TS, "value": 1, **changed}).encode()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (item(value=10**400), "out_of_range"),
        (b'{"meter":"e01","ts":"%b","value":1e400}' % TS.encode(), "out_of_range"),
        (b'{"meter":"e01","ts":"%b","value":-1e999999999}' % TS.encode(), "out_of_range"),
        (item(value="9" * 400), "out_of_range"),
        (item(value="1e400"), "out_of_range"),
        (item(value="NaN"), "not_a_number"),
        (item(value="Infinity"), "not_a_number"),
        (item(value="１２"), "not_a_number"),
        (item(value=[[[[1]]]]), "not_a_number"),
        (item(value=True), "not_a_number"),
        (item(ts=10**40), "bad_time"),
        (item(ts=-(10**18)), "bad_time"),
        (item(ts=1e30), "bad_time"),
        (item(ts="0000-00-00T00:00:00Z"), "bad_time"),
        (item(ts="9999-12-31T23:59:59-23:59"), "bad_time"),
        (item(ts="0001-01-01T00:00:00+14:00"), "bad_time"),
        (item(ts="2026-11-20T08:15:00+99:99"), "bad_time"),
        (item(ts="1" * 5000), "bad_time"),
        (item(rev=10**30), "bad_revision"),
        (item(rev=-1), "bad_revision"),
        (item(quality="x" * 100_000), "bad_quality"),
        (item(meter="../../e01\x00"), "unknown_meter"),
        (item(unit="kWh**" + "9" * 400), "unit_mismatch"),
    ],
)
def test_a_reading_beyond_all_bounds_is_rejected_by_itself(house: House, sent: bytes, code: str) -> None:
    answer = house.gateway.post("/v1/readings", content=HEAD + sent + b"," + item() + b"]}", headers=JSON)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["accepted"], [one["code"] for one in answer.json()["rejected"]]) == (1, [code])


# For every path that takes JSON.
PATHS = (
    ("gateway", "/v1/readings"),
    ("gateway", "/v1/reported"),
    ("gateway", "/v1/corrections/x"),
    ("api", "/v1/registry"),
    ("api", "/v1/silences"),
    ("api", "/v1/alarms/x/handling"),
)


@pytest.mark.parametrize(("role", "path"), PATHS)
def test_what_is_no_good_json_is_refused_everywhere(house: House, role: str, path: str) -> None:
    client = getattr(house, role)
    bodies = (
        b"", b"nothing", b'"\xff\xfe"', b"\xef\xbb\xbf{}", b"{", b"[" * 200_000, b'{"a":' * 100_000, b'{"a":NaN}',
        b'{"\\ud800":1}', b'{"reason":"\\udfff"}', b'{"documents":[{"\\ud800":1}],"values":[{"a":"\\ud800"}]}',
        b'{"base":1e400,"by":1e400}', b'{"base":%b,"limit":%b}' % (b"9" * 400, b"9" * 5000), b"9" * 5000, b"null",
        b"[]", b"1", "{\"a\":1}".encode("utf-16"), b'{"a":1}\x00',
    )  # fmt: skip
    for body in bodies:
        answer = client.post(path, content=body, headers=JSON)
        assert refused(answer)[0] in (400, 413, 422, 428), (body[:60], answer.text)
    for kind in (
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
    ):
        answer = client.post(path, content=b'{"reason":"x"}', headers={"Content-Type": kind})
        assert refused(answer)[0] in (400, 415, 422, 428)
    house.serves()


@pytest.mark.parametrize(("role", "path"), [*PATHS, ("api", "/login"), ("api", "/board/preferences")])
def test_a_body_without_end_is_cut_off_also_for_who_shows_no_key(house: House, role: str, path: str) -> None:
    client = getattr(house, role)
    limit_mb = 140 if path == "/v1/registry" else 10
    for token in (OPERATOR, "nobodys"):
        headers = {**JSON, "Authorization": f"Bearer {token}"}
        try:
            answer = client.post(path, content=(b" " * 1_000_000 for _ in range(limit_mb)), headers=headers)
        except httpx.TransportError:
            # Closed while it was still coming.
            continue
        # 408 where so much does not come within the time of a test.
        assert answer.status_code in (401, 408, 413), answer.text


def test_of_two_members_of_one_name_the_last_counts_also_for_who_may_send(house: House) -> None:
    body = b'{"source":"gw1","source":"other1","batch":"b","readings":[]}'
    assert refused(house.gateway.post("/v1/readings", content=body, headers=JSON)) == (403, "forbidden")
    twice = b'{"meter":"e01","meter":"e99","ts":"%b","value":1}' % TS.encode()
    answer = house.gateway.post("/v1/readings", content=HEAD + twice + b"]}", headers=JSON).json()
    assert [one["code"] for one in answer["rejected"]] == ["unknown_meter"]
