"""Quality (数据质量) is what is to be said of data themselves: how much there is, how long none came, what is wrong."""

from fractions import Fraction

from schemas.decimals import MICRO, divide_half_even
from schemas.windows import HOUR_MS, Window
from streams.domain.alarm import Value
from streams.domain.figures import Figures, amount, none, percent, share_text
from streams.domain.observation_views import ObservationView

# All carriers together, where no metric is named.
_OF_ALL = "energy.cv"
_NAMED_AT_MOST = 5


def coverage(observed: ObservationView, each: Window, figures: Figures) -> Value:
    """Return the share [1e-6 %] of a window's time of which there are data, once it is over."""
    if not figures.over(each):
        return none(f"{each.name} is not over yet")
    share = figures.value(observed.metric or _OF_ALL, each).coverage
    if share is None:
        return none(f"no data are expected in {each.name}")
    # The share is told as it is; that it is short does not make it less certain.
    return Value(round(share * 100 * MICRO), None)


def silence(observed: ObservationView, each: Window, figures: Figures) -> Value:
    """Return the longest time [1e-6 h] without a reading that reaches into a window, as far as time has come."""
    silent_ms = figures.silent_ms(each)
    if silent_ms is None:
        return none(f"nothing is expected to send in {each.name}")
    return Value(divide_half_even(silent_ms * MICRO, HOUR_MS), None)


def findings(observed: ObservationView, each: Window, figures: Figures) -> Value:
    """Return how many findings [1e-6] are open on a window's readings, of the rules that count."""
    mine = [flaw for flaw in figures.findings(each) if observed.rules is None or flaw.rule in observed.rules]
    names = sorted({f"{flaw.rule} at {flaw.meter}" if flaw.meter else flaw.rule for flaw in mine})
    more = len(names) - _NAMED_AT_MOST
    told = ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
    return Value(len(mine) * MICRO, None, told)


def balance(observed: ObservationView, each: Window, figures: Figures) -> Value:
    """Return what sub-meters do not explain [1e-6 % of what their meters measured], more or less alike."""
    carrier = observed.metric.partition(".")[2]
    rest, whole = figures.value(observed.metric, each), figures.value(f"qty.{carrier}", each)
    if rest.micro is None:
        return none(f"no value in {each.name}: meters and sub-meters must both be covered", rest.coverage)
    if not whole.micro:
        return none(f"nothing was measured in {each.name} that could be explained", whole.coverage)
    told = f"{amount(rest.micro, observed.unit)} of {amount(whole.micro, observed.unit)}{share_text(whole.coverage)}"
    return Value(percent(abs(rest.micro), abs(Fraction(whole.micro))), rest.coverage, told)


def running(observed: ObservationView, each: Window, figures: Figures) -> Value:
    """Return the metric's own value, but none where production stands still, starts up or shuts down, or is exempt."""
    for stop in figures.stops():
        if stop.meets(each.start_ms, each.end_ms):
            return none(f"production stands still in {each.name}")
        if stop.meets(each.start_ms - observed.start_up_ms, each.end_ms):
            return none(f"production starts up in {each.name}")
        if stop.meets(each.start_ms, each.end_ms + observed.shut_down_ms):
            return none(f"production shuts down in {each.name}")
    if any(time.meets(each.start_ms, each.end_ms) for time in observed.exempt):
        return none(f"{each.name} is exempt")
    return figures.value(observed.metric, each)
