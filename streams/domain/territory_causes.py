"""A territory's cause is what made a settled number of it another one: changes of members, values reported, registry.

A member's own revisions of the same window tell which readings were behind it.
"""

from collections.abc import Iterable

from schemas.messages import Cause, CausingReport, Reported
from schemas.windows import Window, window
from streams.domain.causes import NAMED_AT_MOST, Known


class TerritoryCauses:
    """What came of members and reports since their year was added up last.

    A territory has no clock of its own: what tells no time of its own became known with the latest arrival there is.
    """

    def __init__(self) -> None:
        self._latest_ms = 0
        self._members: dict[str, dict[str, dict[str, int]]] = {}  # territory -> day -> enterprise id -> arrival
        self._reports: dict[str, list[Reported]] = {}  # by territory

    @property
    def latest_ms(self) -> int:
        """When the latest arrival was [epoch ms], 0 before the first."""
        return self._latest_ms

    def pass_to(self, arrived_ms: int) -> None:
        """Note that something arrived."""
        self._latest_ms = max(self._latest_ms, arrived_ms)

    def add_members(self, territory: str, day: str, later: Iterable[tuple[str, int]]) -> None:
        """Note members (ids) whose hours of a day hold later readings than before, and when those came."""
        for id_, at_ms in later:
            mine = self._members.setdefault(territory, {}).setdefault(day, {})
            mine[id_] = max(mine.get(id_, 0), at_ms)

    def add_report(self, report: Reported) -> None:
        """Note a value reported for a territory itself."""
        self._reports.setdefault(report.entity, []).append(report)

    def forget(self, year: str) -> None:
        """Forget what came of a year, as all of it is added up."""
        for days in self._members.values():
            for day in [day for day in days if day[:4] == year]:
                del days[day]
        for entity, reports in self._reports.items():
            self._reports[entity] = [report for report in reports if report.period[:4] != year]

    def of(self, territory: str, each: Window, versions: tuple[int, int]) -> Known:
        """Return what changed a window of a territory; `versions` are those of the registry before and now."""
        members: dict[str, int] = {}
        for day, came in self._members.get(territory, {}).items():
            at = window(day)
            if at.start_ms < each.end_ms and at.end_ms > each.start_ms:
                members |= {id_: max(at_ms, members.get(id_, 0)) for id_, at_ms in came.items()}
        reports = [
            report
            for report in self._reports.get(territory, ())
            if window(report.period).start_ms < each.end_ms and window(report.period).end_ms > each.start_ms
        ]
        names = [f"enterprise/{id_}" for id_ in sorted(members)]
        cause = Cause(
            reported=[CausingReport(one.metric, one.period, one.rev, one.reporter, one.received) for one in reports],
            registry=versions[1] if versions[0] != versions[1] else None,
            members=names[:NAMED_AT_MOST],
            more=max(len(names) - NAMED_AT_MOST, 0),
        )
        arrivals = [*members.values(), *(report.received for report in reports)]
        return Known(cause, max(arrivals, default=self._latest_ms))
