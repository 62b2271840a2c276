"""Pages drawn from a registry and figures at hand, without a server or a store."""

import gc
import re
import weakref
from dataclasses import replace

import pytest

from schemas.messages import Finding
from schemas.windows import DAY_MS, HOUR_MS
from services.console.cells import cells, points, spans
from services.console.gathering import Gathered, Slow
from services.console.moment import Moment
from services.console.rendering import page
from services.console.standing import Standing
from services.console.subject import Subject, subject_of
from services.console.words import words
from streams.domain.registry import Snapshot
from streams.stores.series import ReadingPoint, WindowPoint
from tests.console.city import (
    CEMENT,
    CITY,
    COUNTY,
    METER,
    NOW_MS,
    PARK,
    SCHOOL,
    STEEL,
    TODAY_MS,
    alarm,
    city_documents,
)  # fmt: skip
from tests.registry_writing import snapshot_of


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return snapshot_of(city_documents())


def gathered(subject: Subject, **changed: object) -> Gathered:
    point = WindowPoint(TODAY_MS, 2000.0, 0.9, 0.05, 0.05, settled=False)
    known = {(one, metric): point for one in (CITY, STEEL) for metric in ("energy.cv", "energy.eq", "co2.total")}
    standings = tuple(Standing(held.tiers, None, None) for held in subject.held)
    shown: dict[str, object] = {
        "now_ms": NOW_MS,
        "day_ms": TODAY_MS,
        "hour_ms": TODAY_MS + 15 * HOUR_MS,
        "hours": (),
        "hour": known,
        "day": known,
        "slow": Slow(known, known, standings, frozenset(), TODAY_MS + 14 * HOUR_MS),
        "alarms": (),
        "more_alarms": False,
        "readings": (),
    }
    return Gathered(**(shown | changed))  # type: ignore[arg-type]


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_what_is_said_of_a_meter_is_held_once_for_all_pages_and_days(snapshot: Snapshot) -> None:
    city, county = subject_of(snapshot, CITY, NOW_MS), subject_of(snapshot, COUNTY, NOW_MS)
    tomorrow = subject_of(snapshot, CITY, NOW_MS + DAY_MS)
    held = {id(one) for one in city.meters}
    assert county.meters and {id(one) for one in county.meters} <= held
    assert tomorrow == city and {id(one) for one in tomorrow.meters} == held


def test_a_new_registry_is_said_anew_and_the_one_before_is_let_go() -> None:
    before = snapshot_of(city_documents())
    name = subject_of(before, STEEL, NOW_MS).thing.zh
    changed = [
        one | {"name": {"zh": "新名"}} if f"{one['kind']}/{one['id']}" == STEEL else one for one in city_documents()
    ]
    after = snapshot_of(changed)
    assert (subject_of(after, STEEL, NOW_MS).thing.zh, subject_of(before, STEEL, NOW_MS).thing.zh) == ("新名", name)
    gone = weakref.ref(before)
    del before
    gc.collect()
    assert gone() is None


def test_a_city_has_its_parks_counties_and_enterprises(snapshot: Snapshot) -> None:
    subject = subject_of(snapshot, CITY, NOW_MS)
    assert [one.key for one in subject.districts] == [COUNTY, "county/nanjiang", PARK]
    assert [(one.thing.key, one.place and one.place.key) for one in subject.members] == [
        (SCHOOL, COUNTY),
        (STEEL, PARK),
        (CEMENT, "county/nanjiang"),
    ]
    assert [one.key for one in subject.trail] == ["province/sichuan"]
    assert [one.entity.key for one in subject.held] == [STEEL]


def test_what_is_not_known_is_a_dash_and_never_a_zero(snapshot: Snapshot) -> None:
    subject = subject_of(snapshot, CITY, NOW_MS)
    found = cells(Moment(subject, gathered(subject), words("en")))
    assert text(found[f"{STEEL}/day"]) == "2.000 2.000"
    assert text(found[f"{CEMENT}/day"]) == "— —"
    assert text(found[f"{CEMENT}/coverage"]) == "No data yet"
    assert text(found[f"{CEMENT}/weather"]) == "Fog"


def test_a_tile_tells_both_energies_the_emissions_and_how_much_was_measured(snapshot: Snapshot) -> None:
    subject = subject_of(snapshot, CITY, NOW_MS)
    found = cells(Moment(subject, gathered(subject), words("en")))
    assert text(found["tile/hour"]) == (
        "This hour 15:00–16:00 2.000 tce Equivalent 2.000 tce Emissions 2.000 tCO₂ "
        "90.0% measured · 5.0% est. · 5.0% missing"
    )


