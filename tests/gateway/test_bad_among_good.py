"""Whatever bad comes at the same time, every good reading is accepted and kept, and nothing else is."""

import gzip
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from schemas.settings import Settings
from tests.gateway.pushing import JSON, TS_MS, batch, push, row
from tests.gateway.running import Gateway, readings, rejected

GOOD_SENDERS, BATCHES = 4, 12
GZIP = {"Content-Encoding": "gzip"}
HEAD = b'{"source":"gw1","batch":"x","readings":[{"meter":"e01","ts":1,"value":'
# Each with its headers and the status of the answer.
BAD: tuple[tuple[bytes, dict[str, str], int], ...] = (
    (HEAD + b"NaN}]}", {}, 400),
    (HEAD + b"Infinity}]}", {}, 400),
    (b'{"source":"gw1"', {}, 400),
    (b'{"source":"gw1","batch":"x"}', {}, 422),
    (b"not packed at all", GZIP, 400),
    (gzip.compress(b"[" + b" " * (64 << 20)) * 4, GZIP, 413),
    (b" " * 100_000_000, {}, 413),
    (json.dumps(batch(row(source="x"))).encode(), {"Content-Type": "text/plain"}, 415),
    (json.dumps(batch(row(), source="gw2")).encode(), {}, 403),
)
# A batch of which nothing can be used, with its codes.
UNUSABLE = (
    (HEAD + b"1e400}]}", "out_of_range"),
    (HEAD + b'"abc"}]}', "not_a_number"),
    (json.dumps(batch(row(1, "e99"))).encode(), "unknown_meter"),
    (json.dumps(batch(row(1, unit="m3"))).encode(), "unit_mismatch"),
    (json.dumps(batch(row(1, ts="2126-01-01T00:00:00"))).encode(), "future"),
    (json.dumps(batch(row(1, ts="2017-01-01T00:00:00"))).encode(), "before_meter"),
    (json.dumps(batch(row(1, ts="yesterday"))).encode(), "bad_time"),
)


def send_good(gateway: Gateway, sender: int) -> list[tuple[str, int, int]]:
    """Send batches of good readings, every third one twice; return what was accepted."""
    accepted: list[tuple[str, int, int]] = []
    with gateway.client("gw1-token") as client:
        for number in range(BATCHES):
            stamps = [TS_MS - (sender * BATCHES + number) * 10_000 - place for place in range(5)]
            body = batch(*[row(place + 1, ts=at) for place, at in enumerate(stamps)], id_=f"{sender}-{number}")
            for _ in range(2 if number % 3 == 0 else 1):
                answer = push(client, body)
                assert (answer.status_code, answer.json()["accepted"]) == (202, 5)
                accepted += [("e01", at, 100 * (place + 1)) for place, at in enumerate(stamps)]
    return accepted


def send_bad(gateway: Gateway) -> None:
    with gateway.client("gw1-token") as client:
        for body, headers, status in BAD:
            try:
                answer = client.post("/v1/readings", content=body, headers={**JSON, **headers})
            except httpx.WriteError:
                assert len(body) > 1_000_000, "only a body that is too large may be cut off while it is sent"
                continue
            assert answer.status_code == status, (body[:80], answer.text)
            assert answer.json()["code"]


def send_unusable(gateway: Gateway) -> None:
    with gateway.client("gw1-token") as client:
        for body, code in UNUSABLE:
            answer = push(client, body.replace(b'"ts":1,', b'"ts":"2026-11-20T08:15:00",'))
            assert answer.status_code == 202
            assert (answer.json()["accepted"], [one["code"] for one in answer.json()["rejected"]]) == (0, [code])


@pytest.mark.timeout(600)
def test_bad_bodies_and_batches_at_the_same_time_cost_no_good_reading(gateway: Gateway, settings: Settings) -> None:
    with ThreadPoolExecutor(GOOD_SENDERS + 2) as pool:
        good = [pool.submit(send_good, gateway, sender) for sender in range(GOOD_SENDERS)]
        bad = [pool.submit(send_bad, gateway), pool.submit(send_unusable, gateway)]
        accepted = [each for one in good for each in one.result()]
        for one in bad:
            one.result()
    assert Counter(readings(settings)) == Counter(accepted)
    assert sorted(each.code for each in rejected(settings)) == sorted(code for _, code in UNUSABLE)
