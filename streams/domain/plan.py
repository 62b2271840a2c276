"""A plan is what a snapshot of the registry means to one enterprise's numbers, resolved once for many steps."""

from collections.abc import Mapping
from dataclasses import dataclass

from streams.domain.checks import Checks
from streams.domain.enterprise_digest import enterprise_digest
from streams.domain.lines import Lines
from streams.domain.meter_table import MeterTable
from streams.domain.own import Formulas
from streams.domain.registry import Snapshot
from streams.domain.selling import counterparties
from streams.domain.tagging import certified
from streams.domain.valuation import Valuations
from streams.domain.views import EnterpriseView
from streams.domain.watching import Watcher, watchers


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """An enterprise's meters as a table, what is computed of it, and what it is held against.

    `digest` names all that the enterprise's numbers depend on; `timed` says that something that watches it depends on
    the passing of time; `sold` says who is sold to by which of its meters.
    """

    snapshot: Snapshot
    enterprise: str
    digest: str
    table: MeterTable
    valuations: Valuations
    certified: Mapping[tuple[str, str], int]
    lines: Lines
    formulas: Formulas
    watchers: tuple[Watcher, ...]
    timed: bool
    sold: Mapping[str, tuple[str, ...]]


class Plans:
    """The plans of the enterprises of one snapshot; without `watch` nothing is held against limits and rules."""

    def __init__(self, snapshot: Snapshot, *, watch: bool = True) -> None:
        self.snapshot = snapshot
        self._plans: dict[str, Plan | None] = {}
        self._formulas = Formulas.of(snapshot)
        self._watchers = watchers(snapshot, ("enterprise", "meter", "source")) if watch else ()

    def of(self, enterprise: str) -> Plan | None:
        """Return an enterprise's plan, None when it is not registered."""
        if enterprise not in self._plans:
            self._plans[enterprise] = self._make(enterprise)
        return self._plans[enterprise]

    def _make(self, enterprise: str) -> Plan | None:
        view = self.snapshot.enterprises.get(enterprise)
        if view is None:
            return None
        ids = {
            "enterprise": {enterprise},
            "meter": {f"{enterprise}.{meter.id}" for meter in view.meters},
            "source": {since.id for meter in view.meters for since in meter.sources},
        }
        mine = tuple(
            watcher
            for watcher in self._watchers
            if watcher.select is None or watcher.select.ids is None or watcher.select.ids & ids[watcher.select.kind]
        )
        table = MeterTable(view, self._checks(view))
        return Plan(
            self.snapshot,
            enterprise,
            enterprise_digest(self.snapshot, enterprise),
            table,
            valuations := self.snapshot.valuations_of(enterprise),
            certified(self.snapshot.certificates.get(enterprise, ()), self.snapshot.carriers, valuations),
            Lines(self.snapshot.allocations.get(enterprise, ()), table, self.snapshot.carriers),
            self._formulas,
            mine,
            any(watcher.watch.timed for watcher in mine),
            {meter.id: counterparties(meter) for meter in view.meters if meter.counterparty},
        )

    def _checks(self, view: EnterpriseView) -> Checks:
        rules, selects = self.snapshot.checks, self.snapshot.selects
        if not view.bought:
            return Checks(rules, view, selects)
        sellers = {each.enterprise: self.snapshot.enterprises[each.enterprise] for each in view.bought}
        of_sellers = {name: Checks(rules, one, selects) for name, one in sellers.items()}
        return Checks(rules, view, selects, tuple((each, of_sellers[each.enterprise]) for each in view.bought))
