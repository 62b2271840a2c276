"""A snapshot answers what the hot path asks: meters, releases, memberships, rules, and what a change touches."""

import datetime as dt
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.documents import Document, DocumentKey, parse_document
from schemas.windows import LATEST_MS, local_ms
from streams.domain.energy_views import Exact
from streams.domain.enterprise_digest import enterprise_digest
from streams.domain.registry import Snapshot
from streams.domain.views import Since

CITY = Path(__file__).parent.parent / "registry" / "good" / "city.yaml"
DAY_2019, DAY_2021, DAY_2023 = (local_ms(year, 7) for year in (2019, 2021, 2023))


def parsed(raw: Any) -> Document:
    found = parse_document(raw)
    assert not isinstance(found, list), found
    return found


@pytest.fixture(scope="module")
def documents() -> dict[DocumentKey, Document]:
    found = [parsed(raw) for raw in yaml.safe_load_all(CITY.read_text(encoding="utf-8"))]
    return {document.key: document for document in found}


@pytest.fixture(scope="module")
def snapshot(documents: dict[DocumentKey, Document]) -> Snapshot:
    return Snapshot.build(7, documents)


def changed(documents: dict[DocumentKey, Document], kind: str, id_: str, **fields: Any) -> Snapshot:
    raw = documents[DocumentKey(kind, id_)].model_dump(mode="json", exclude_none=True)
    spec = {**raw["spec"], **fields.pop("spec", {})}
    document = parsed({**raw, **fields, "spec": spec})
    return Snapshot.build(8, {**documents, document.key: document})


def test_an_empty_registry_is_a_snapshot_too() -> None:
    snapshot = Snapshot.build(0, {})
    assert snapshot.enterprises == {}
    assert snapshot.release_at(DAY_2019) is None
    assert snapshot.members("city/bazhong", DAY_2019) == ()
    assert snapshot.grace_ms["hour"] == 2 * 3_600_000


def test_the_meters_of_an_enterprise_stand_in_the_order_of_their_ids(snapshot: Snapshot) -> None:
    meters = snapshot.enterprises["bz-steel"].meters
    assert [(meter.index, meter.id) for meter in meters] == [(0, "e01"), (1, "e02")]
    assert snapshot.meter("meter/bz-steel.e02") is meters[1]
    assert snapshot.meter("meter/bz-steel.e99") is None


def test_a_meter_knows_what_one_count_is_worth_at_each_instant(snapshot: Snapshot) -> None:
    meter = snapshot.meters["meter/bz-steel.e01"]
    assert (meter.scale, meter.resolution, meter.step_ms) == (2, 1, 900_000)
    change_ms = local_ms(2020)
    assert meter.micro_per_count_at(change_ms - 1) == 10_000
    assert meter.micro_per_count_at(change_ms) == 15_000


def test_a_count_is_worth_what_its_unit_is_in_the_unit_of_the_carrier(snapshot: Snapshot) -> None:
    meter = snapshot.meters["meter/bz-steel.e02"]
    assert (meter.unit, meter.scale) == ("MWh", 3)
    assert meter.micro_per_count_at(DAY_2019) == 1_000_000


def test_a_resolution_that_is_no_power_of_ten_is_counted_by_its_last_digit(
    documents: dict[DocumentKey, Document],
) -> None:
    meter = changed(documents, "meter", "bz-steel.e01", spec={"resolution": "0.50"}).meters["meter/bz-steel.e01"]
    assert (meter.scale, meter.resolution) == (1, 5)


def test_a_source_may_send_for_a_meter_only_while_the_meter_names_it(documents: dict[DocumentKey, Document]) -> None:
    sources = [{"from": "2019-01-01", "id": "bz-steel-gw1"}, {"from": "2020-01-01", "id": None}]
    meter = changed(documents, "meter", "bz-steel.e01", spec={"source": sources}).meters["meter/bz-steel.e01"]
    assert meter.sources == (Since(local_ms(2019), "bz-steel-gw1"), Since(local_ms(2020), None))
    assert [meter.source_at(local_ms(year)) for year in (2018, 2019, 2020)] == [None, "bz-steel-gw1", None]


def test_days_begin_at_midnight_in_shanghai_and_ranges_are_half_open(snapshot: Snapshot) -> None:
    mill = snapshot.enterprises["bz-mill"]
    assert mill.from_ms == int(dt.datetime(2017, 12, 31, 16, tzinfo=dt.UTC).timestamp() * 1000)
    assert snapshot.territories_of("bz-mill", mill.to_ms - 1)
    assert snapshot.territories_of("bz-mill", mill.to_ms) == ()
    assert snapshot.enterprises["bz-steel"].to_ms == LATEST_MS


