"""A sale that one meter measures is booked at seller and counterparty alike, whatever the way of the readings."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.documents import Document
from schemas.messages import Correction, Sold
from schemas.windows import children_of
from tests.folding import REGISTRY, Stream, batch, document, documents, instant, message, meter, tick

MEMBERS = "".join(
    document("enterprise", each) + document("source", f"{each}-gw1", enterprise=each) for each in ("buyer", "third")
)


def to(*names: str | None, since: Sequence[str] = ("2018-01-01", "2018-04-01")) -> list[dict[str, str | None]]:
    """Return who is sold to from the first day on, and who from the second."""
    return [{"from": day, "id": name} for day, name in zip(since, names, strict=False)]


def sold(id_: str, type_: str = "interval", enterprise: str = "works", **spec: Any) -> str:
    """Return a meter by which `works` sells, if nothing else is said to `buyer`."""
    return meter(id_, type_, enterprise, **{"role": "output", "counterparty": to("buyer"), **spec})


def registry(*meters: str) -> list[Document]:
    """Return the documents of three enterprises and some meters."""
    return documents(REGISTRY, MEMBERS, *meters)


def quantities(stream: Stream, window: str, metric: str = "qty.electricity") -> list[Decimal | None]:
    """Return a metric of the seller and of both others."""
    return [stream.value(metric, window, f"enterprise/{each}") for each in ("works", "buyer", "third")]


def told(stream: Stream) -> dict[str, Any]:
    """Return all documents, but for what tells how they came to stand: of what is withdrawn a name without values."""
    found: dict[str, Any] = {}
    for key, each in stream.totals.items():
        metrics = {name: values for name, values in each.metrics.items() if any(one is not None for one in values)}
        found[key] = msgspec.structs.replace(each, touched=[], input=[], registry=0, metrics=metrics)
    return found


def test_both_have_the_quantity_and_the_coverage_of_the_one_meter() -> None:
    stream = Stream(registry(sold("e01", step="30min")))
    stream.step(tick("2018-03-01"))
    stream.readings(("e01", "2018-03-01T08:30", "1.25"))
    assert quantities(stream, "2018-03-01T08") == [Decimal("-1.25"), None, None]
    stream.deliver()
    stream.step(tick("2018-03-01T10:00"))
    assert quantities(stream, "2018-03-01T08") == [Decimal("-1.25"), Decimal("1.25"), None]
    for time, seconds in (("expected", 3600), ("measured", 1800)):
        assert quantities(stream, "2018-03-01T08", f"time.{time}.electricity") == [seconds, seconds, None]
    # Of the hour of which nothing came both miss all.
    assert quantities(stream, "2018-03-01T09", "time.expected.electricity") == [3600, 3600, None]
    assert stream.value("energy.cv", "2018-03-01T08", "enterprise/buyer") == Decimal("0.153625")  # 1.25 x 0.1229


def test_nothing_is_passed_on_by_other_meters_and_nothing_is_counted_twice() -> None:
    stream = Stream(registry(sold("e01", step="1h"), meter("e02", step="1h"), meter("e01", enterprise="buyer")))
    stream.readings(("e01", "2018-03-01T09:00", 5), ("e02", "2018-03-01T09:00", 7))
    (record,) = stream.sold
    assert (record.seller, record.entity, record.batch.meters) == ("works", "enterprise/buyer", ["e01"])
    effects = stream.step(record, record)
    assert {output.entity for output in effects.outputs} == {"enterprise/buyer", "meter/buyer.e01"}
    assert quantities(stream, "2018-03-01T08") == [2, 5, None]
    # It changed nothing more, so nothing more is said.
    assert stream.step(record).outputs == []
    assert stream.sold == [record]


def test_what_is_wrong_with_the_meter_is_a_finding_of_the_seller_alone() -> None:
    rule = document(
        "validation", "kept-small", check="range", effect="exclude", unit="kWh", max="10",
        select={"kind": "meter", "id": ["works.e01"]},
    )  # fmt: skip
    stream = Stream(registry(sold("e01", step="1h"), sold("e02", "register"), rule))
    stream.readings(
        ("e01", "2018-03-01T09:00", 50), ("e01", "2018-03-01T10:00", 5),
        ("e02", "2018-03-01T08:00", 9), ("e02", "2018-03-01T09:00", 4), ("e02", "2018-03-01T10:00", 7),
    )  # fmt: skip
    stream.deliver()
    assert quantities(stream, "2018-03-01T08") == [None, None, None]
    assert quantities(stream, "2018-03-01T09") == [-8, 8, None]
    assert {each.enterprise for each in stream.findings.values()} == {"works"}
    assert {key.partition("|")[0] for key in stream.totals} == {
        "enterprise/works", "enterprise/buyer", "meter/works.e01", "meter/works.e02",
    }  # fmt: skip


def test_a_correction_moves_both_and_the_buyers_revision_names_the_sellers_batch() -> None:
    stream = Stream(registry(sold("e01", step="1h")))
    stream.readings(("e01", "2018-03-01T09:00", 5), received="2018-03-01T09:01")
    stream.deliver()
    stream.step(tick("2018-03-05"))
    correction = Correction("misread", "someone")
    stream.readings(("e01", "2018-03-01T09:00", 6, 1), received="2018-03-05T09:00", name="later", correction=correction)
    stream.deliver()
    assert quantities(stream, "2018-03-01") == [-6, 6, None]
    assert stream.status("2018-03-01T08", "enterprise/buyer") == "revised"
    assert stream.revised("qty.electricity", "2018-03-01", "enterprise/buyer") == [(5, 6)]
    (cause,) = {
        msgspec.json.encode(each.cause) for each in stream.revisions if each.entity == "enterprise/buyer"
    }  # fmt: skip
    found = msgspec.json.decode(cause)["batches"]
    assert [(each["source"], each["batch"], each["correction"]["by"]) for each in found] == [
        ("works-gw1", "later", "someone")
    ]


def test_a_counterparty_that_is_registered_later_gets_what_was_kept() -> None:
    rows = [("e01", "2018-03-01T09:00", 5), ("e01", "2018-04-02T09:00", 7), ("e01", "2018-04-02T10:00", None, 1)]
    late = Stream(registry(sold("e01", step="1h", counterparty=())))
    late.readings(*rows[:1], received="2018-04-03T12:00")
    late.readings(*rows[1:], received="2018-04-03T12:01")
    late.readings(("e01", "2018-03-01T09:00", 4), received="2018-04-03T12:02")  # a conflict
    late.step(tick("2018-04-04"))
    assert late.sold == []
    both = registry(sold("e01", step="1h", counterparty=to("buyer", "third")))
    late.register(both, 2)
    late.deliver()
    assert quantities(late, "2018-03-01") == [-5, 5, None]
    assert quantities(late, "2018-04-02") == [-7, None, 7]

    soon = Stream(both)
    soon.readings(*rows[:1], received="2018-04-03T12:00")
    soon.readings(*rows[1:], received="2018-04-03T12:01")
    soon.readings(("e01", "2018-03-01T09:00", 4), received="2018-04-03T12:02")
    soon.deliver()
    soon.step(tick("2018-04-04"))
    assert told(late) == told(soon)

    # Whoever knows it all is not told again, whatever else the registry learns.
    late.register(registry(sold("e01", step="1h", max_rate_per_h="900", counterparty=to("buyer", "third"))), 3)
    assert late.sold == []


@pytest.mark.parametrize("finish", [True, False])
def test_who_is_left_out_for_a_while_misses_nothing_of_what_counts_in_the_end(*, finish: bool) -> None:
    selling, alone = (registry(sold("e01", step="1h", counterparty=each)) for each in (to("buyer"), ()))
    stream = Stream(selling)
    stream.readings(("e01", "2018-03-01T09:00", 5))
    stream.deliver()
    stream.register(alone, 2, finish=finish)
    stream.readings(("e01", "2018-03-01T10:00", 6))
    stream.deliver()
    if finish:
        assert quantities(stream, "2018-03-01") == [-11, None, None]
    # Taken back before all of it was computed, or after.
    stream.register(selling, 3, finish=finish)
    stream.readings(("e01", "2018-03-01T11:00", 7))
    stream.work_off()
    stream.deliver()
    assert quantities(stream, "2018-03-01") == [-18, 18, None]


def test_from_the_end_of_a_sale_nothing_is_expected_of_the_counterparty() -> None:
    stream = Stream(registry(sold("e01", step="1h")))
    rows = [("e01", f"2018-04-0{day}T09:00", 10) for day in (1, 2)]
    stream.readings(*rows)
    stream.deliver()
    stream.step(tick("2018-04-04"))
    assert quantities(stream, "2018-04", "time.expected.electricity")[1] == 3 * 86400
    stream.register(
        registry(sold("e01", step="1h", counterparty=to("buyer", None, since=("2018-01-01", "2018-04-02")))), 2
    )
    stream.step(tick("2018-04-05"))
    assert quantities(stream, "2018-04-01") == [-10, 10, None]
    assert quantities(stream, "2018-04-02") == [-10, None, None]
    assert quantities(stream, "2018-04") == [-20, 10, None]
    assert quantities(stream, "2018-04", "time.expected.electricity")[1] == 86400


def test_a_chain_is_sold_on_meter_by_meter_and_a_loop_ends() -> None:
    stream = Stream(
        registry(
            sold("e01", step="1h"),
            sold("e01", enterprise="buyer", step="1h", counterparty=to("third")),
            sold("e02", enterprise="buyer", step="1h", counterparty=to("works")),
        )
    )
    stream.readings(("e01", "2018-03-01T09:00", 10))
    mine = batch([("e01", "2018-03-01T09:00", 3), ("e02", "2018-03-01T09:00", 4)])
    stream.step(message(mine, enterprise="buyer"))
    stream.deliver()
    assert stream.sold == []
    assert quantities(stream, "2018-03-01T08") == [-6, 3, 3]  # -10 + 4, 10 - 3 - 4, 3
    assert sum(each or 0 for each in quantities(stream, "2018-03-01")) == 0


def test_what_no_worker_would_pass_on_is_set_aside_with_its_reason() -> None:
    stream = Stream(registry(sold("e01", step="1h")))
    stream.readings(("e01", "2018-03-01T09:00", 10))
    (good,) = stream.sold
    wrong = (
        msgspec.structs.replace(good, entity="park/old"),
        msgspec.structs.replace(good, entity="enterprise/nobody"),
        msgspec.structs.replace(good, seller="No Id"),
        msgspec.structs.replace(good, received=[1, 2]),
        msgspec.structs.replace(good, registry=9),
        msgspec.structs.replace(good, batch=msgspec.structs.replace(good.batch, v=[])),
    )
    stream.step(*wrong)
    assert [each.code for each in stream.rejected] == [
        "unknown_enterprise", "unknown_enterprise", "bad_message", "bad_message", "registry_ahead", "bad_message",
    ]  # fmt: skip
    assert quantities(stream, "2018-03-01") == [-10, None, None]


FIRST_MS, LAST_MS = instant("2018-03-31T18:00"), instant("2018-04-01T06:00")
BEGIN, END = tick("2018-03-31"), tick("2018-04-01T12:00")
MIDWAY = to("buyer", "third", since=("2018-03-31", "2018-04-01"))
SOLD = (
    sold("e01", step="20min", counterparty=MIDWAY, longest_gap="2h"),
    sold("e02", "register", counterparty=MIDWAY, max_rate_per_h="40", modulus="50"),
    sold("e03", step="1h", stamp="start", counterparty=MIDWAY),
    sold("g01", "gauge", step="20min", unit="kW", counterparty=MIDWAY),
    document("outage", "e01-out", meter="works.e01", to="2018-04-01T02:50:00", **{"from": "2018-03-31T23:10:00"}),
)
SELLING = registry(*SOLD)
# What the two have of it: another registry with the same meters, and nobody who is sold to.
KEEPING = registry(*(each.replace("buyer", "third") for each in SOLD))


EXAMPLES = 6


class Sent(NamedTuple):
    """A reading: the row of a batch, and when the gateway took it in."""

    row: tuple[Any, ...]
    received: int


@st.composite
def readings(draw: st.DrawFn) -> Sent:
    name = draw(st.sampled_from(("e01", "e02", "e03", "g01")))
    t_ms = FIRST_MS + draw(st.integers(0, (LAST_MS - FIRST_MS) // 600_000)) * 600_000
    value = draw(st.none() | st.decimals("0", "30", places=2, allow_nan=False))
    quality = "ok" if value is None else draw(st.sampled_from(("ok", "ok", "estimated", "fault")))
    row = (name, t_ms, value, draw(st.integers(0, 2)), quality)
    return Sent(row, draw(st.sampled_from((FIRST_MS, LAST_MS, instant("2018-04-03")))))


def messages(parts: Iterable[Sequence[Sent]]) -> list[bytes]:
    """Return a message for each part, a batch in it for each arrival."""
    return [
        message(
            *(batch([one.row for one in part if one.received == at], received=at) for at in {x.received for x in part})
        )
        for part in parts
    ]


@pytest.mark.timeout(400)
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(sent=st.lists(readings(), min_size=1, max_size=12), data=st.data())
def test_seller_and_counterparties_add_up_to_nothing_in_whatever_order_anything_comes(
    sent: list[Sent], data: st.DataObject
) -> None:
    whole = Stream(SELLING)
    whole.step(BEGIN, *messages([sent]))
    whole.deliver()
    whole.step(END)

    other = Stream(data.draw(st.sampled_from((SELLING, KEEPING)), "registry"))
    again = data.draw(st.lists(st.sampled_from(sent), max_size=4), "sent twice")
    rest: list[Sent] = data.draw(st.permutations([*sent, *again]), "order")
    kept: list[Sold] = []
    learns = data.draw(st.integers(0, len(rest)), "learns")
    while rest:
        size = data.draw(st.integers(1, len(rest)), "batch")
        part, rest = rest[:size], rest[size:]
        if len(rest) <= learns and other.step(BEGIN).cursor.step:
            other.register(SELLING, 2, finish=data.draw(st.booleans(), "works off"))
            learns = -1
        other.step(*messages([part]))
        # What is passed on comes at any time after, in any order, and more than once.
        waiting: list[Sold] = data.draw(st.permutations(other.sold), "passed on")
        now = data.draw(st.integers(0, len(waiting)), "delivered")
        other.sold = waiting[now:]
        kept += waiting[:now]
        other.step(*waiting[:now], *data.draw(st.lists(st.sampled_from(kept), max_size=2) if kept else st.just([])))
        if data.draw(st.booleans(), "restart"):
            other.restart(without_local_copy=data.draw(st.booleans(), "without local copy"))
    if learns >= 0:
        other.register(SELLING, 2)
    other.work_off()
    other.deliver()
    other.step(END)

    assert whole.rejected == other.rejected == []
    assert told(other) == told(whole)
    for day in ("2018-03-31", "2018-04-01"):
        for hour in children_of(day):
            for metric in ("qty.electricity", "qty.electricity.estimated", "qty.electricity.integrated"):
                mine, *theirs = quantities(whole, hour.name, metric)
                assert (mine or 0) + sum(each or 0 for each in theirs) == 0
            for time in ("expected", "measured", "estimated"):
                mine, *theirs = quantities(whole, hour.name, f"time.{time}.electricity")
                assert (mine or 0) == sum(each or 0 for each in theirs)
