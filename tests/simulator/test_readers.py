"""The demo's readers turn published files into readings without losing or moving one."""

import csv
import datetime as dt
import gzip
from collections import Counter
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from schemas.documents import Indicator, Limit, Meter, Release
from schemas.windows import HOUR_MS, SHANGHAI, local_ms, window
from services.simulator import city
from services.simulator.buildings import buildings
from services.simulator.channel import DATA, FIRST_MS, LAST_MS, Channel
from services.simulator.city import city_documents, city_folder
from services.simulator.outputs import outputs
from services.simulator.simulated import PROFILES, simulated
from services.simulator.steel import FILE, end_ms
from services.simulator.steel import steel as read_steel
from streams.domain.registration import Accepted, register

QUARTER_MS = 15 * 60_000


# Read and simulated once: that is a second's work.
city_channels, steel = cache(city.city_channels), cache(read_steel)
MONTHS = [window(f"2018-{month:02}") for month in range(1, 13)]


def channel_of(enterprise: str, meter: str) -> Channel:
    return next(one for one in city_channels() if (one.source, one.meter) == (f"{enterprise}-gw1", meter))


def published() -> list[dict[str, str]]:
    with gzip.open(Path(str(DATA / FILE)), "rt", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_steel_year_has_every_quarter_hour_once():
    stamps = steel().stamps_ms
    assert stamps == tuple(range(FIRST_MS + QUARTER_MS, LAST_MS + 1, QUARTER_MS))
    assert len(stamps) == 35_040


def test_each_hour_of_the_steel_year_has_four_quarters():
    hours = Counter((stamp - 1) // HOUR_MS for stamp in steel().stamps_ms)
    assert len(hours) == 8760
    assert set(hours.values()) == {4}


def test_the_steel_year_sums_to_the_files_total():
    total = sum(Decimal(value) for value in steel().values)
    assert total == sum(Decimal(row["Usage_kWh"]) for row in published()) == Decimal("959636.71")


def test_the_last_quarter_of_a_day_ends_when_the_next_day_begins():
    # The file has it behind 23:45, written as 0:00 of the day that ends.
    rows = published()
    at = next(n for n, row in enumerate(rows) if row["date"] == "1/1/2018 23:45")
    assert rows[at + 1]["date"] == "1/1/2018 0:00"
    assert end_ms("1/1/2018 0:00") == local_ms(2018, 1, 2)
    channel = steel()
    assert channel.values[channel.stamps_ms.index(local_ms(2018, 1, 2))] == rows[at + 1]["Usage_kWh"]


def test_the_files_order_is_that_of_the_corrected_stamps():
    assert [row["Usage_kWh"] for row in published()] == list(steel().values)


def test_the_hourly_rule_of_the_demo_fires_on_the_steel_year():
    hours: dict[int, Decimal] = {}
    channel = steel()
    for stamp, value in zip(channel.stamps_ms, channel.values, strict=True):
        hours[(stamp - 1) // HOUR_MS] = hours.get((stamp - 1) // HOUR_MS, Decimal(0)) + Decimal(value)
    raised = [hour for hour in sorted(hours) if hours[hour] > 400]
    first = dt.datetime.fromtimestamp(raised[0] * 3600, SHANGHAI)
    assert f"{first:%Y-%m-%dT%H}" == "2018-01-02T11"
    assert min(hours.values()) < 350


def tiers_passed() -> dict[str, dict[str, int]]:
    """By enterprise and month the number of tiers that its intensity passes, calculated from the readings."""
    documents = city_documents()
    meters = {one.id: one for one in documents if isinstance(one, Meter)}
    indicators = {one.id: one.spec for one in documents if isinstance(one, Indicator)}
    (release,) = [one for one in documents if isinstance(one, Release)]
    worth = {one.carrier: float(one.cv_kgce or 0) for one in release.spec.coefficients}
    amounts: dict[tuple[str, str, str], float] = {}
    for channel in city_channels():
        enterprise = channel.source.removesuffix("-gw1")
        meter = meters[f"{enterprise}.{channel.meter}"].spec
        if meter.role == "sub":
            continue
        values = np.array(channel.counts, float) / 10**channel.scale
        stamps_ms = np.array(channel.stamps_ms)
        if meter.type == "register":
            stamps_ms, values = stamps_ms[1:], np.maximum(np.diff(values), 0)
        factor = {"t": 1000, "GJ": 1000}.get(meter.unit, 1) * (
            float(meter.multiplier[0].value) if meter.multiplier else 1
        )
        for month in MONTHS:
            inside = (stamps_ms > month.start_ms) & (stamps_ms <= month.end_ms)
            amount = values[inside].sum() * factor
            for metric, of in ((f"qty.{meter.carrier}", 1.0), ("energy.cv", worth.get(meter.carrier, 0.0))):
                key = enterprise, metric, month.name
                amounts[key] = amounts.get(key, 0.0) + amount * of * (-1 if meter.role == "output" else 1)
    for one in outputs(city_channels()):
        key = one.enterprise, f"output.{one.product}", one.period[:7]
        amounts[key] = amounts.get(key, 0.0) + float(one.value)
    found: dict[str, dict[str, int]] = {}
    for limit in (one for one in documents if isinstance(one, Limit)):
        assert limit.spec.select is not None
        enterprise = (limit.spec.select.id or ("",))[0]
        spec = indicators[limit.spec.indicator]
        for month in MONTHS:
            top, bottom = (
                amounts[enterprise, str(metric), month.name] for metric in (spec.numerator, spec.denominator)
            )
            passed = sum(top / bottom > float(tier.max) for tier in limit.spec.tiers or ())
            found.setdefault(enterprise, {})[month.name] = passed
    return found


def test_the_limits_are_in_several_states_when_the_demo_begins_and_in_all_over_the_year():
    found = tiers_passed()
    assert {enterprise: months["2018-01"] for enterprise, months in found.items()} == {
        "bz-steel": 1, "nj-cement": 3, "bz-chemicals": 0, "nj-ceramics": 1, "bz-datacentre": 2, "bz-sewage": 1,
    }  # fmt: skip
    assert set(Counter(found["bz-steel"].values())) == {0, 1, 2, 3}


def test_an_output_is_reported_after_its_period():
    reported = list(outputs(city_channels()))
    assert all(one.reported_ms > window(one.period).end_ms for one in reported)
    assert Counter(one.product for one in reported) == {
        "crude-steel": 12, "clinker": 12, "ammonia": 12, "ceramic-tile": 12, "it-electricity": 365,
    }  # fmt: skip


def test_a_meter_that_was_swapped_goes_on_where_the_old_one_ends():
    old, new = (channel_of("bz-chemicals", meter) for meter in ("e01", "e02"))
    assert old.stamps_ms[-1] == new.stamps_ms[0] == local_ms(2018, 2, 3)


def test_a_register_starts_again_from_0_on_the_demos_second_day():
    channel = channel_of("bz-hospital", "g01")
    falls = [at for at, (one, other) in enumerate(pairwise(channel.counts)) if other < one]
    assert channel.stamps_ms[falls[0] + 1] == local_ms(2018, 2, 3, 9)
    assert channel.counts[falls[0] + 1] == 0
    assert max(channel.counts) < 100_000 * 10**channel.scale


def test_buildings_send_no_electricity_of_zero_and_every_gas_value():
    channels = {channel.meter: channel for channel in buildings()}
    assert set(channels) == {"b2-e", "b2-g", "b24-e", "b24-g"}
    assert all(float(value) for meter in ("b2-e", "b24-e") for value in channels[meter].values)
    assert len(channels["b24-e"].values) == 8760 - 284
    assert len(channels["b2-g"].values) == len(channels["b24-g"].values) == 8760
    assert "0" in channels["b24-g"].values


def test_a_building_hour_can_be_sent_when_it_is_over():
    channel = next(iter(buildings()))
    start_ms = channel.stamps_ms[0]
    assert start_ms == local_ms(2018, 1, 1, 8)  # midnight UTC
    assert channel.between(start_ms, start_ms + HOUR_MS - 1) == []
    assert channel.between(start_ms, start_ms + HOUR_MS) == [(start_ms, channel.values[0])]


def test_what_is_due_is_given_once_however_the_time_is_cut():
    channel = steel()
    edges = range(FIRST_MS, FIRST_MS + 48 * HOUR_MS + 1, 7 * 60_000)
    pieces = [one for after, until in zip(edges, edges[1:], strict=False) for one in channel.between(after, until)]
    assert pieces == channel.between(FIRST_MS, edges[-1])


def test_the_same_seed_simulates_the_same_readings():
    meters = [one for one in city_documents() if one.kind == "meter"]
    assert list(simulated(meters)) == list(simulated(meters))
    assert list(simulated(meters)) != list(simulated(meters, seed=1))


def test_simulated_registers_never_fall_and_have_gaps():
    channel = channel_of("nj-cement", "e01")
    values = [Decimal(value) for value in channel.values]
    assert all(one <= other for one, other in zip(values, values[1:], strict=False))
    steps = {other - one for one, other in zip(channel.stamps_ms, channel.stamps_ms[1:], strict=False)}
    assert steps == {QUARTER_MS, 4 * HOUR_MS + QUARTER_MS}


def test_the_city_is_a_set_that_the_registry_takes():
    found = register([], city_documents())
    assert isinstance(found, Accepted), found


def test_every_meter_of_the_city_has_readings_that_fit_its_resolution():
    meters = {one.id: one for one in city_documents() if one.kind == "meter"}
    sources = {one.id: one.spec.enterprise for one in city_documents() if one.kind == "source"}
    channels = {f"{sources[one.source]}.{one.meter}": one for one in city_channels()}
    assert set(channels) == set(meters)
    assert set(PROFILES) < set(meters)
    for id_, channel in channels.items():
        step = meters[id_].spec.resolution
        assert all(Decimal(value) % step == 0 for value in channel.values), id_


@pytest.mark.parametrize("file", sorted(path.name for path in city_folder().glob("*.yaml")))
def test_every_file_of_the_city_says_what_it_is(file: str):
    assert (city_folder() / file).read_text(encoding="utf-8").startswith("# ")