def test_the_release_in_force_is_found_by_date(snapshot: Snapshot) -> None:
    end_ms = local_ms(2022)
    release = snapshot.release_at(end_ms - 1)
    assert release is not None
    assert release.id == "demo-2018"
    assert snapshot.release_at(end_ms) is None
    assert snapshot.release_at(local_ms(2018) - 1) is None
    valuation = snapshot.valuations_of("bz-steel").at(end_ms - 1)
    assert valuation is not None
    electricity = valuation.coefficients["electricity"]
    assert (electricity.cv, electricity.eq) == (Exact(1229, 4), Exact(3, 1))
    assert [(one.scope, one.value) for one in valuation.factors["electricity"]] == [("power", Exact(6, 1))]


def test_the_equivalent_value_of_a_fuel_is_its_calorific_value_unless_released(snapshot: Snapshot) -> None:
    valuation = snapshot.valuations_of("bz-steel").at(DAY_2019)
    assert valuation is not None
    assert valuation.coefficients["raw-coal"].eq == Exact(7143, 4)


def test_an_enterprise_belongs_to_its_park_county_city_province_and_industries(snapshot: Snapshot) -> None:
    rest = ("county/bazhou", "city/bazhong", "province/sichuan", "industry/c", "industry/c31")
    assert snapshot.territories_of("bz-steel", DAY_2019) == ("park/bz-west", *rest)
    assert snapshot.territories_of("bz-steel", DAY_2021) == ("park/bz-edz", *rest)


def test_an_enterprise_without_a_county_lies_where_its_park_does(snapshot: Snapshot) -> None:
    found = snapshot.territories_of("bz-mill", DAY_2019)
    assert found == ("park/bz-edz", "county/bazhou", "city/bazhong", "province/sichuan")


def test_members_change_on_the_day_an_enterprise_moves_or_ends(snapshot: Snapshot) -> None:
    assert snapshot.members("park/bz-edz", DAY_2019) == ("bz-mill",)
    assert snapshot.members("park/bz-edz", local_ms(2021) - 1) == ("bz-mill",)
    assert snapshot.members("park/bz-edz", local_ms(2021)) == ("bz-mill", "bz-steel")
    assert snapshot.members("city/bazhong", DAY_2023) == ("bz-mill", "bz-steel")
    assert snapshot.members("city/bazhong", local_ms(2024)) == ("bz-steel",)


def test_members_and_territories_say_the_same(snapshot: Snapshot) -> None:
    for year in range(2017, 2026):
        at_ms = local_ms(year, 3)
        for enterprise in snapshot.enterprises:
            for territory in snapshot.territories_of(enterprise, at_ms):
                assert enterprise in snapshot.members(territory, at_ms)


def test_a_meter_lies_within_its_enterprise_and_the_territories_of_it(snapshot: Snapshot) -> None:
    within = snapshot.within("meter/bz-steel.e01", DAY_2021)
    assert within[:2] == ("enterprise/bz-steel", "park/bz-edz")
    assert snapshot.within("park/bz-edz", DAY_2021) == ("county/bazhou", "city/bazhong", "province/sichuan")


@pytest.mark.parametrize(
    ("select", "entity", "chosen"),
    [
        ({"kind": "enterprise"}, "enterprise/bz-mill", True),
        ({"kind": "enterprise"}, "park/bz-edz", False),
        ({"kind": "enterprise", "id": ["bz-steel"]}, "enterprise/bz-mill", False),
        ({"kind": "enterprise", "in": "park/bz-edz"}, "enterprise/bz-mill", True),
        ({"kind": "enterprise", "in": "park/bz-west"}, "enterprise/bz-mill", False),
        ({"kind": "enterprise", "in": "industry/c"}, "enterprise/bz-steel", True),
        ({"kind": "meter", "in": "enterprise/bz-steel"}, "meter/bz-steel.e01", True),
        ({"kind": "county", "in": "city/bazhong"}, "county/bazhou", True),
    ],
)
def test_a_rule_watches_what_it_selects(
    documents: dict[DocumentKey, Document], select: dict[str, Any], entity: str, *, chosen: bool
) -> None:
    rules = changed(documents, "rule", "hourly-peak", spec={"select": select}).rules_for(entity, DAY_2021)
    assert bool(rules) is chosen


