"""Recomputes a number from a folder of evidence with nothing but its CSV files: `python by_hand.py FOLDER METRIC`."""

import csv
import sys
from collections import defaultdict
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path

MICRO = Decimal("0.000001")


def table(folder: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a file."""
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ms(text: str) -> int:
    """Return an instant as milliseconds."""
    at = datetime.fromisoformat(text)
    return int(at.timestamp()) * 1000 + at.microsecond // 1000


def parts(folder: Path) -> dict[tuple[str, str], Decimal]:
    """Return by (hour, meter) the sum of its parts, each computed from the readings."""
    values = {(row["meter"], row["ts"]): row["value"] for row in table(folder, "readings.csv")}
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in table(folder, "spans.csv"):
        if row["kind"] == "missing":
            assert row["part"] == ""
            continue
        if row["first_value"]:
            assert values[row["meter"], row["from"]] == row["first_value"]
            assert values[row["meter"], row["to"]] == row["last_value"]
        else:
            assert row["last_value"] in (values.get((row["meter"], row["to"])), values.get((row["meter"], row["from"])))
        amount = (Decimal(row["last_value"]) - Decimal(row["first_value"] or 0)) * Decimal(row["per_unit"])
        assert amount == Decimal(row["amount"])
        micro = int(amount / MICRO)
        begin, end = ms(row["from"]), ms(row["to"])
        low, high = ((ms(row[name]) - begin) * micro // (end - begin) for name in ("part_from", "part_to"))
        assert Decimal(high - low) * MICRO == Decimal(row["part"])
        sums[row["hour"], row["meter"]] += Decimal(high - low) * MICRO
    return sums


def quantities(folder: Path) -> dict[tuple[str, str], Decimal]:
    """Return by (hour, carrier) what crossed the boundary."""
    sums = parts(folder)
    found: dict[tuple[str, str], Decimal] = {}
    for row in table(folder, "hours.csv"):
        assert sums[row["hour"], row["meter"]] + Decimal(row["rest"]) == Decimal(row["amount"])
        if row["counted"] == "yes":
            key = row["hour"], row["carrier"]
            found[key] = found.get(key, Decimal(0)) + Decimal(row["sign"]) * Decimal(row["amount"])
    return found


def total(folder: Path, metric: str) -> Decimal:
    """Return the sum of a metric's rounded products."""
    net = quantities(folder)
    found = Decimal(0)
    rows = [row for row in table(folder, "account.csv") if row["metric"] == metric]
    unknown = {row["hour"] for row in rows if not row["rounded"]}
    for row in rows:
        if row["hour"] in unknown:
            continue
        quantity = net[row["hour"], row["carrier"]]
        assert quantity == Decimal(row["quantity"])
        product = quantity * Decimal(row["coefficient"] or 1)
        rounded = product.quantize(MICRO, ROUND_HALF_EVEN)
        assert rounded == Decimal(row["rounded"])
        found += rounded
    return found


def recomputed(folder: Path, metric: str) -> Decimal:
    """Return the number that a folder is about."""
    with localcontext() as context:
        context.prec = 60
        if not metric.startswith("ind."):
            return total(folder, metric)
        [row] = table(folder, "indicator.csv")
        top = total(folder, row["numerator"])
        assert top == Decimal(row["numerator_value"])
        [report] = [each for each in table(folder, "reported.csv") if each["metric"] == row["denominator"]]
        assert Decimal(report["value"]) == Decimal(row["denominator_value"])
        return (top / Decimal(report["value"]) * Decimal(row["factor"])).quantize(MICRO, ROUND_HALF_EVEN)


if __name__ == "__main__":
    sys.stdout.write(f"{recomputed(Path(sys.argv[1]), sys.argv[2])}\n")
