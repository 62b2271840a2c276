"""The stream of a page over real HTTP: what changed, since when, heartbeats, and its end."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from schemas.windows import HOUR_MS
from services.console.feed import POLL_S
from streams.stores.embedded import EmbeddedStore
from streams.stores.series import WindowPoint
from tests.api_server import OPERATOR, RunningApi
from tests.console.city import CITY, METER, SCHOOL, STEEL, TODAY_MS, point
from tests.running import until


class Events:
    """The events of a stream as they come: (name, data, id)."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()

    def next(self) -> tuple[str, dict[str, Any], str]:
        """Return the next event; comments and `retry` are passed over."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line and "data" in fields:
                return fields["event"], json.loads(fields["data"]), fields.get("id", "")
            name, _, value = line.partition(": ")
            fields[name] = value
        raise AssertionError("the stream ended")

    def change(self) -> tuple[dict[str, Any], str]:
        """Return the next change and its mark."""
        while True:
            name, data, mark = self.next()
            assert name in ("beat", "change"), name
            if name == "change":
                return data, mark


@contextmanager
def stream(board: RunningApi, entity: str, since: str = "", token: str = OPERATOR, **headers: str) -> Iterator[Events]:
    headers = {"Cookie": f"qingyu_token={token}", **headers}
    address = f"{board.url}/board/live/{entity}?language=en&since={since}"
    with httpx.Client(timeout=120) as client, client.stream("GET", address, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Events(answer)


def put_hour(board: RunningApi, entity: str, value: float, hour: int = 14) -> None:
    board.store.write([point("hour", entity, "energy.cv", TODAY_MS + hour * HOUR_MS, value)])


def loaded(board: RunningApi, entity: str) -> str:
    """Return the mark that whoever loads a page in English has seen."""
    headers = {"Cookie": f"qingyu_token={OPERATOR}; qingyu_language=en"}
    page = httpx.get(f"{board.url}/board/{entity}", headers=headers, timeout=120).text
    return page.partition('data-since="')[2].partition('"')[0]


def test_a_stream_begins_with_a_heartbeat_and_tells_only_what_changes_after_the_page(board: RunningApi) -> None:
    with stream(board, SCHOOL, loaded(board, SCHOOL)) as events:
        name, beat, _ = events.next()
        assert (name, beat["trouble"]) == ("beat", False)
        put_hour(board, SCHOOL, 4321.5)
        changed, mark = events.change()
        assert changed["points"]["hours"] == [[TODAY_MS + 14 * HOUR_MS, 4.3215, 0.0]]
        assert changed["cells"]["h/14/today"] == "4.322"
        assert "alarms" not in changed["cells"]
        assert mark


def test_a_change_is_sent_soon_and_is_small(board: RunningApi) -> None:
    with stream(board, SCHOOL, loaded(board, SCHOOL)) as events:
        events.next()
        begun_s = time.monotonic()
        put_hour(board, SCHOOL, 777.0)
        changed, _ = events.change()
        assert time.monotonic() - begun_s < 5
        assert len(json.dumps(changed)) < 5000


def test_whoever_was_away_is_told_all_that_changed_meanwhile_at_once(board: RunningApi) -> None:
    mark = loaded(board, SCHOOL)
    with stream(board, SCHOOL, mark) as events:
        put_hour(board, SCHOOL, 1001.0, 10)
        events.change()
        put_hour(board, SCHOOL, 1002.0, 11)
        events.change()
    with stream(board, SCHOOL, **{"Last-Event-ID": mark}) as events:
        changed, _ = events.change()
        assert [row[0] for row in changed["points"]["hours"]] == [TODAY_MS + hour * HOUR_MS for hour in (10, 11)]


def test_whoever_has_seen_nothing_is_told_everything_or_to_load_the_page_anew(board: RunningApi) -> None:
    layout, epoch, _ = loaded(board, SCHOOL).split("-")
    with stream(board, SCHOOL, f"{layout}-otherepoch-17") as events:
        changed, _ = events.change()
        assert {"tile/hour", "alarms", "clock", "hero"} <= changed["cells"].keys()
    with stream(board, SCHOOL, f"olderlayout-{epoch}-1") as events:
        assert events.next()[0] == "beat"
        assert events.next()[0] == "reload"


def test_an_enterprises_stream_has_nothing_of_others(board: RunningApi) -> None:
    with stream(board, STEEL, token="steel-token") as events:
        changed, _ = events.change()
        text = json.dumps(changed, ensure_ascii=False)
        assert "School" not in text
        assert "Cement" not in text


def test_a_reading_reaches_the_stream_of_its_meter(board: RunningApi) -> None:
    with stream(board, METER, loaded(board, METER)) as events:
        events.next()
        at_ms = TODAY_MS + 15 * HOUR_MS + 20 * 60_000
        board.store.write([point("hour", METER, "qty.electricity", at_ms, 12.5)])
        changed, _ = events.change()
        assert changed["points"]["hours"][0][:2] == [TODAY_MS + 15 * HOUR_MS, 12.5]


def test_one_reading_of_the_store_serves_all_watchers_and_ends_with_the_last(board: RunningApi) -> None:
    feeds = board.app.state.feeds
    with stream(board, CITY) as first, stream(board, CITY) as second:
        assert first.change()[1] == second.change()[1]
        assert feeds.of(CITY).watchers == 2
    until(lambda: feeds.of(CITY).watchers == 0, what="the watchers to be gone")


def test_a_page_on_which_nothing_changes_leaves_the_store_alone(
    board: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    series = EmbeddedStore.series

    def counted(store: EmbeddedStore, entity: str, *rest: Any) -> list[WindowPoint]:
        if entity == STEEL:
            asked.append(entity)
        return series(store, entity, *rest)

    # On a busy machine the time may come at which a page is read whether something changed or not.
    monkeypatch.setattr("services.console.feed.SLOW_S", 600.0)
    with stream(board, STEEL, loaded(board, STEEL)) as events:
        events.next()
        put_hour(board, STEEL, 3.25)
        events.change()
        monkeypatch.setattr(EmbeddedStore, "series", counted)
        put_hour(board, CITY, 5.5)
        time.sleep(2 * POLL_S)
        assert not asked
        put_hour(board, STEEL, 6.75)
        events.change()
        assert asked == [STEEL]


@pytest.mark.parametrize("mark", ["", "x", "--", "a-b-c", "%00", "9" * 79])
def test_a_mark_that_makes_no_sense_does_no_harm(board: RunningApi, mark: str) -> None:
    with stream(board, SCHOOL, mark) as events:
        assert events.next()[0] == "beat"
