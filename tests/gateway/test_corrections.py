"""A batch that says why and by whom it corrects, on its way into Kafka."""

import httpx
import pytest

from schemas.messages import Correction
from schemas.settings import Settings
from tests.gateway.pushing import TS, batch, problem, push, row
from tests.gateway.running import batches

REASON = "read wrongly 抄错"


def test_reason_and_name_are_kept_with_the_batch_and_only_what_can_correct_is_accepted(
    client: httpx.Client, settings: Settings
) -> None:
    rows = [row(1), row(2, rev=1), row(None, ts="2026-11-20T08:30:00", void=True)]
    answer = push(client, {**batch(*rows), "correction": {"reason": REASON, "by": "Li Lei"}}).json()
    assert (answer["accepted"], [(one["index"], one["code"]) for one in answer["rejected"]]) == (
        2,
        [(0, "bad_revision")],
    )
    push(client, {**batch(row(3, rev=2), id_="b2"), "correction": {"reason": REASON}})
    columns = {"source": "gw1", "batch": "b3", "meters": ["e01"], "ts": [TS, TS], "values": [[4, 5]], "rev": [[3, 0]]}
    assert push(client, {**columns, "correction": {"reason": REASON}}).json()["accepted"] == 1
    push(client, batch(row(6), id_="b4"))
    assert {kept.batch: kept.correction for _, kept in batches(settings)} == {
        "b1": Correction(REASON, "Li Lei"),
        "b2": Correction(REASON, "gw1-token"),
        "b3": Correction(REASON, "gw1-token"),
        "b4": None,
    }


@pytest.mark.parametrize("said", [{"reason": " "}, {"reason": "x" * 501}, {"reason": "x", "by": ""}, {"by": "x"}, {}])
def test_a_correction_without_a_reason_is_refused_whole(client: httpx.Client, said: dict[str, str]) -> None:
    assert problem(push(client, {**batch(row(1, rev=1)), "correction": said})) == (422, "invalid_envelope")


def test_the_receipt_says_what_becomes_of_readings_older_than_what_is_kept(client: httpx.Client) -> None:
    answer = push(client, batch(row(1, ts="2018-01-01T08:15:00"), row(2))).json()
    assert (answer["accepted"], answer["older"]["count"]) == (2, 1)
    assert "qingyu replay" in answer["older"]["message"]
    assert "older" not in push(client, batch(row(2))).json()
