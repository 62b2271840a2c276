"""A settled number of a territory that changes is recorded with the members that changed it."""

from collections.abc import Iterable

from schemas.messages import CalendarDocument, Cause, CausingReport, Reported, Revision, decode_revision
from schemas.windows import window
from streams.domain.territory import Territories
from tests.territory_city import CITY, enterprise_documents, hour, records, snapshot

FIRST, LATER = 1_530_000_000_000, 1_600_000_000_000
HOUR = "2018-06-30T22"


def drain(territories: Territories) -> list[Revision]:
    found: list[Revision] = []
    while territories.waiting:
        outputs = territories.recompute()
        for output in outputs:
            if output.topic == "revisions":
                assert output.key == output.entity.encode()
                found.append(decode_revision(output.value))
    return found


def take(territories: Territories, documents: Iterable[CalendarDocument]) -> list[Revision]:
    for document, text in records(documents):
        territories.take(document, text)
    return drain(territories)


def city(status: str = "settled") -> Territories:
    found = Territories()
    found.follow(snapshot())
    both = [enterprise_documents(each, {HOUR: hour(5)}, status=status, known=FIRST) for each in ("steady", "free")]
    assert take(found, [document for documents in both for document in documents]) == []
    return found


def moved(revisions: list[Revision], entity: str, metric: str = "qty.electricity") -> dict[str, tuple[object, object]]:
    return {
        each.start: (each.before, each.after) for each in revisions if (each.entity, each.metric) == (entity, metric)
    }


def test_every_window_of_every_territory_above_is_revised_and_names_the_member() -> None:
    territories = city()
    found = take(territories, enterprise_documents("steady", {HOUR: hour(9)}, status="revised", step=2, known=LATER))
    names = (HOUR, "2018-06-30", "2018-06", "2018-Q2", "2018")
    assert moved(found, "city/town") == moved(found, "county/east") == dict.fromkeys(names, (10, 14))
    assert moved(found, "park/old") == moved(found, "industry/c31") == dict.fromkeys(names, (5, 9))
    assert moved(found, "county/west") == {}
    assert {(each.known, repr(each.cause)) for each in found} == {(LATER, repr(Cause(members=["enterprise/steady"])))}


def test_a_territory_that_is_still_open_is_not_revised() -> None:
    territories = city("provisional")
    assert take(territories, enterprise_documents("steady", {HOUR: hour(9)}, status="revised", known=LATER)) == []


def test_a_value_reported_for_the_territory_is_the_cause_of_what_it_moves() -> None:
    territories = city()
    report = Reported(1, 1, "county/east", "output.steel", "2018-06", 7, "7", "t", 0, "office", LATER)
    territories.report(report)
    found = drain(territories)
    assert moved(found, "county/east", "output.steel") == {"2018-06": (None, 7)}
    told = CausingReport("output.steel", "2018-06", 0, "office", LATER)
    assert {(each.known, repr(each.cause)) for each in found} == {(LATER, repr(Cause(reported=[told])))}


def test_a_registry_that_moves_a_member_is_the_cause_of_what_that_moves() -> None:
    territories = city()
    assert window(HOUR).kind == "hour"
    text = CITY.replace(
        "id: free, valid_from: 2018-01-01,\n spec: {county: [{from: 2018-01-01, id: east}]}",
        "id: free, valid_from: 2018-01-01,\n spec: {county: [{from: 2018-01-01, id: west}]}",
    )
    assert text != CITY
    territories.follow(snapshot(text, version=2))
    found = drain(territories)
    assert moved(found, "county/east")["2018"] == (10, 5)
    assert {each.cause.registry for each in found} == {2}


def test_going_on_from_what_is_written_revises_nothing_and_then_the_same() -> None:
    territories = city()
    again = Territories()
    again.follow(snapshot())
    for period in territories.documents.periods():
        for entity in territories.documents.entities(period):
            document = territories.documents.get(entity, period)
            assert document is not None
            [(_, text)] = records([document])
            again.restore(document, text)
    for enterprise in ("steady", "free"):
        for document, text in records(enterprise_documents(enterprise, {HOUR: hour(5)}, known=FIRST)):
            again.take(document, text)
    again.recompute_all()
    assert drain(again) == []
    late = enterprise_documents("steady", {HOUR: hour(9)}, status="revised", step=2, known=LATER)
    assert sorted(map(repr, take(again, late))) == sorted(map(repr, take(territories, late)))
