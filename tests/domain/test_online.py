"""The online rate's parts of a month of which nothing came are what its hours would have added up to."""

import pytest

from tests.folding import REGISTRY, Stream, document, documents, meter, tick

RATE = document(
    "indicator", "rate", type="share", numerator="online.measured.sources", denominator="online.expected.sources",
    unit="%",
)  # fmt: skip
DAY_S = 86_400


def of_source(id_: str, first: str, **more: str) -> str:
    return meter(id_, step="1d", source=[{"from": first, "id": "works-gw1"}]).replace(
        "valid_from: '2018-01-01'", "\n".join([f"valid_from: '{first}'", *(f"{k}: '{v}'" for k, v in more.items())])
    )


@pytest.mark.parametrize("late", [False, True])
def test_a_source_is_expected_of_each_of_its_meters_in_its_days_whether_or_not_anything_came(late: bool) -> None:
    meters = of_source("a", "2018-01-01", valid_to="2018-01-16"), of_source("b", "2018-01-16")
    stream = Stream(documents(REGISTRY, RATE, *meters))
    stream.step(tick("2017-11-01"))
    stream.readings(("b", "2018-03-05", "24"))
    stream.step(tick("2018-03-20"))
    if late:
        stream.readings(("a", "2018-01-05", "24"))
    # 31 + 28 days, and those of March up to what was ticked.
    found = stream.totals["enterprise/works|2018"].metrics["online.expected.sources"][:2]
    assert found == [31 * DAY_S * 10**6, 28 * DAY_S * 10**6]
