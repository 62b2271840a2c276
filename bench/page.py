"""The page of figures, docs/performance.md: what a bench measured stands between marks, the words stay."""

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def worker_table(result: dict[str, Any]) -> str:
    """Return the lines of the worker's bench, from what bench/results/worker.json holds."""
    machine = result["machine"]
    lines = [
        f"Measured at commit `{result['commit'][:12]}`, Python {machine['python']}, {machine['cores']} cores, load "
        f"{machine['load']:.1f} at the end: {result['readings']:,} readings a run, {result['batch']} a batch.",
        "",
        "| contender | CPU [µs a reading] | readings a second | peak memory [MiB] | outputs checked |",
        "|---|---|---|---|---|",
    ]
    for run in result["runs"]:
        checked = {None: "-", True: "all right", False: "WRONG"}[run["correct"]]
        lines.append(
            f"| {run['contender']} | {run['cpu_us_per_reading']:.2f} | {run['readings_per_s']:,.0f} "
            f"| {run['peak_mib']:.0f} | {checked} |"
        )
    by, depth = result["median_cpu_us_per_reading"], result["ratio_of_depth"]
    lines += [
        "",
        f"Medians: bare {by['bare']:.2f} µs, Qingyu {by['qingyu']:.2f} µs, **ratio {result['ratio']:.2f}** (limit 3); "
        f"in depth {by['qingyu, in depth']:.2f} µs, **{depth:.2f}** times the plain city (limit 1.3).",
    ]
    return "\n".join(lines)


def latency_table(result: dict[str, Any]) -> str:
    """Return the lines of the latency bench, from what bench/results/latency.json holds."""
    machine = result["machine"]
    lines = [
        f"Measured at commit `{result['commit'][:12]}`, Python {machine['python']}, {machine['cores']} cores, load "
        f"{machine['load']:.1f} at the end: {result['readings_a_batch']} readings a batch, a minute after thirty "
        "seconds of warming up.",
        "",
        "| store | readings a second | batches | p50 [s] | p95 [s] | p99 [s] | longest [s] | CPU [cores] |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in result["runs"]:
        cpu = ", ".join(f"{role} {cores:.2f}" for role, cores in run["cpu_cores"].items() if cores >= 0.01)
        lines.append(
            f"| {run['store']} | {run['readings_per_s']:,.0f} | {run['batches']} | {run['p50_s']:.2f} "
            f"| **{run['p95_s']:.2f}** | {run['p99_s']:.2f} | {run['max_s']:.2f} | {cpu} |"
        )
    lines += ["", f"The limit is p95 {result['limit_p95_s']:g} s. CPU is that of our processes, without the servers."]
    return "\n".join(lines)


def write_table(name: str, table: str) -> None:
    """Put a table between the marks of a name in the page; raise ValueError when the page does not have them."""
    begin, end = f"<!-- {name}: written by the bench -->", f"<!-- end of {name} -->"
    text = PAGE.read_text(encoding="utf-8")
    changed, count = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}",
        lambda _: f"{begin}\n\n{table}\n\n{end}",
        text,
        flags=re.DOTALL,
    )
    if count != 1:
        raise ValueError(f"{PAGE} does not have the marks {begin} and {end} once each, in this order")
    PAGE.write_text(changed, encoding="utf-8")
