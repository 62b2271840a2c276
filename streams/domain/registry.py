"""A snapshot is the whole registry at one version, immutable, with what every reading needs resolved beforehand.

Processes build one at the end of each registry set and switch to it as a whole.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TypeVar, cast

from schemas.documents import (
    Allocation,
    Carrier,
    Certificate,
    Document,
    DocumentKey,
    Enterprise,
    Exchange,
    Indicator,
    Key,
    Limit,
    Measurement,
    Meter,
    Outage,
    Product,
    Profile,
    Province,
    Release,
    ReportedItem,
    Rule,
    Season,
    Settings,
    Source,
    Stop,
    Target,
    Validation,
)
from schemas.documents.settings import SettingsSpec
from schemas.ids import SOURCE, enterprise_of, parse_entity
from schemas.windows import WindowKind
from streams.domain.checks import CheckView, check_views
from streams.domain.energy_resolving import certificate_view, measurement_view, release_view
from streams.domain.energy_views import (
    CertificateView,
    MeasurementView,
    ReleaseView,
)
from streams.domain.hierarchy import Hierarchy
from streams.domain.observation_resolving import observation_view, target_view
from streams.domain.observation_views import TargetView
from streams.domain.resolving import (
    allocation_view,
    carrier_view,
    day_ms,
    enterprise_view,
    key_view,
    pauses_of,
    product_view,
    source_view,
)
from streams.domain.rule_resolving import indicator_view, item_view, limit_view, metric_of, rule_view, unit_of
from streams.domain.rule_views import IndicatorView, ItemView, LimitView, RuleView, SelectView
from streams.domain.season import season_view
from streams.domain.selling import with_bought
from streams.domain.timeline import in_order_of_time
from streams.domain.valuation import Place, Valuations, valuations
from streams.domain.views import (
    AllocationView,
    CarrierView,
    EnterpriseView,
    KeyView,
    MeterView,
    ProductView,
    SourceView,
)

DocumentT = TypeVar("DocumentT")
KeyT = TypeVar("KeyT")
_SHARED = (Carrier, Product, ReportedItem, Indicator, Limit, Rule, Settings, Validation)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Snapshot:
    """The registry at `version`. All mappings are by id, `keys` by hash and `meters` by entity (`meter/ENT.METER`).

    `shared` are the documents that the numbers and alarms of any enterprise may depend on.
    """

    version: int
    documents: Mapping[DocumentKey, Document]
    enterprises: Mapping[str, EnterpriseView]
    meters: Mapping[str, MeterView]
    sources: Mapping[str, SourceView]
    keys: Mapping[str, KeyView]
    carriers: Mapping[str, CarrierView]
    products: Mapping[str, ProductView]
    items: Mapping[str, ItemView]
    releases: tuple[tuple[int, ReleaseView | None], ...]
    purpose: str | None
    indicators: Mapping[str, IndicatorView]
    limits: Mapping[str, LimitView]
    rules: Mapping[str, RuleView]
    checks: tuple[CheckView, ...]
    grace_ms: Mapping[WindowKind, int]
    second_person: tuple[tuple[int, str], ...]
    _units: Mapping[str, str] = field(repr=False)
    hierarchy: Hierarchy = field(repr=False)
    shared: tuple[DocumentKey, ...] = field(repr=False)
    certificates: Mapping[str, tuple[CertificateView, ...]]
    allocations: Mapping[str, tuple[AllocationView, ...]]
    targets: Mapping[str, tuple[TargetView, ...]]
    _measurements: Mapping[str, tuple[MeasurementView, ...]] = field(repr=False)
    _valuations: dict[str | tuple[Place, ...], Valuations] = field(
        default_factory=dict[str | tuple[Place, ...], Valuations], repr=False
    )

    @staticmethod
    def build(version: int, documents: Mapping[KeyT, Document] | Iterable[Document]) -> "Snapshot":
        """Return the snapshot of a set of documents that was accepted as a whole.

        Raises KeyError or ValueError for a set that was not: registration refuses whatever cannot be built.
        """
        every: list[Document] = list(
            cast("Mapping[KeyT, Document]", documents).values() if isinstance(documents, Mapping) else documents
        )
        carriers = {one.id: carrier_view(one) for one in _of(Carrier, every)}
        products = {one.id: product_view(one) for one in _of(Product, every)}
        units = {f"carrier/{one.id}": one.unit for one in carriers.values()}
        units |= {f"product/{one.id}": one.unit for one in products.values()}
        items = {one.id: item_view(one) for one in _of(ReportedItem, every)}
        units |= {f"reported/{one.id}": one.unit for one in items.values()}
        meters_of: defaultdict[str, list[Meter]] = defaultdict(list)
        for meter in _of(Meter, every):
            meters_of[meter.enterprise].append(meter)
        exchanges: defaultdict[str, list[Exchange]] = defaultdict(list)
        for exchange in _of(Exchange, every):
            exchanges[exchange.spec.meter].append(exchange)
        pauses = pauses_of(one for one in every if isinstance(one, Outage | Stop))
        enterprises = {
            one.id: enterprise_view(one, meters_of[one.id], carriers, exchanges, pauses)
            for one in _of(Enterprise, every)
        }
        enterprises = with_bought(enterprises)
        formulas = {one.id: one for one in _of(Indicator, every)}
        indicators = {one.id: indicator_view(one, units, formulas, items) for one in formulas.values()}
        seasons = {one.id: season_view(one) for one in _of(Season, every)}

        def unit(metric: str) -> str:
            return (
                indicators[metric[4:]].unit if metric.startswith("ind.") else unit_of(metric, units) if metric else ""
            )

        profiles = {one.id: one for one in _of(Profile, every)}
        targets = [
            target_view(one, unit(metric_of(one)), profiles)
            for one in sorted(_of(Target, every), key=lambda each: each.id)
        ]
        targets_of: defaultdict[str, list[TargetView]] = defaultdict(list)
        for target in targets:
            targets_of[enterprise_of(target.entity) or target.entity].append(target)
        rules: dict[str, RuleView] = {}
        for one in _of(Rule, every):
            of_metric = unit(metric_of(one))
            observed = observation_view(one, of_metric, targets, indicators)
            rules[one.id] = rule_view(one, of_metric, observed, seasons)
        settings = next((one.spec for one in _of(Settings, every)), SettingsSpec())
        certificates: defaultdict[str, list[CertificateView]] = defaultdict(list)
        for one in sorted(_of(Certificate, every), key=lambda each: each.id):
            certificates[one.spec.enterprise].append(certificate_view(one, carriers))
        allocations: defaultdict[str, list[AllocationView]] = defaultdict(list)
        for one in sorted(_of(Allocation, every), key=lambda each: each.valid_from):
            allocations[one.spec.enterprise].append(allocation_view(one))
        measurements: defaultdict[str, list[MeasurementView]] = defaultdict(list)
        for one in sorted(_of(Measurement, every), key=lambda each: each.id):
            measurements[one.spec.enterprise].append(measurement_view(one, carriers))
        return Snapshot(
            version=version,
            documents={one.key: one for one in every},
            enterprises=enterprises,
            meters={meter.entity: meter for one in enterprises.values() for meter in one.meters},
            sources={one.id: source_view(one) for one in _of(Source, every)},
            keys={one.spec.hash: key_view(one) for one in _of(Key, every)},
            carriers=carriers,
            products=products,
            items=items,
            releases=in_order_of_time((release_view(one, carriers) for one in _of(Release, every)), settings.reporting),
            purpose=settings.purpose,
            indicators=indicators,
            limits={one.id: limit_view(one, indicators[one.spec.indicator].unit) for one in _of(Limit, every)},
            rules=rules,
            checks=check_views(_of(Validation, every)),
            grace_ms=settings.grace.milliseconds(),
            second_person=tuple((day_ms(each.from_), each.corrections) for each in settings.second_person),
            _units=units,
            hierarchy=Hierarchy(every, enterprises),
            shared=tuple(sorted(one.key for one in every if isinstance(one, _SHARED))),
            certificates={id_: tuple(views) for id_, views in certificates.items()},
            allocations={id_: tuple(views) for id_, views in allocations.items()},
            targets={id_: tuple(views) for id_, views in targets_of.items()},
            _measurements={id_: tuple(views) for id_, views in measurements.items()},
        )

    def held_corrections_at(self, at_ms: int) -> str:
        """Return which corrections that come at an instant a second person has to confirm: none, settled or all."""
        return next((which for from_ms, which in reversed(self.second_person) if from_ms <= at_ms), "none")

    def meter(self, entity: str) -> MeterView | None:
        """Return the meter that `meter/ENTERPRISE.METER` names, None when it is not registered."""
        return self.meters.get(entity)

    def release_at(self, at_ms: int) -> ReleaseView | None:
        """Return the release that counts at an instant: the one its reporting year pins, else the one in force."""
        place = bisect_right(self.releases, at_ms, key=itemgetter(0))
        return self.releases[place - 1][1] if place else None

    def releases_over(self, from_ms: int, to_ms: int) -> str | None:
        """Return the ids of the releases that count in a range, joined by `+`; None when there is none."""
        inside = [release for at_ms, release in self.releases if from_ms < at_ms < to_ms]
        ids = {release.id for release in (self.release_at(from_ms), *inside) if release is not None}
        return "+".join(sorted(ids)) or None

    def valuations_of(self, enterprise: str) -> Valuations:
        """Return the coefficients and factors that hold for an enterprise, in order of time."""
        view = self.enterprises[enterprise]
        places = self._places_of(view)
        mine = self._measurements.get(enterprise, ())
        key = enterprise if mine else places
        found = self._valuations.get(key)
        if found is None:
            found = self._valuations[key] = valuations(self.releases, mine, places, self.purpose)
        return found

    def _places_of(self, view: EnterpriseView) -> tuple[Place, ...]:
        """Return in which province and regional grid an enterprise lies, from when on."""
        found: list[Place] = []
        for at_ms in sorted(edge for edge in view.edges_ms if edge < view.to_ms):
            territories = self.territories_of(view.id, at_ms)
            province = next((each[9:] for each in territories if each.startswith("province/")), None)
            document = self.documents.get(DocumentKey("province", province or ""))
            grid = document.spec.grid if isinstance(document, Province) else None
            if not found or found[-1][1:] != (province, grid):
                found.append(Place(at_ms, province, grid))
        return tuple(found)

    @property
    def asks_online(self) -> bool:
        """Whether an indicator or a rule asks for the time in which data came."""
        asked = [each.metric for each in self.rules.values()]
        asked += [name for each in self.indicators.values() for name in (each.numerator, each.denominator or "")]
        return any(name.startswith("online.") for name in asked)

    @property
    def asks_sources(self) -> bool:
        """Whether it matters for numbers or alarms which source sends a meter's readings."""
        return self.asks_online or any(each.select.kind == SOURCE for each in self.rules.values())

    @property
    def asks_tags(self) -> bool:
        """Whether a limit or rule selects meters by their tag."""
        selects = [one.select for one in (*self.rules.values(), *self.limits.values(), *self.checks)]
        return any(select is not None and select.tag is not None for select in selects)

    def unit_of(self, metric: str) -> str:
        """Return the unit of a metric, `ind.ID` included; raise KeyError or MetricError when it is not known."""
        if metric.startswith("ind."):
            return self.indicators[metric[4:]].unit
        return unit_of(metric, self._units)

    def territories_of(self, enterprise: str, at_ms: int) -> tuple[str, ...]:
        """Return the territories (`park/..` and so on) an enterprise lies in at an instant; none outside its days."""
        return self.hierarchy.of(enterprise, at_ms)

    def members(self, entity: str, at_ms: int) -> tuple[str, ...]:
        """Return the ids of the enterprises that lie in a territory at an instant, sorted."""
        return self.hierarchy.members(entity, at_ms)

    def within(self, entity: str, at_ms: int) -> tuple[str, ...]:
        """Return every entity that one lies in at an instant: of a meter or source its enterprise; territories."""
        enterprise = enterprise_of(entity)
        if enterprise is None:
            return self.hierarchy.above(entity)
        territories = self.hierarchy.of(enterprise, at_ms)
        return territories if entity.startswith("enterprise/") else (f"enterprise/{enterprise}", *territories)

    def selects(self, select: SelectView | None, entity: str, at_ms: int) -> bool:
        """Return whether a selection means an entity at an instant; no selection means all."""
        if select is None:
            return True
        kind, id_ = parse_entity(entity)
        if kind == SOURCE:
            # A source's own id is unique; its enterprise stands before it for whom the alarm is about.
            id_ = id_.partition(".")[2]
        if kind != select.kind or (select.ids is not None and id_ not in select.ids):
            return False
        if select.tag is not None:
            meter = self.documents.get(DocumentKey("meter", id_))
            if not isinstance(meter, Meter) or meter.spec.tag != select.tag:
                return False
        return select.within is None or select.within == entity or select.within in self.within(entity, at_ms)

    def rules_for(self, entity: str, at_ms: int) -> tuple[RuleView, ...]:
        """Return the rules that watch an entity at an instant, sorted by id."""
        return tuple(
            rule
            for _, rule in sorted(self.rules.items())
            if rule.from_ms <= at_ms < rule.to_ms and self.selects(rule.select, entity, at_ms)
        )

    def limits_for(self, entity: str, indicator: str, at_ms: int) -> tuple[LimitView, ...]:
        """Return the limits that an entity's indicator is held against at an instant, sorted by id."""
        return tuple(
            limit
            for _, limit in sorted(self.limits.items())
            if limit.indicator == indicator
            and limit.from_ms <= at_ms < limit.to_ms
            and self.selects(limit.select, entity, at_ms)
        )


def _of(kind: type[DocumentT], documents: Iterable[object]) -> Iterable[DocumentT]:
    return (one for one in documents if isinstance(one, kind))