def test_an_open_alarm_makes_the_weather_up_to_the_city(snapshot: Snapshot) -> None:
    subject = subject_of(snapshot, CITY, NOW_MS)
    moment = Moment(subject, gathered(subject, alarms=(alarm(),)), words("zh"))
    assert {one: str(moment.weathers[one]) for one in (CITY, COUNTY, PARK, STEEL)} == dict.fromkeys(
        (CITY, COUNTY, PARK, STEEL), "rain"
    )
    assert text(cells(moment)["alarms"]).startswith(
        "吨钢能耗限额 预警 钢厂 · 2018-02 · 自 2018-02-01 00:00 89.96 对限值 87.00 kgce/t"
    )


def test_a_name_is_shown_as_it_is_and_never_as_markup(snapshot: Snapshot) -> None:
    subject = subject_of(snapshot, CITY, NOW_MS)
    silent = Slow(silent=frozenset({"meter/bz-school.e01"}))
    found = cells(Moment(subject, gathered(subject, slow=silent), words("zh")))
    assert "学校 &lt;b&gt;&amp;" in found["silent"]


def test_a_standing_without_a_denominator_says_so(snapshot: Snapshot) -> None:
    subject = subject_of(snapshot, STEEL, NOW_MS)
    found = cells(Moment(subject, gathered(subject), words("en")))
    assert "no denominator yet" in text(found["standings"])


def test_an_enterprise_shows_its_findings_by_meter(snapshot: Snapshot) -> None:
    subject = subject_of(snapshot, STEEL, NOW_MS)
    fall = Finding(1, "bz-steel", METER, "register.unexplained", TODAY_MS - DAY_MS, TODAY_MS, "unexplained", True)
    found = cells(Moment(subject, gathered(subject, slow=Slow(findings=(fall,))), words("en")))
    assert found["findings/count"] == "1"
    assert "The register fell" in found["findings"]
    assert "Incomer" in found["findings"]


def test_a_meter_draws_its_readings_with_their_quality_and_leaves_voids_out(snapshot: Snapshot) -> None:
    subject = subject_of(snapshot, METER, NOW_MS)
    rows = (
        ReadingPoint(TODAY_MS, 0, 5.25, 0, False),
        ReadingPoint(TODAY_MS + 900_000, 1, None, 0, True),
        ReadingPoint(TODAY_MS + 1_800_000, 0, 6.0, 5, False),
    )
    moment = Moment(subject, gathered(subject, readings=rows), words("en"))
    assert points(moment)["readings"] == [
        [TODAY_MS, 5.25, 0.0],
        [TODAY_MS + 900_000, None, 0.0],
        [TODAY_MS + 1_800_000, 6.0, 5.0],
    ]
    assert spans(moment)["readings"][0] == TODAY_MS
    assert text(cells(moment)["readings"]) == (
        "Time Value Quality Revision "
        "2018-03-14 00:30 6.00 fault 0 2018-03-14 00:15 void ok 1 2018-03-14 00:00 5.25 ok 0"
    )


def test_both_languages_have_the_same_cells(snapshot: Snapshot) -> None:
    for entity in (CITY, STEEL, METER):
        subject = subject_of(snapshot, entity, NOW_MS)
        both = [cells(Moment(subject, gathered(subject), words(language))) for language in ("zh", "en")]
        assert both[0].keys() == both[1].keys()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_empty_registry_is_told_how_it_is_filled(language: str) -> None:
    html = page(
        "choose.html", groups=[], words=words(language), theme="auto", static=str, here="/board", live=None,
        who="operator",
    )  # fmt: skip
    assert "qingyu apply" in html


@pytest.mark.parametrize("title", ["forbidden", "not_found", "store", "unready", "busy", "failed"])
def test_every_error_has_a_page_that_says_what_to_do(title: str) -> None:
    for language in ("zh", "en"):
        html = page(
            "problem.html", title=f"problem.{title}", status=503, code="code", detail="<i>", again_s=10,
            words=words(language), theme="dark", static=str, here="/board", live=None, who=None,
        )  # fmt: skip
        assert words(language)(f"problem.{title}.says") in html
        assert "&lt;i&gt;" in html


def test_a_meter_that_is_over_has_a_page_that_says_so(snapshot: Snapshot) -> None:
    subject = replace(subject_of(snapshot, METER, NOW_MS), meters=())
    moment = Moment(subject, gathered(subject), words("en"))
    html = page(
        "meter.html", subject=subject, name="Incomer", kind_name="Meter", trail=[], cells=cells(moment),
        points=points(moment), spans=spans(moment), chart_unit="", unit_text=str, live="/x", since="",
        words=words("en"), theme="auto", static=str, here="/board", who="operator",
    )  # fmt: skip
    assert "This meter is no longer in use." in html