def test_a_rule_without_clear_clears_as_soon_as_it_does_not_hold(documents: dict[DocumentKey, Document]) -> None:
    raw = documents[DocumentKey("rule", "hourly-peak")].model_dump(mode="json", exclude_none=True)
    del raw["spec"]["clear"]
    rule = Snapshot.build(1, {**documents, DocumentKey("rule", "hourly-peak"): parsed(raw)}).rules["hourly-peak"]
    for value in (399, 400, 401, Fraction(4001, 10)):
        assert rule.raises.holds(value) != rule.clears.holds(value)


def test_a_limit_is_found_for_what_its_indicator_is_held_against(snapshot: Snapshot) -> None:
    (limit,) = snapshot.limits_for("enterprise/bz-steel", "steel-intensity", DAY_2019)
    assert [(tier.id, tier.max) for tier in limit.tiers] == [("advanced", 80), ("access", 87), ("limit", 94)]
    assert limit.unit == "kgce/t"
    assert snapshot.limits_for("enterprise/bz-steel", "other", DAY_2019) == ()


def test_an_indicator_is_computed_exactly_in_its_own_unit(documents: dict[DocumentKey, Document]) -> None:
    indicator = changed(documents, "indicator", "steel-intensity", spec={"unit": "tce/kg"}).indicators[
        "steel-intensity"
    ]
    assert indicator.value(3_000_000, 7_000_000) == Fraction(3, 7) / 1_000_000
    assert indicator.value(3_000_000, 0) is None
    assert indicator.value(3_000_000) is None


def test_every_metric_has_its_unit(snapshot: Snapshot) -> None:
    units = {"qty.electricity": "kWh", "output.crude-steel": "t", "energy.eq": "kgce", "co2.total": "kgCO2"}
    units |= {"time.measured.water": "s", "qty.water.estimated": "m3", "ind.steel-intensity": "kgce/t"}
    assert {metric: snapshot.unit_of(metric) for metric in units} == units


def test_a_key_opens_nothing_when_revoked_or_outside_its_days(documents: dict[DocumentKey, Document]) -> None:
    (key,) = Snapshot.build(1, documents).keys.values()
    assert (key.role, key.subject) == ("source", "bz-steel-gw1")
    assert key.usable_at(DAY_2019)
    assert not key.usable_at(local_ms(2018) - 1)
    (revoked,) = changed(documents, "key", "bz-steel-gw1", spec={"revoked": True}).keys.values()
    assert not revoked.usable_at(DAY_2019)


@pytest.mark.parametrize(
    ("kind", "id_", "fields", "touched"),
    [
        ("meter", "bz-steel.e01", {"spec": {"role": "output"}}, {"bz-steel"}),
        ("meter", "bz-steel.e01", {"spec": {"multiplier": []}}, {"bz-steel"}),
        ("meter", "bz-steel.e01", {"name": {"en": "other"}}, set()),
        ("meter", "bz-steel.e01", {"spec": {"source": []}}, set()),
        ("source", "bz-steel-gw1", {"spec": {"rate_limit_per_s": 1}}, set()),
        ("key", "bz-steel-gw1", {"spec": {"revoked": True}}, set()),
        ("carrier", "electricity", {"spec": {"energy": False}}, {"bz-steel"}),
        ("carrier", "water", {"spec": {"unit": "t"}}, set()),
        ("release", "demo-2018", {"valid_to": "2021-01-01"}, {"bz-steel", "bz-mill"}),
        ("enterprise", "bz-mill", {"valid_to": "2025-01-01"}, {"bz-mill"}),
        ("rule", "hourly-peak", {"spec": {"severity": "critical"}}, {"bz-steel"}),
        ("limit", "steel-limit", {"spec": {"source": "other"}}, {"bz-steel", "bz-mill"}),
        ("settings", "default", {"spec": {"grace": {"hour": "3h"}}}, {"bz-steel", "bz-mill"}),
        ("county", "bazhou", {"name": {"en": "other"}}, set()),
    ],
)
def test_the_digest_of_an_enterprise_changes_with_what_its_numbers_depend_on_and_with_nothing_else(
    documents: dict[DocumentKey, Document], kind: str, id_: str, fields: dict[str, Any], touched: set[str]
) -> None:
    before, after = Snapshot.build(1, documents), changed(documents, kind, id_, **fields)
    found = {one for one in before.enterprises if enterprise_digest(before, one) != enterprise_digest(after, one)}
    assert found == touched


def test_the_digest_of_an_enterprise_that_is_not_there_is_empty(snapshot: Snapshot) -> None:
    assert enterprise_digest(snapshot, "nobody") == ""
