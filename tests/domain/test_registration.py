"""A set of documents is taken into the registry as a whole, or every fault of it is named and none is taken."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.documents import Document, DocumentKey, Release
from streams.domain.enterprise_digest import enterprise_digest
from streams.domain.registration import Accepted, Rejected, register
from streams.domain.registry import Snapshot

REGISTRY = Path(__file__).parent.parent / "registry"
GOOD = sorted((REGISTRY / "good").glob("*.yaml"))
BAD = sorted((REGISTRY / "bad").glob("*.yaml"))
EXPECTED = re.compile(r"^# (\d+) (\S+) (\w+)$", re.MULTILINE)


def read(path: Path) -> list[Any]:
    text = path.read_text(encoding="utf-8")
    # A date that does not exist stays text here, as it does when a request's JSON is read.
    return list(yaml.load_all(text, Loader=yaml.BaseLoader if "bad-date" in path.name else yaml.SafeLoader))


def accepted(raws: list[Any], current: dict[DocumentKey, Document] | None = None) -> dict[DocumentKey, Document]:
    found = register(current or {}, raws)
    assert isinstance(found, Accepted), found
    return (current or {}) | {document.key: document for document in found.documents}


@pytest.fixture(scope="module")
def city() -> dict[DocumentKey, Document]:
    return accepted(read(REGISTRY / "good" / "city.yaml"))


def document(kind: str, id_: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"apiVersion": "qingyu/v1", "kind": kind, "id": id_, "valid_from": "2018-01-01", "spec": spec, **more}


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_is_accepted_and_builds_a_snapshot(path: Path) -> None:
    documents = accepted(read(path))
    assert len(documents) == len(read(path))
    assert Snapshot.build(1, documents).documents == documents


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_sent_again_changes_nothing(path: Path) -> None:
    found = register(accepted(read(path)), read(path))
    assert found == Accepted((), (), (), ())


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_exactly_its_faults(path: Path, city: dict[DocumentKey, Document]) -> None:
    expected = sorted((int(n), "" if at == "-" else at, code) for n, at, code in EXPECTED.findall(path.read_text()))
    found = register(city, read(path))
    assert isinstance(found, Rejected)
    assert sorted((fault.document, fault.path, fault.code) for fault in found.errors) == expected
    assert all(fault.message for fault in found.errors)


def test_ten_different_faults_are_reported_at_once(city: dict[DocumentKey, Document]) -> None:
    found = register(city, read(REGISTRY / "bad" / "ten-faults.yaml"))
    assert isinstance(found, Rejected)
    assert len({fault.code for fault in found.errors}) == 10
    assert [fault.document for fault in found.errors] == list(range(10))


def test_a_document_that_cannot_be_read_does_not_make_those_that_name_it_faulty() -> None:
    found = register({}, [document("city", "town", {"colour": 1}), document("county", "south", {"city": "town"})])
    assert isinstance(found, Rejected)
    assert [(fault.document, fault.code) for fault in found.errors] == [(0, "unknown_field")]


def test_created_changed_and_ended_documents_are_told_apart(city: dict[DocumentKey, Document]) -> None:
    found = register(
        city,
        [
            document("province", "hubei", {}),
            document("city", "bazhong", {"code": "511901", "province": "sichuan"}),
            document("rule", "hourly-peak", dict(_rule(city)), valid_to="2024-01-01"),
            document("county", "bazhou", {"city": "bazhong"}, name={"zh": "巴州", "en": "Bazhou"}),
        ],
    )
    assert isinstance(found, Accepted)
    assert found.created == ("province/hubei",)
    assert found.changed == ("city/bazhong",)
    assert found.ended == ("rule/hourly-peak",)
    assert [str(one.key) for one in found.documents] == ["province/hubei", "city/bazhong", "rule/hourly-peak"]


def _rule(city: dict[DocumentKey, Document]) -> dict[str, Any]:
    return city[DocumentKey("rule", "hourly-peak")].model_dump(mode="json", exclude_none=True)["spec"]


def test_a_fault_in_a_registered_document_is_told_at_the_document_that_causes_it(
    city: dict[DocumentKey, Document],
) -> None:
    found = register(city, [document("county", "bazhou", {"city": "bazhong"}, valid_from="2019-01-01")])
    assert isinstance(found, Rejected)
    assert {fault.document for fault in found.errors} == {0}
    assert any("enterprise/bz-steel at spec.county.0.id" in fault.message for fault in found.errors)


def test_a_release_follows_another_when_the_first_is_ended_in_the_same_set(city: dict[DocumentKey, Document]) -> None:
    first = city[DocumentKey("release", "demo-2018")].model_dump(mode="json", exclude_none=True)
    second = document("release", "next", {}, valid_from="2020-01-01")
    assert isinstance(register(city, [second]), Rejected)
    found = register(city, [second, {**first, "valid_to": "2020-01-01"}])
    assert isinstance(found, Accepted)


def test_a_release_takes_reference_rows_over_in_the_units_of_its_carriers() -> None:
    documents = accepted(read(REGISTRY / "good" / "reference-release.yaml"))
    release = documents[DocumentKey("release", "r2023")]
    assert isinstance(release, Release)
    electricity, coal = release.spec.coefficients
    assert str(electricity.cv_kgce) == "0.1229"
    assert coal.cv_kgce is not None
    assert format(coal.cv_kgce, "f") == "714.3"
    assert coal.source == "energy_coefficients/fuels/raw_coal (SZ-FORM, CESY-COEF, STDCOAL-PY, SQL-GHG)"
    assert coal.confidence == "verified-2-sources"
    assert str(release.spec.factors[0].kg) == "0.5306"


def test_what_a_release_took_over_stays_when_the_stored_document_is_sent_back() -> None:
    documents = accepted(read(REGISTRY / "good" / "reference-release.yaml"))
    stored = [one.model_dump(mode="json", exclude_none=True) for one in documents.values()]
    assert register(documents, stored) == Accepted((), (), (), ())


def test_a_finer_resolution_is_accepted(city: dict[DocumentKey, Document]) -> None:
    meter = city[DocumentKey("meter", "bz-steel.e01")].model_dump(mode="json", exclude_none=True)
    meter["spec"]["resolution"] = "0.001"
    found = register(city, [meter])
    assert isinstance(found, Accepted)
    assert found.changed == ("meter/bz-steel.e01",)


def test_a_loop_is_found_through_documents_that_are_registered_already(city: dict[DocumentKey, Document]) -> None:
    found = register(city, [document("industry", "c", {"parent": "c31"})])
    assert isinstance(found, Rejected)
    assert found.errors[0].message == "the parents form a loop: c -> c31 -> c"


@given(st.permutations(read(REGISTRY / "good" / "city.yaml")))
def test_the_order_of_the_documents_of_a_set_does_not_matter(raws: list[Any]) -> None:
    assert enterprise_digest(Snapshot.build(1, accepted(raws)), "bz-steel") == DIGEST


DIGEST = enterprise_digest(Snapshot.build(1, accepted(read(REGISTRY / "good" / "city.yaml"))), "bz-steel")


TEXT = st.text("a1-./ \x00\ud800晴", max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["meter", "release", "rule", "enterprise", "key", "limit", "settings", "nothing"]),
    st.dictionaries(st.sampled_from(["apiVersion", "id", "name", "valid_from", "valid_to", "spec", "more"]), JSON),
)
def test_whatever_comes_is_answered_not_raised(kind: str, fields: dict[str, Any]) -> None:
    assert isinstance(register({}, [{"kind": kind, **fields}]), Accepted | Rejected)


@pytest.mark.parametrize(
    ("select", "idle"),
    [
        ({"kind": "meter", "tag": "totl"}, True),
        ({"kind": "meter", "in": "enterprise/bz-steel"}, False),
        ({"kind": "enterprise", "in": "industry/c31"}, False),
        ({"kind": "enterprise", "in": "park/empty"}, True),
        ({"kind": "enterprise"}, False),
    ],
)
def test_a_rule_whose_selection_means_nothing_is_taken_with_a_warning(
    city: dict[DocumentKey, Document], select: dict[str, Any], idle: bool
) -> None:
    spec = {"metric": "qty.electricity", "window": "day", "period": "day", "raise": {"gt": "1"}, "severity": "info"}
    park = document("park", "empty", {"county": "bazhou"})
    found = register(city, [park, document("rule", "odd", {**spec, "select": select})])
    assert isinstance(found, Accepted), found
    assert [(each.document, each.path, each.code) for each in found.warnings] == (
        [(1, "spec.select", "selects_nothing")] if idle else []
    )
