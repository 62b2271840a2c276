"""An explanation of a number: from a window down to its parts, and from an indicator to what it is made of."""

from collections.abc import Sequence
from fractions import Fraction

from schemas.decimals import MICRO, decimal_text
from schemas.documents.metric import BY_LINE, LINE_TIMES, carrier_in, is_divided
from schemas.windows import Window, children_of, window
from services.explain import wording
from services.explain.facts import Documents
from services.explain.fired import fired
from services.explain.meter_hour import TIMES, is_average, parts_of_average, whole_of
from services.explain.tree import Node, text
from streams.domain.across import GROWTH, ORDER, year_before
from streams.domain.comparison import Said
from streams.domain.flaw import Flaw
from streams.domain.indicator import indicator_value
from streams.domain.looking import home_of
from streams.domain.looking import part_of as children_in
from streams.domain.own import AVERAGE
from streams.domain.registry import Snapshot
from streams.domain.rule_views import IndicatorView
from streams.domain.spans import ESTIMATED, MEASURED, MISSING
from streams.domain.tagging import CONTROLLED
from streams.domain.valuation import variants_of

# So many children that need a word are shown one by one.
SHOWN = 24
UNEXPLAINED = "unexplained."

# A child window, its value, and what is to be said of it.
Telling = tuple[Window, int | None, str]


