"""The sink on a real InfluxDB that is killed, refuses, loses a bucket: nothing lost, and /readyz says why it waits.

One sink and one server go through all of it, so the tests of this file build on each other's data but on nothing else.
"""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.influx import LocalInflux
from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.messages import Batch, CalendarDocument, Readings, encode
from schemas.settings import Settings
from schemas.topics import READINGS, TOTALS
from schemas.windows import window
from services.topics import apply_topics
from streams.stores.influx import InfluxStore
from tests.influx_between import Between, Said, between
from tests.influx_buckets import bucket_ids, http, influx_settings
from tests.sink.conftest import Message, SinkProcess, rebuild, send, until

# Processes are started again and again, which is long for a machine that others keep busy.
pytestmark = pytest.mark.timeout(400)

HOUR_MS = 3_600_000
DAY = "2018-01-01"
EVER = (0, 2**53)


class Place:
    """The sink and what it stands between; `wanted` is what has been said of each entity's hours so far."""

    def __init__(self, settings: Settings, server: LocalInflux, middle: Between, sink: SinkProcess) -> None:
        self.settings = settings
        self.server = server
        self.middle = middle
        self.sink = sink
        self.store = InfluxStore(settings)
        self.wanted: dict[str, dict[int, float]] = {}
        self.readings: list[int] = []

    def say(self, entity: str, hour: int, value: float) -> None:
        """Say what an hour is worth, in a document and in a reading."""
        known = self.wanted.setdefault(entity, {})
        known[hour] = value
        self.readings.append(len(self.readings))
        send(self.settings, [_day(entity, known, hour), _reading(self.readings[-1])])

    def is_whole(self) -> bool:
        """Whether the store has all that was said, and nothing else."""
        found = {
            entity: {
                (point.start_ms - window(DAY).start_ms) // HOUR_MS: point.value
                for point in self.store.series(entity, "qty.electricity", "hour", *EVER)
            }
            for entity in self.wanted
        }
        return found == self.wanted and [one.time_ms for one in self.store.readings("a.e01", *EVER)] == self.readings

    def trouble(self, code: str) -> str:
        """Wait until the sink says that it waits, and return why."""
        status, health = until(lambda: (found := self.sink.ready()) and code in found[1].get("store", "") and found)
        assert (status, health["lag"] > 0) == (503, True)
        return health["store"]

    def mended(self) -> None:
        """Wait until all is there and the sink is well."""
        until(self.is_whole)
        until(lambda: self.sink.ready()[0] == 200)


def _day(entity: str, values: dict[int, float], hour: int) -> Message:
    row = [round(values[at] * 10**6) if at in values else None for at in range(24)]
    status: list[str | None] = ["provisional" if at in values else None for at in range(24)]
    document = CalendarDocument(1, entity, DAY, "hour", {"qty.electricity": row}, status, [hour], 1, None, [(0, 1)])
    return TOTALS, 0, f"{entity}|{DAY}".encode(), encode(document)


def _reading(at_ms: int, meter: str = "a.e01") -> Message:
    batch = Batch(f"b{at_ms}", "gw", 50, [meter], [1], [0], [at_ms], [15])
    return READINGS, 1, b"a", encode(Readings(1, 1, "a", [batch]))


