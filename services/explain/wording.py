"""Wording is how an explanation speaks: labels in English and Chinese, instants in local time, exact decimals."""

from fractions import Fraction

from schemas.decimals import decimal_text
from schemas.documents.metric import BY_LINE
from schemas.windows import local_datetime
from streams.domain.energy_views import Exact
from streams.domain.selling import FOREIGN
from streams.domain.spans import ESTIMATED, MEASURED, MISSING, Reading
from streams.domain.views import MeterView

ROLES = {"input": "input 输入", "output": "output 输出", "sub": "sub-meter 分表", "generation": "own generation 自发"}
KINDS = {MEASURED: "measured 实测", ESTIMATED: "estimated 估算", MISSING: "missing 缺失"}
STATUSES = {"provisional": "provisional 未定", "settled": "settled 已定", "revised": "revised 已修订"}
WINDOWS = {"hour": "hours 小时", "day": "days 日", "month": "months 月", "quarter": "quarters 季", "year": "years 年"}
REASONS = {
    "gap": "a gap: shared by time over the hours 间隔按时间分摊",
    "marked": "its source marks it as estimated 来源标记为估算",
    "unexplained": "the register falls, and nothing explains why 表码下降且无解释",
    "ambiguous": "the register falls after so long that it may have turned twice 间隔过长，可能翻转不止一次",
    "incomplete": "a value at an exchange or a change of the multiplier is missing 换表或倍率变更时缺少示值",
    "over_ceiling": "more than the meter can count in the time 超过该时段内可能的最大值",
    "possibly_turned": "so long that the register may have turned unseen 间隔过长，可能已翻转",
    "line": "no reading: a straight line between its neighbours 缺数，按相邻区间线性插补",
    "like_day": "estimated by like days 按相似日估算",
    "catch_up": "a gap that is not filled: the interval after it may hold all of it 间隔后首值可能含整段用量，不插补",
    "integrated": "a rate, integrated over the time it stands 瞬时值按时间积分",
    "held": "a level, weighted by the time it stands 瞬时值按时间加权",
    "over_range": "larger than can be counted 超出可计范围",
}
VARIANTS = {
    "measured": "measured by the enterprise 企业实测",
    "province": "of the province 省级",
    "grid": "of the regional grid 区域电网",
    "national": "of the nation 全国缺省",
}
TAGGED = {
    "feedstock": "feedstock in it 其中原料用能",
    "renewable": "renewable in it 其中可再生能源",
    "green": "covered by certificates 其中绿证覆盖",
    "generated": "own generation 自发量",
    "selfused": "own use of own generation 自发自用量",
    "purchased": "purchased less sold 净外购量",
}
PARTS = {
    "feedstock": "what is measured as feedstock 原料用能计量",
    "generated": "what the enterprise generates itself 自发量",
    "selfused": "generated less exported, at least 0 自发自用 = 自发 - 外送",
    "renewable": "generated from sun or wind less exported, at least 0; of a renewable carrier all that is used 可再生",
    "purchased": "bought less sold 外购减外售",
}
METRICS = {
    "energy.cv.controlled": "coal equivalent under control, calorific 控制口径当量值",
    "energy.eq.controlled": "coal equivalent under control, equivalent 控制口径等价值",
    "co2.controlled": "emissions, market based 基于市场的排放",
    "qty": "quantity 实物量",
    "unexplained": "what sub-meters do not explain 分表不明差",
    "energy.cv": "coal equivalent by calorific value 当量值",
    "energy.eq": "coal equivalent by equivalent value 等价值",
    "energy.cv.estimated": "estimated part of the coal equivalent 当量值中的估算部分",
    "co2.fuel": "emissions of fuel 燃料燃烧排放",
    "co2.process": "emissions of processes 过程排放",
    "co2.power": "emissions of purchased electricity 购入电力排放",
    "co2.heat": "emissions of purchased heat 购入热力排放",
    "co2.total": "all emissions 排放总量",
    "gas": "mass of a gas 气体排放质量",
    "co2e": "a gas as carbon dioxide, by the release's warming potentials 二氧化碳当量",
    "variant": "whose coefficients and factors it stands on 系数因子来源",
    "avg": "average over measured time 实测时间加权均值",
    "rate": "average rate over measured time 实测时间平均流率",
    "integral": "integral over time 时间积分",
    "time": "metered time 计量时间",
    "online": "online time 在线时间",
    "output": "output 产量",
    "reported": "reported value 填报值",
    "ind": "indicator 指标",
}
BY_LINES = {
    "lines.": "time of all meters that product lines rest on 产品线所涉计量时间",
    ".line.": "energy of a product line 产品线能耗",
    ".own.": "what a product line's own meters measured 产品线直接计量能耗",
    ".product.": "energy of a product 产品能耗",
    ".common": "what is used in common 公用能耗",
    ".unallocated": "what is no product line's 未分摊能耗",
}
_PLACES = 30


def metric_label(metric: str) -> str:
    """Return what a metric is."""
    if metric.startswith(("qty.", "integral.")) and metric.endswith(".estimated"):
        return "estimated part of the quantity 实物量中的估算部分"
    if metric.startswith(BY_LINE):
        return next(label for part, label in BY_LINES.items() if part in metric)
    if metric.endswith(".integrated"):
        return "part of the quantity that was integrated from a rate 实物量中由瞬时值积分的部分"
    for part, label in TAGGED.items():
        if metric.endswith("." + part):
            return label
    return METRICS.get(metric) or METRICS.get(metric.partition(".")[0], "")


def role(meter: MeterView) -> str:
    """Return what a meter is to the enterprise whose balance it stands in."""
    return "sold to it, by the seller's meter 售方计量" if meter.id.startswith(FOREIGN) else ROLES[meter.role]


def reason(code: str) -> str:
    """Return why a span is estimated or missing."""
    return REASONS.get(code, code)


def instant(ms: int) -> str:
    """Return an instant as local text."""
    at = local_datetime(ms)
    if ms % 1000:
        return at.isoformat(timespec="milliseconds")[:23]
    return f"{at:%Y-%m-%dT%H:%M:%S}" if ms % 60_000 else f"{at:%Y-%m-%dT%H:%M}"


def day(ms: int) -> str:
    """Return a day by its first instant."""
    return f"{local_datetime(ms):%Y-%m-%d}"


def said(reading: Reading, scale: int) -> str:
    """Return the value of a reading."""
    return "void 作废" if reading.value is None else decimal_text(reading.value, scale)


def number(value: int | None) -> str | None:
    """Return a value at 1e-6 of its unit as exact decimal text."""
    return None if value is None else decimal_text(value)


def fraction(value: Fraction) -> str:
    """Return a fraction as decimal text, exact where that ends, else cut off and marked so."""
    whole, rest = divmod(abs(value.numerator) * 10**_PLACES, value.denominator)
    text = decimal_text(whole if value >= 0 else -whole, _PLACES)
    return text if not rest else f"{text[: text.index('.') + 13] if '.' in text else text}.."


def worth(value: Exact) -> str:
    """Return what a unit is worth as decimal text, exact where that ends, else cut off and marked so."""
    if value.divisor == 1:
        return decimal_text(value.numerator, value.scale)
    return fraction(Fraction(value.numerator, value.denominator))
