"""The real year of the steel works in InfluxDB, from the topics: equal to the independent calculation to the double."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.influx import ForeignInflux, LocalInflux
from deploy.local.kafka import LocalKafka
from schemas.series import Point
from schemas.settings import Settings
from schemas.topics import READINGS
from services.topics import apply_topics
from streams.stores.influx import InfluxStore
from tests import independent
from tests.influx_buckets import influx_settings, removing
from tests.influx_year import Said, differences, steps
from tests.sink.conftest import rebuild, send

# A year is long for a machine that other tests keep busy.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def settings(influx: LocalInflux | ForeignInflux, kafka: LocalKafka, prefix: str, tmp_path: Path) -> Iterator[Settings]:
    found = influx_settings(influx, tmp_path, kafka=kafka.bootstrap, topic_prefix=prefix, partitions=2)
    apply_topics(found)
    with removing(found):
        yield found


def test_the_steel_year_in_influxdb_is_equal_to_the_double(settings: Settings, tmp_path: Path) -> None:
    readings = independent.steel_quarters()
    last: dict[tuple[str, bytes], Said] = {}
    # Of each document the last version, as in a compacted topic; in few steps, since the fold is not what is tested.
    for number, said in enumerate(steps(readings, tmp_path / "state", batches=60)):
        for each in said:
            last[each.topic.name, b"%d" % number if each.topic == READINGS else each.key] = each
    send(settings, [(each.topic, 0, each.key, each.value) for each in last.values()])
    done = rebuild(settings)
    assert done.returncode == 0, done.stderr
    store = InfluxStore(settings)
    found = differences(store, readings, independent.steel_year())
    assert found[:5] == []
    # The check notices one hour that is off by the least that a double can be.
    hour = store.series("enterprise/works", "energy.cv", "hour", 0, 2**53)[4000]
    assert hour.value is not None
    off = Point(
        "hour", ("enterprise/works", "energy.cv"), hour.start_ms, (math.nextafter(hour.value, math.inf), *[None] * 6)
    )
    store.write([off])
    assert len(differences(store, readings, independent.steel_year())) == 1
    store.close()
