"""The page of a folder of evidence says in plain sentences how each file follows from the one before."""

from pathlib import Path

from schemas.documents.metric import BY_LINE
from services.explain import wording
from services.explain.asking import Explanation
from streams.domain.lines import LINE, PRODUCT

_OF_FILES: dict[str, str] = {
    "readings.csv": """**readings.csv** holds every reading that the number rests on: those of the window, and the
neighbours before and after that its edges need. Of an instant the highest revision counts. A row without a value is
a void; a row of quality `maintenance` or `fault` does not count either. All others do.""",
    "spans.csv": """**spans.csv** follows from readings.csv. A register gives a span between each two neighbouring
readings that count: `amount = (last_value - first_value) x per_unit`. An interval meter gives one span a reading:
`amount = last_value x per_unit`. A gauge gives one span a reading, over the time it stands: until the next if that
comes within 1.5 steps, else for one step. Of a rate (`integrated`) `amount = last_value x per_unit x seconds / 3600`,
of a level (`held`) `amount = last_value x per_unit x seconds`; `part` is the same over the time in the hour, and the
hour is summed up before it is rounded. `per_unit` is what one unit of the meter is worth in the unit of its carrier
(multiplier and conversion; registry.yaml). Of a span that an hour's edge cuts, the hour gets `part = F(part_to) -
F(part_from)` with `F(t) = floor(A x (t - from) / (to - from))`, `A` the amount in millionths of the unit, times in
milliseconds; else `part = amount`. A span of kind `missing` gives nothing, for its `reason`. `estimated` are spans
longer than one and a half expected steps that an edge of an hour cuts (`gap`), and those that a source marked so
(`marked`). A span without values stands for a slot without a reading: `line` is put in by a straight line between the
slots before and after the gap, `like_day` is the mean of the same slot on its `like_days`. A register's span with
`like_days` (those of the row's hour) is shared by weight: `F(t) = floor(A x W(t) / W(to))`, with `W(t)` the weight of
its hours from its begin to `t`, within an hour by time. An hour weighs what the like days of its day counted in that
hour, in the mean of them; each of these is explained by `qingyu explain` of the meter on that day.""",
    "hours.csv": """**hours.csv** follows from spans.csv. For each hour and meter: `amount` = the sum of its parts, plus
`rest` (0 unless the rules of registers count something besides; of a gauge the rounding of its sum). `sign` is +1
for an input and -1 for an output over the boundary. `counted` is `no` where nothing of the hour is known: then it is
missing, not zero.""",
    "account.csv": """**account.csv** follows from hours.csv. For each hour and carrier: `quantity` = the sum of `sign x
amount` over the meters of the carrier (of an estimated part: of the parts of kind `estimated`; of a time: of the
seconds). Where there is a coefficient: `exact` = `quantity x coefficient`, and `rounded` is `exact` rounded
half-even to six decimals, once. The coefficient is that of the release named, or one that the enterprise measured
(`variant` is `measured`, `province`, `grid` or `national`), with its source (registry.yaml); `..` at its end means that
it goes on: it is heating value x carbon content x oxidation x 44/12 of the row in registry.yaml, not rounded. A
row without `rounded` has no coefficient, and then its hour has no value.""",
    "lines.csv": """**lines.csv** tells how energy was divided between product lines (registry.yaml: allocation), for
each window that was divided: `energy = own + floor(E x to_weight / whole) - floor(E x from_weight / whole)`, `E` =
`shared` in millionths. Of a line `own` is the sum of the rows of account.csv with its metric
`energy.*.own.LINE` and `shared` the common energy: the sum of those of the enterprise's `energy.*` less all
lines' own, over the hours in which all meters are wholly covered (hours.csv); of a product `shared` is the
energy of the line. Weights are the declared shares, or output x weight (reported.csv), in the order of ids.""",
    "reported.csv": """**reported.csv** holds the values that were reported for the window, or for its parts.""",
    "members.csv": """**members.csv** holds the value of each member of the territory. Where all of them are members
through all of the window, the territory's value is their sum; else it is the sum of its days, each with the members
of that day. Each of these values is explained by `qingyu explain` of that enterprise.""",
    "indicator.csv": """**indicator.csv**: `value = numerator_value / denominator_value x factor`, or `numerator_value x
factor` without a denominator, rounded half-even to six decimals. `factor` turns the units of both into that of the
indicator.""",
    "registry.yaml": """**registry.yaml** holds the documents of the registry that were used: meters with their
multipliers, releases with coefficients, factors and sources, the boundary, the indicator.""",
    "explanation.json": "**explanation.json** is the same explanation as a tree, as it is shown at the terminal.",
}


def read_me(folder: Path, explanation: Explanation, needed: list[str]) -> str:
    """Return the text of the page for the files that lie in a folder."""
    entity, metric, name = explanation.question
    value = wording.number(explanation.replay.value) or "no value"
    parts = [
        f"# Evidence: {metric} of {entity} in {name}",
        f"{wording.metric_label(metric)}. Computed from the readings: **{value} {explanation.unit}**".rstrip()
        + f" ({explanation.replay.status or 'no status'}). The series says: "
        + f"{wording.number(explanation.series.value) or 'no value'} ({explanation.series.status or 'no status'}).",
        _sum(needed, folder, metric),
        *(
            text.replace("\n", " ")
            for file, text in _OF_FILES.items()
            if (folder / file).exists() or file == "explanation.json"
        ),
        "`sha256sum -c SHA256SUMS` tells whether a file was changed.",
        *explanation.notes,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _sum(needed: list[str], folder: Path, metric: str) -> str:
    if (folder / "members.csv").exists():
        return "The number is made from members.csv."
    if (folder / "lines.csv").exists() and metric.startswith(BY_LINE):
        if metric[10:].startswith((LINE, PRODUCT)):
            return f"The number is the sum of `energy` over the rows of lines.csv with metric `{metric}`."
        if metric[10:].startswith("unallocated"):
            return "The number is the enterprise's (`rounded` in account.csv) less the sum of `energy` in lines.csv."
        return "The number follows from account.csv, over the hours in which all meters are wholly covered (hours.csv)."
    if metric.startswith("ind."):
        return (
            "The number is that of indicator.csv. Its numerator is the sum of `rounded` over the rows of account.csv "
            "with that metric; a denominator `output.*` stands in reported.csv."
        )
    if metric.startswith(("avg.", "rate.")):
        factor = "" if metric.startswith("avg.") else " x 3600"
        if len(needed) < 2:
            return "Only a meter that is a gauge has an average."
        return (
            f"The number is an average: the sum of `rounded` over the rows of account.csv with metric `{needed[0]}`, "
            f"less that of `{needed[1]}`, divided by that of `{needed[2]}`{factor}, rounded half-even to six decimals. "
            "It exists where enough was measured: see `validity` in registry.yaml, else HJ 75-2017."
        )
    if needed[0].startswith(("output.", "reported.")):
        return (
            "The number is the reported value of this window in reported.csv, else the sum of those of all its parts."
        )
    return (
        f"The number is the sum of `rounded` over the rows of account.csv with metric `{metric}`, without the hours of "
        "which a row has none."
    )
