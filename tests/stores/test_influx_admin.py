"""Set-up, buckets and tokens of a real InfluxDB."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.local.influx import ForeignInflux, LocalInflux
from schemas.series import Point
from schemas.settings import Settings
from streams.stores.influx import InfluxStore
from streams.stores.influx_admin import InfluxAdmin
from streams.stores.series import StoreError
from tests.influx_buckets import influx_settings, removing

DAY_MS = 86_400_000
POINT = Point("day", ("city/a", "energy.cv"), 0, (1.0, 1.0, None, None, None, 0.0, 0.0))
WRITTEN = ("city/a", "energy.cv", "day", 0, 1)


def with_token(settings: Settings, token: str) -> Settings:
    return settings.model_copy(update={"influx_token": SecretStr(token)})


def test_the_buckets_are_made_once_and_raw_follows_its_retention(
    influx: LocalInflux | ForeignInflux, tmp_path: Path
) -> None:
    settings = influx_settings(influx, tmp_path, raw_retention="30d")
    with removing(settings):
        first = InfluxAdmin(settings).complete()
        assert [first[settings.influx_prefix + name].retention_ms for name in ("raw", "hour", "day")] == [
            30 * DAY_MS, None, None
        ]  # fmt: skip
        longer = InfluxAdmin(settings.model_copy(update={"raw_retention": "forever"})).complete()
        assert {bucket.retention_ms for bucket in longer.values()} == {None}
        assert {bucket.id for bucket in longer.values()} == {bucket.id for bucket in first.values()}


def test_a_token_for_reading_reads_and_one_for_writing_also_makes_the_buckets_anew(
    influx: LocalInflux | ForeignInflux, tmp_path: Path
) -> None:
    settings = influx_settings(influx, tmp_path)
    admin = InfluxAdmin(settings)
    with removing(settings):
        writer = InfluxStore(with_token(settings, admin.token("test: store", write=True)))
        reader = InfluxStore(with_token(settings, admin.token("test: reader", write=False)))
        writer.write([POINT])
        writer.drop_all()
        writer.write([POINT])
        assert [point.value for point in reader.series(*WRITTEN)] == [1.0]
        with pytest.raises(StoreError) as caught:
            reader.write([POINT])
        assert caught.value.code == "store_denied"
        writer.close()
        reader.close()


def test_a_server_is_set_up_once(influx: LocalInflux | ForeignInflux, tmp_path: Path) -> None:
    assert InfluxAdmin(influx_settings(influx, tmp_path)).set_up("admin", "not-used-again") is False


@pytest.mark.parametrize(("retention", "says"), [("1min", "hour"), ("long", "length of time"), ("", "length")])
def test_a_retention_that_is_none_is_refused(retention: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Settings(raw_retention=retention)


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = Settings(store="influx", data=tmp_path, influx="http://127.0.0.1:9", influx_token=SecretStr("x"))
    with pytest.raises(StoreError, match="127.0.0.1:9") as caught:
        InfluxAdmin(settings).buckets()
    assert caught.value.code == "store_away"
