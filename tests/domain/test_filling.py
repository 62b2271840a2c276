"""Short gaps of interval meters are filled by a straight line, whatever else came of the hour."""

from tests.folding import REGISTRY, Stream, document, documents, instant, meter

HOUR = "2018-03-01T08"


def test_what_was_sent_of_an_outage_does_not_stand_for_the_slots_that_lack() -> None:
    outage = document("outage", "o", meter="works.e01", to="2018-03-01T09:00:00", **{"from": "2018-03-01T08:40:00"})
    stream = Stream(documents(REGISTRY, outage, meter("e01", step="10min", stamp="start", longest_gap="1h")))
    # 8:10 and 8:20 lack of the 40 minutes that are expected; 8:40 and 8:50 lie in the outage
    minutes = (0, 30, 40, 50)
    stream.readings(*(("e01", instant("2018-03-01T08:00") + each * 60_000, "6") for each in minutes), received=0)
    assert stream.value("time.estimated.electricity", HOUR) == 1200
    assert stream.value("qty.electricity.estimated", HOUR) == 12