class Explainer:
    """Explains numbers of one entity from the fold's documents; what is below hours is for `hour`."""

    def __init__(self, snapshot: Snapshot, entity: str, documents: Documents) -> None:
        self.snapshot = snapshot
        self.entity = entity
        self.documents = documents

    def node(self, metric: str, name: str) -> Node:
        """Return the tree of a metric in a window."""
        each = window(name)
        said = self.documents.fold(self.entity, metric, name)
        found = self._head(metric, name, said)
        if metric in CONTROLLED:
            gross, tags = CONTROLLED[metric]
            found.notes.append("the gross total less its parts 总量减去标记部分")
            parts = [each for each in tags if self.documents.fold(self.entity, each, name).value is not None]
            found.children += [self.node(each, name) for each in (gross, *parts)]
        elif metric.startswith("variant."):
            found.notes += [wording.VARIANTS[each] for each in variants_of(said.value or 0)]
        elif metric.startswith("ind."):
            self._indicator(found, self.snapshot.indicators[metric[4:]], name)
        elif metric.startswith(("output.", "reported.")):
            self._output(found, metric, each)
        elif is_average(metric):
            self._average(found, metric, name)
        elif metric.startswith(BY_LINE):
            self._divided(found, metric, each)
        elif each.kind == "hour":
            self._hour(found, metric, each)
        else:
            self._children(found, metric, each)
        found.children += fired(self._flaws(each), each)
        return found

    def _flaws(self, each: Window) -> Sequence[Flaw]:
        """Return what rules found wrong in a window; a territory's is told of its enterprises."""
        return ()

    def _head(self, metric: str, name: str, said: Said) -> Node:
        found = Node(
            f"{self.entity} {metric} {name}: {wording.metric_label(metric)}",
            wording.number(said.value),
            self.snapshot.unit_of(metric),
        )
        status = wording.STATUSES.get(said.status or "", "")
        coverage = self._coverage(metric, name)
        if status or coverage:
            found.notes.append("; ".join(part for part in (status, coverage) if part))
        return found

    def _coverage(self, metric: str, name: str) -> str:
        """Return how much of a window is known, by the times of the carriers that a metric is made of."""
        if metric.startswith(("time.", "online.", "lines.", "output.", "reported.")):
            return ""
        sums = self._times(metric, name)
        expected, measured, estimated = sums
        if not expected:
            return "nothing was expected 无应测时间"
        missing = max(expected - measured - estimated, 0)
        parts = [
            f"{wording.KINDS[kind]} {100 * share / expected:.4g} %"
            for kind, share in ((MEASURED, measured), (ESTIMATED, estimated), (MISSING, missing))
            if share
        ]
        return ", ".join(parts)

    def _times(self, metric: str, name: str) -> tuple[int, int, int]:
        if is_divided(metric):
            expected, *known = (self.documents.fold(self.entity, time, name).value or 0 for time in LINE_TIMES)
            return expected, known[0], known[1]
        document = self.documents.document(self.entity, home_of(window(name)))
        carrier = carrier_in(metric)
        sums = [0, 0, 0]
        for other in document.metrics if document is not None else ():
            for at, lead in enumerate(TIMES):
                if other.startswith(lead) and carrier in (None, other.removeprefix(lead)):
                    sums[at] += self.documents.fold(self.entity, other, name).value or 0
        return sums[0], sums[1], sums[2]

    def _hour(self, found: Node, metric: str, hour: Window) -> None:
        """Put below a number of an hour what it was made from."""
        raise NotImplementedError

    def _divided(self, found: Node, metric: str, each: Window) -> None:
        """Put below what is divided between product lines how that came about."""
        found.notes.append("product lines are an enterprise's own 产品线仅属于企业")

    def _average(self, found: Node, metric: str, name: str) -> None:
        """Put below an average of a gauge the integral and the time it is taken over."""
        meter = self.snapshot.meter(self.entity)
        if meter is None or meter.type != "gauge":
            found.notes.append("only a meter that is a gauge has an average 仅瞬时量计量点有均值")
            return
        hours = f"{meter.valid_hour_ms / 60_000:g} min measured in an hour, {meter.valid_day_hours} such hours in a day"
        found.notes.append(
            "(the integral less its estimated part) / measured time （积分值 − 估算部分）/ 实测时间; "
            f"it needs 有效性要求 {hours}"
        )
        found.children += [self.node(each, name) for each in parts_of_average(meter)]

    def _units(self, metric: str) -> tuple[str, str]:
        """Return the units of a `qty.*`, `integral.*` or `time.*`, and of the amounts it is made of."""
        return self.snapshot.unit_of(metric), self.snapshot.unit_of(whole_of(metric))

    def _children(self, found: Node, metric: str, each: Window) -> None:
        """Put below a number the windows that it is the sum of: in a word those that are whole, else one by one."""
        document = self.documents.document(self.entity, home_of(each))
        if document is None:
            found.notes.append("there is no document of this window: nothing is known of it 无此周期的数据")
            return
        part = children_in(document, each)
        kids = children_of(document.period)[part]
        values = document.metrics.get(metric, [None] * len(document.status))[part]
        statuses = document.status[part]
        kind = wording.WINDOWS[kids[0].kind]
        known = [value for value in values if value is not None]
        found.children.append(
            text(f"the sum of {len(known)} of {len(kids)} {kind} 之和; the others have no value or have not ended")
            if len(known) < len(kids)
            else text(f"the sum of {len(kids)} {kind} 之和")
        )
        plain, telling = self._sorted(metric, kids, values, statuses)
        if plain:
            whole = sum(value for _, value in plain)
            found.children.append(
                Node(f"{len(plain)} {kind} wholly measured 完整实测", decimal_text(whole), found.unit)
            )
        runs = _runs(telling)
        for run in runs[:SHOWN]:
            first, value, why = run[0]
            label = first.name if len(run) == 1 else f"{first.name} .. {run[-1][0].name} ({len(run)} {kind})"
            found.children.append(Node(label, wording.number(value), found.unit, [why] if why else []))
        if len(runs) > SHOWN:
            rest = [value for run in runs[SHOWN:] for _, value, _ in run]
            total = decimal_text(sum(value for value in rest if value is not None))
            found.children.append(Node(f"{len(rest)} more {kind} 其余", total, found.unit))
        if kids:
            first = next((kid for kid, value in zip(kids, values, strict=True) if value is not None), kids[0])
            found.notes.append(f"deeper 下一层: qingyu explain {self.entity} {metric} {first.name}")

    def _sorted(
        self, metric: str, kids: Sequence[Window], values: Sequence[int | None], statuses: Sequence[str | None]
    ) -> tuple[list[tuple[Window, int]], list[Telling]]:
        """Return the children that are whole, and those of which there is something to be said."""
        plain: list[tuple[Window, int]] = []
        telling: list[Telling] = []
        for kid, value, status in zip(kids, values, statuses, strict=True):
            if status is None:
                continue
            expected, measured, estimated = self._times_of_child(metric, kid)
            missing = expected - measured - estimated
            why = [wording.STATUSES["revised"]] if status == "revised" else []
            why += [f"{wording.KINDS[ESTIMATED]} {estimated / 1e6:g} s"] if estimated else []
            why += [f"{wording.KINDS[MISSING]} {missing / 1e6:g} s"] if missing > 0 else []
            if value is None or why:
                telling.append((kid, value, ", ".join(why)))
            else:
                plain.append((kid, value))
        return plain, telling

    def _times_of_child(self, metric: str, kid: Window) -> tuple[int, int, int]:
        return (0, 0, 0) if metric.startswith("time.") else self._times(metric, kid.name)

    def _output(self, found: Node, metric: str, each: Window) -> None:
        """Put below an output where it comes from."""
        if each.kind == "hour":
            found.notes.append("outputs are reported for a day or longer 产量按日或更长周期填报")
            return
        document = self.documents.document(self.entity, home_of(each))
        values = None if document is None else document.metrics.get(metric)
        if document is None or values is None:
            found.notes.append("nothing was reported for this window, nor for all of its parts 未填报")
            return
        kids = children_of(document.period)[children_in(document, each)]
        mine = list(zip(kids, values[children_in(document, each)], strict=True))
        found.children.append(
            text("no value was reported for the window itself: the sum of its parts, if all have one")
        )
        found.children += [Node(kid.name, wording.number(value), found.unit) for kid, value in mine]

    def _indicator(self, found: Node, indicator: IndicatorView, name: str) -> None:
        """Put below an indicator its numerator and denominator, and the quotient before rounding."""
        if indicator.type in (*ORDER, AVERAGE):
            self._windows_of(found, indicator, window(name))
            return
        top = self.documents.fold(self.entity, indicator.numerator, name).value
        bottom = None
        if indicator.denominator is not None:
            bottom = self.documents.fold(self.entity, indicator.denominator, name).value
        metrics = {indicator.numerator: top, indicator.denominator or "": bottom}
        value = indicator_value(indicator, metrics)
        formula = (
            indicator.numerator if indicator.denominator is None else f"{indicator.numerator} / {indicator.denominator}"
        )
        found.notes.append(f"{indicator.id} = {formula} × {indicator.factor} [{indicator.unit}]")
        if top is None or (indicator.denominator is not None and not bottom):
            found.notes.append("a part of it has no value, or is zero 分子或分母无值或为零")
        else:
            exact = Fraction(top, bottom or MICRO) * indicator.factor
            found.notes.append(
                f"exactly 精确值 {wording.fraction(exact)}, rounded half-even 修约 {wording.number(value)}"
            )
        found.children.append(self.node(indicator.numerator, name))
        if indicator.denominator is not None:
            found.children.append(self.node(indicator.denominator, name))

    def _windows_of(self, found: Node, indicator: IndicatorView, each: Window) -> None:
        """Put below an indicator that several windows go into what each of them has."""
        metrics = [indicator.numerator, *([indicator.denominator] if indicator.denominator is not None else [])]
        if indicator.type == GROWTH:
            formula = f"({metrics[0]} / that of the year before 上年同期 - 1) × {indicator.factor}"
            windows = [window(year_before(each.name)), each]
        elif indicator.type == AVERAGE:
            formula = (
                f"the mean of {metrics[0]} over whole {wording.WINDOWS[indicator.over or 'day']} × {indicator.factor}"
            )
            windows = self._kids(each)
        else:
            formula = f"{' / '.join(metrics)} since 1 January 年累计 × {indicator.factor}"
            windows = [kid for kid in children_of(each.name[:4]) if kid.start_ms < each.end_ms]
        found.notes.append(f"{indicator.id} = {formula} [{indicator.unit}]")
        if found.value is None:
            found.notes.append(
                "a window has no value, has not ended, is not above zero, or is in other prices "
                "某一周期无值、未结束、不大于零或价格基期不同"
            )
        for metric in metrics:
            unit = self.snapshot.unit_of(metric)
            found.children += [
                Node(
                    f"{metric} {kid.name}",
                    wording.number(self.documents.fold(self.entity, metric, kid.name).value),
                    unit,
                )
                for kid in windows
            ]

    def _kids(self, each: Window) -> Sequence[Window]:
        document = self.documents.document(self.entity, home_of(each))
        if document is None or each.kind == "hour":
            return ()
        return children_of(document.period)[children_in(document, each)]


def _runs(telling: Sequence[Telling]) -> list[list[Telling]]:
    """Return windows as they are, but those that follow each other without a value, for one reason, together."""
    found: list[list[Telling]] = []
    for each in telling:
        last = found[-1][-1] if found else None
        if last is not None and last[1] is None and each[1] is None and last[2] == each[2]:
            found[-1].append(each)
        else:
            found.append([each])
    return found
