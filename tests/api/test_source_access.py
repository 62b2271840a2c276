"""Who may see a source's alarms and an entity's targets: whoever sees its enterprise."""

import pytest

from schemas.documents import DocumentKey
from services.api.access import Reader
from services.http.problem import Problem
from services.http.tokens import Principal, Role
from streams.domain.registry import Snapshot
from tests.folding import REGISTRY, document, documents, instant

QUOTA = {"metric": "qty.electricity", "period": "2018", "quota": "1", "unit": "kWh"}
SNAPSHOT = Snapshot.build(
    1,
    documents(
        REGISTRY,
        document("city", "town"),
        document("county", "east", city="town"),
        document("enterprise", "works", county=[{"from": "2018-01-01", "id": "east"}]),
        document("enterprise", "other"),
        document("source", "other-gw1", enterprise="other"),
        document("target", "of-works", entity="enterprise/works", **QUOTA),
        document("target", "of-other", entity="enterprise/other", **QUOTA),
    ),
)
MINE, OTHERS = "source/works.works-gw1", "source/other.other-gw1"


def caller(role: Role, subject: str | None) -> Reader:
    return Reader(Principal(role, subject, "k"), SNAPSHOT, instant("2018-03-01"))


@pytest.mark.parametrize(("role", "subject"), [("enterprise", "works"), ("viewer", "county/east")])
def test_the_alarms_of_a_source_are_seen_by_whoever_sees_its_enterprise(role: Role, subject: str) -> None:
    mine = caller(role, subject)
    entities = mine.entities()
    assert entities is not None
    assert MINE in entities
    assert OTHERS not in entities
    assert mine.check_alarmed(MINE) == MINE
    with pytest.raises(Problem):
        mine.check_alarmed(OTHERS)


@pytest.mark.parametrize("text", ["source/works.other-gw1", "source/works.none", "source/works"])
def test_a_source_that_is_not_registered_has_no_alarms(text: str) -> None:
    with pytest.raises(Problem):
        caller("operator", None).check_alarmed(text)


def test_a_quota_is_shown_to_whoever_sees_whose_it_is() -> None:
    mine = caller("enterprise", "works")
    seen = [
        id_ for id_ in ("of-works", "of-other") if mine.sees_document(SNAPSHOT.documents[DocumentKey("target", id_)])
    ]
    assert seen == ["of-works"]
