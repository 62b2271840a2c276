"""An InfluxDB that refuses, fails, is slow or forgets to answer: nothing is lost, and only what is bad is set aside."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from deploy.local.influx import ForeignInflux, LocalInflux
from schemas.series import Point
from schemas.settings import Settings
from streams.stores.influx import InfluxStore
from streams.stores.series import Move, Read, StoreError
from tests.influx_between import Between, Said, between
from tests.influx_buckets import bucket_ids, http, influx_settings, removing

TAGS = ("enterprise/a", "qty.water")
HOUR_MS = 3_600_000
EVER = (0, 2**53)
INVALID = '{"code":"invalid","message":"unable to parse"}'
BROKEN = '{"code":"internal error","message":"panic: index out of range"}'


def hours(count: int, value: float = 1.0) -> list[Point]:
    return [Point("hour", TAGS, n * HOUR_MS, (value + n, 1.0, None, None, None, 0.0, 0.0)) for n in range(count)]


def values(store: InfluxStore) -> list[float | None]:
    return [point.value for point in store.series(*TAGS, "hour", *EVER)]


def code_of(store: InfluxStore, points: list[Point], moves: list[Move]) -> str:
    with pytest.raises(StoreError) as caught:
        store.keep(points, (), moves)
    return caught.value.code


FIRST = [Move("totals", 0, None, Read(5, 0))]


@pytest.fixture
def middle(influx: LocalInflux | ForeignInflux) -> Iterator[Between]:
    with between(influx.address) as found:
        yield found


@pytest.fixture
def settings(influx: LocalInflux | ForeignInflux, middle: Between, tmp_path: Path) -> Iterator[Settings]:
    found = influx_settings(influx, tmp_path)
    with removing(found):
        yield found.model_copy(update={"influx": middle.address})


@pytest.fixture
def store(settings: Settings) -> Iterator[InfluxStore]:
    found = InfluxStore(settings, answer_s=2.0)
    found.write(hours(1, -1.0))
    yield found
    found.close()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (Said(), "store_away"),
        (Said(503, '{"code":"unavailable","message":"later"}'), "store_busy"),
        (Said(429, '{"code":"too many requests","message":"later"}', {"Retry-After": "7"}), "store_busy"),
        (Said(500, '{"code":"internal error","message":"cache-max-memory-size exceeded"}'), "store_full"),
        (Said(500, BROKEN), "store_failed"),
        (Said(502, "<html>bad gateway</html>"), "store_failed"),
        (Said(400, "<html>The plain HTTP request was sent to HTTPS port</html>"), "store_failed"),
        (Said(302, "", {"Location": "https://elsewhere"}), "store_failed"),
    ],
    ids=lambda each: f"{each.status}" if isinstance(each, Said) else each,
)
def test_a_server_in_trouble_is_told_and_nothing_is_passed_over(
    store: InfluxStore, middle: Between, said: Said, code: str
) -> None:
    middle.spoil = lambda _: said
    for _ in range(2):
        assert code_of(store, hours(3), FIRST) == code
    assert store.offsets() == {}
    middle.spoil = lambda _: None
    store.keep(hours(3), (), FIRST)
    assert values(store) == [1.0, 2.0, 3.0]
    assert store.offsets() == {("totals", 0): Read(5, 0)}
    assert store.rejected().items == []


def test_a_server_says_how_long_it_wants_to_be_left_alone(store: InfluxStore, middle: Between) -> None:
    middle.spoil = lambda _: Said(429, "{}", {"Retry-After": "7"})
    with pytest.raises(StoreError) as caught:
        store.write(hours(1))
    assert caught.value.wait_s == 7


def test_what_was_stored_without_an_answer_is_sent_again_and_changes_nothing(
    store: InfluxStore, middle: Between
) -> None:
    middle.spoil = lambda _: Said(stored=True)
    assert code_of(store, hours(3), FIRST) == "store_away"
    assert values(store) == [1.0, 2.0, 3.0]
    middle.spoil = lambda _: None
    store.keep(hours(3), (), FIRST)
    assert values(store) == [1.0, 2.0, 3.0]


def test_a_slow_server_gets_less_at_once_and_comes_to_the_end(
    settings: Settings, store: InfluxStore, middle: Between
) -> None:
    def slow(lines: str) -> Said | None:
        middle.slow_s = 1.0 if lines.count("\n") > 100 else 0.0
        return None

    impatient = InfluxStore(settings, answer_s=0.6)
    impatient.write(hours(1))
    middle.spoil = slow
    for _ in range(20):
        try:
            impatient.keep(hours(300), (), FIRST)
        except StoreError as error:
            assert error.code == "store_timeout"
        else:
            break
    impatient.close()
    assert values(store) == [1.0 + n for n in range(300)]


def test_a_wrong_token_is_told_and_mended_without_a_restart(store: InfluxStore, middle: Between) -> None:
    middle.token = "a-token-of-nobody"
    assert code_of(store, hours(3), FIRST) == "store_denied"
    middle.token = None
    store.keep(hours(3), (), FIRST)
    assert values(store) == [1.0, 2.0, 3.0]


def test_a_removed_bucket_is_told_and_not_made_anew_half_empty(settings: Settings, store: InfluxStore) -> None:
    store.keep(hours(3), (), FIRST)
    move = [Move("totals", 0, 5, Read(6, 0))]
    with http(settings) as client:
        client.delete(f"/api/v2/buckets/{bucket_ids(client, settings)[settings.influx_prefix + 'hour']}")
    assert code_of(store, hours(1), move) == "store_absent"
    assert code_of(store, hours(1), move) == "store_absent"
    # A bucket of the same name is another one: what was in the first is not in it.
    with http(settings) as client:
        org = client.get("/api/v2/orgs", params={"org": settings.influx_org}).json()["orgs"][0]["id"]
        body = {"name": settings.influx_prefix + "hour", "orgID": org, "retentionRules": []}
        client.post("/api/v2/buckets", json=body).raise_for_status()
    assert code_of(store, hours(1), move) == "store_absent"
    with contextlib.closing(InfluxStore(settings)) as other:
        assert code_of(other, hours(1), move) == "store_absent"
    store.drop_all()
    store.keep(hours(2), (), FIRST)
    assert values(store) == [1.0, 2.0]


def test_a_field_of_another_type_sets_its_points_aside_and_no_others(settings: Settings, store: InfluxStore) -> None:
    month_ms = 30 * 24 * HOUR_MS
    with http(settings) as client:
        line = f"hour,entity=enterprise/a,metric=qty.water value=7i {40 * month_ms}"
        query = {"org": settings.influx_org, "bucket": settings.influx_prefix + "hour", "precision": "ms"}
        client.post("/api/v2/write", params=query, content=line).raise_for_status()
    bad = Point("hour", TAGS, 40 * month_ms + HOUR_MS, (8.0, 1.0, None, None, None, 0.0, 0.0))
    good = [Point("hour", ("park/p", f"m{n}"), 0, (1.0, 1.0, None, None, None, 0.0, 0.0)) for n in range(40)]
    for _ in range(2):
        store.keep([*good[:13], bad, *good[13:], *hours(3)], (), ())
    [item] = store.rejected(code="refused_by_store").items
    assert "already exists as type integer" in item.message
    assert item.where["point"] == f"hour,entity=enterprise/a,metric=qty.water {bad.time_ms}"
    assert "value=8.0" in item.input
    assert len(store.cross_section("hour", 0, ["park/p"], [f"m{n}" for n in range(40)])) == 40


def test_all_lines_of_a_request_are_set_aside_at_once_when_all_are_refused(
    settings: Settings, store: InfluxStore, middle: Between
) -> None:
    with http(settings) as client:
        query = {"org": settings.influx_org, "bucket": settings.influx_prefix + "day", "precision": "ms"}
        client.post("/api/v2/write", params=query, content="day,entity=e,metric=m value=7i 0").raise_for_status()
    before = len(middle.writes)
    store.write([Point("day", ("e", f"m{n}"), 0, (1.0, 1.0, None, None, None, 0.0, 0.0)) for n in range(500)])
    assert len(store.rejected(limit=1000).items) == 500
    assert len(middle.writes) - before <= 3


def test_a_line_that_cannot_be_parsed_is_found_among_many(store: InfluxStore, middle: Between) -> None:
    middle.spoil = lambda lines: Said(400, INVALID) if "=666.0" in lines else None
    store.keep(hours(1000), (), FIRST)
    [item] = store.rejected().items
    assert item.message == "400 unable to parse"
    assert len(values(store)) == 999
    assert store.offsets() == {("totals", 0): Read(5, 0)}


def test_a_server_that_refuses_everything_sets_nothing_aside(store: InfluxStore, middle: Between) -> None:
    middle.spoil = lambda _: Said(400, INVALID)
    for _ in range(3):
        with pytest.raises(StoreError, match="refuses whatever") as caught:
            store.keep(hours(5), (), FIRST)
        assert caught.value.code == "store_failed"
    assert store.rejected().items == []
    middle.spoil = lambda _: None
    store.keep(hours(5), (), FIRST)
    assert values(store) == [1.0 + n for n in range(5)]


def test_a_line_that_makes_a_well_server_fail_is_set_aside_after_many_times(
    store: InfluxStore, middle: Between
) -> None:
    middle.spoil = lambda lines: Said(500, BROKEN) if "=7.0" in lines else None
    failures = 0
    while True:
        try:
            store.keep(hours(20), (), FIRST)
            break
        except StoreError as error:
            assert error.code == "store_failed"
            failures += 1
            assert failures < 30
    assert failures >= 9
    [item] = store.rejected().items
    assert "panic" in item.message
    assert len(values(store)) == 19


def test_a_server_that_is_ill_altogether_is_waited_for(store: InfluxStore, middle: Between) -> None:
    middle.spoil = lambda _: Said(500, BROKEN)
    for _ in range(20):
        assert code_of(store, hours(3), FIRST) == "store_failed"
    middle.spoil = lambda _: None
    store.keep(hours(3), (), FIRST)
    assert values(store) == [1.0, 2.0, 3.0]
    assert store.rejected().items == []


def test_readings_older_than_the_bucket_keeps_are_dropped_and_counted(
    influx: LocalInflux | ForeignInflux, tmp_path: Path
) -> None:
    settings = influx_settings(influx, tmp_path, raw_retention="100d")
    raw = settings.influx_prefix + "raw"
    now_ms = time.time_ns() // 1_000_000
    days = [now_ms - days * 24 * HOUR_MS for days in (101, 50, 0)]

    def dropped() -> float | None:
        return REGISTRY.get_sample_value("qingyu_sink_points_too_old_total", {"bucket": raw})

    with removing(settings), contextlib.closing(InfluxStore(settings)) as store:
        points = [Point("reading", ("a.e01", "0"), at, (1.0, 0.0, 0.0)) for at in days]
        store.write([points[0], points[2]])
        assert [point.time_ms for point in store.readings("a.e01", *EVER)] == [days[2]]
        assert dropped() == 1
        # The server keeps less than the store knew: it says so, and nothing is set aside for it.
        with http(settings) as client:
            rule = {"type": "expire", "everySeconds": 86_400, "shardGroupDurationSeconds": 3600}
            id_ = bucket_ids(client, settings)[raw]
            client.patch(f"/api/v2/buckets/{id_}", json={"retentionRules": [rule]}).raise_for_status()
        store.write(points[1:])
        assert dropped() == 2
        assert store.rejected().items == []


@pytest.mark.parametrize("tag", ["a\nb", "a\\", ""])
def test_a_point_that_cannot_be_written_refuses_its_call_before_anything_is_sent(store: InfluxStore, tag: str) -> None:
    bad = Point("hour", (tag, "m"), 0, (1.0, 1.0, None, None, None, 0.0, 0.0))
    with pytest.raises(ValueError, match="tag"):
        store.keep([*hours(3), bad], (), FIRST)
    assert values(store) == [-1.0]
    assert store.offsets() == {}


def test_odd_names_come_back_as_they_were(store: InfluxStore) -> None:
    names = ["甲 乙", 'say "a"', "it's", "a,b=c", "a\\b", "/^(x|.*)$/", "a%20b+c&d"]
    store.write([Point("hour", (each, each), 0, (1.0, 1.0, None, None, None, 0.0, 0.0)) for each in names])
    for each in names:
        assert [point.value for point in store.series(each, each, "hour", *EVER)] == [1.0]
        assert set(store.cross_section("hour", 0, [each], [each])) == {(each, each)}
    assert len(store.cross_section("hour", 0, names, names)) == len(names)
    assert store.series("x' OR entity =~ /.*/ OR entity = 'x", "m", "hour", *EVER) == []
    store.replace_members([Point("member", ("park/p", f"e{n}", each), 0, (1.0,)) for n, each in enumerate(names)])
    assert [name for _, name in store.members("park/p")] == names
    store.replace_members([Point("member", ("park/p", "e9", "x"), 0, (1.0,))])
    assert store.members("park/p") == [("e9", "x")]


def test_a_long_range_is_answered_whole(store: InfluxStore) -> None:
    points = [Point("reading", ("a.e01", "0"), n * 1000, (float(n), 0.0, 0.0)) for n in range(10_500)]
    store.write(points)
    assert [point.value for point in store.readings("a.e01", *EVER)] == [float(n) for n in range(10_500)]


def test_without_buckets_there_is_no_store_yet(settings: Settings) -> None:
    with contextlib.closing(InfluxStore(settings)) as store:
        for ask in (lambda: store.series(*TAGS, "hour", 0, 1), lambda: store.latest(*TAGS), store.heartbeats):
            with pytest.raises(StoreError, match="sink") as caught:
                ask()
            assert caught.value.code == "store_absent"
        assert store.offsets() == {}