@pytest.fixture(scope="module")
def place(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory: Path = tmp_path_factory.mktemp("sink-on-influx")
    with LocalInflux.start(directory / "influx") as server, between(server.address) as middle:
        prefix = f"{directory.name}."
        settings = influx_settings(
            server, directory, kafka=kafka.bootstrap, topic_prefix=prefix, partitions=2, influx=middle.address
        )
        apply_topics(settings)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        sink = SinkProcess(settings, port, directory / "sink.log")
        sink.start()
        found = Place(settings, server, middle, sink)
        try:
            found.say("city/first", 0, 1.0)
            until(lambda: found.store.offsets())
            found.mended()
            yield found
        finally:
            found.store.close()
            sink.end(signal.SIGKILL)


def test_a_killed_server_is_waited_for(place: Place) -> None:
    place.server.kill()
    for hour in range(3):
        place.say("city/killed", hour, hour + 0.5)
    assert "see QINGYU_INFLUX" in place.trouble("store_away")
    place.server.restart()
    place.mended()


def test_a_wrong_token_is_told_and_nothing_is_lost(place: Place) -> None:
    place.middle.token = "a-token-of-nobody"
    place.say("city/token", 0, 1.25)
    assert "QINGYU_INFLUX_TOKEN" in place.trouble("store_denied")
    place.middle.token = None
    place.mended()


def test_a_server_that_wants_to_be_left_alone_is_left_alone(place: Place) -> None:
    place.middle.spoil = lambda _: Said(429, "{}", {"Retry-After": "300"})
    before = len(place.middle.writes)
    place.say("city/busy", 0, 1.5)
    place.trouble("store_busy")
    place.middle.spoil = lambda _: None
    assert len(place.middle.writes) - before == 1
    # It would wait for five minutes; a new sink need not.
    place.sink.kill()
    place.sink.start()
    place.mended()


def test_a_tag_with_a_newline_is_put_aside_alone(place: Place) -> None:
    send(place.settings, [_reading(5, "a.e01\nhour,entity=x,metric=y value=1 0")])
    place.say("city/newline", 0, 1.75)
    place.mended()
    [item] = place.store.rejected(code="unreadable").items
    assert "control characters" in item.message
    assert item.where["topic"] == "readings"


def test_a_field_of_another_type_is_refused_alone_with_the_words_of_the_server(place: Place) -> None:
    with http(place.settings) as client:
        query = {"org": place.settings.influx_org, "bucket": place.settings.influx_prefix + "day", "precision": "ms"}
        line = f"quarter,entity=e,metric=m value=7i {window('2030-Q1').start_ms}"
        client.post("/api/v2/write", params=query, content=line).raise_for_status()
    row = [10**6, None, None, None, None, None, None, None, None, None, None, None]
    status: list[str | None] = ["provisional", *[None] * 11]
    year = CalendarDocument(1, "city/type", "2030", "month", {"qty.electricity": row}, status, [0], 1, None, [(0, 1)])
    send(place.settings, [(TOTALS, 0, b"city/type|2030", encode(year))])
    place.say("city/type", 0, 2.0)
    place.mended()
    [item] = place.store.rejected(code="refused_by_store").items
    assert "already exists as type integer" in item.message
    assert [point.value for point in place.store.series("city/type", "qty.electricity", "month", *EVER)] == [1.0]


def test_sink_and_server_killed_in_turns_lose_and_double_nothing(place: Place) -> None:
    for turn, killed in enumerate(("sink.after-write", "server", "sink", "server")):
        for hour in range(6):
            place.say("city/turns", hour, turn * 10 + hour + 0.25)
        if killed == "server":
            place.server.kill()
            place.server.restart()
            continue
        place.sink.kill()
        if killed != "sink":
            place.sink.start(QINGYU_FAILPOINT=killed)
            place.say("city/turns", 6, float(turn))
            place.sink.wait_killed()
        place.sink.start()
    place.mended()


def test_a_removed_bucket_is_told_and_filled_again_by_the_command(place: Place) -> None:
    with http(place.settings) as client:
        client.delete(f"/api/v2/buckets/{bucket_ids(client, place.settings)[place.settings.influx_prefix + 'hour']}")
    place.say("city/bucket", 0, 3.0)
    assert "qingyu store rebuild" in place.trouble("store_absent")
    done = rebuild(place.settings)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["filled_by"] == "the running sink"
    # What InfluxDB refused for its integer is welcome in new buckets; that the sink once put it aside is forgotten too.
    place.mended()
    assert place.store.rejected(code="refused_by_store").items == []
