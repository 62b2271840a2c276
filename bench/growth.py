"""The tables of growth: what ingest, scale and recovery came to, as docs/performance.md shows it."""

from collections.abc import Mapping
from typing import Any

from bench.page import measured


def ingest_table(result: Mapping[str, Any]) -> str:
    """Return the lines of the ingest bench, from what bench/results/ingest.json holds."""
    lines = [
        f"{measured(result, 'before')}: medians of three runs.",
        "",
        "| gateways | senders at once | form | readings a batch | encoding | batches a second | readings a second "
        "| p50 [ms] | p99 [ms] | peak memory [MiB] | CPU of the gateway [µs a reading] | limit |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["gateway"]:
        slow, fast = row["readings_per_s_spread"]
        encoding = "plain" if row["encoding"] == "identity" else row["encoding"]
        lines.append(
            f"| {row['gateways']} | {row['connections']} | {row['form']} | {row['readings']} | {encoding} "
            f"| {row['requests_per_s']:,.0f} | **{row['readings_per_s']:,.0f}** ({slow:,} to {fast:,}) "
            f"| {row['p50_s'] * 1000:.0f} | {row['p99_s'] * 1000:.0f} | {row['peak_mib']:.0f} "
            f"| {row['gateway_cpu_us_per_reading']:.1f} | {row['limit']}{_wrong(row)} |"
        )
    lines += ["", *(f"CPU [cores], {_load(row)}: {_cores(row)}." for row in result["gateway"][:1])]
    lines += [
        "",
        "| store | points a reading | points a second | CPU of the sink [µs a point] | CPU of the server [µs a point] "
        "| disk [bytes a point] | peak memory of the sink [MiB] | limit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["sink"]:
        server = row.get("influxdb_cpu_us_per_point")
        lines.append(
            f"| {row['store']} | {row['points_per_reading']:.2f} | **{row['points_per_s']:,}** "
            f"| {row['sink_cpu_us_per_point']:.1f} | {'-' if server is None else f'{server:.1f}'} "
            f"| {row['stored_bytes_per_point']:.0f} | {row['sink_peak_mib']:.0f} | {row['limit']}{_wrong(row)} |"
        )
    lines += [
        "",
        "| store | readings a second, live | records | stored after p50 [s] | p99 [s] | longest [s] |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["sink"]:
        live = row["live"]
        lines.append(
            f"| {row['store']} | {live['readings_per_s']:,} | {live['records']:,} | {live['lag_p50_s']:.2f} "
            f"| {live['lag_p99_s']:.2f} | {live['lag_max_s']:.2f} |"
        )
    return "\n".join(lines)


def _wrong(row: Mapping[str, Any]) -> str:
    return "" if row["correct"] else "; WRONG: not all was kept"


def _load(row: Mapping[str, Any]) -> str:
    return f"{row['gateways']} gateway, {row['form']}, {row['readings']} readings a batch"


def _cores(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{role} {cores:.2f}" for role, cores in row["cpu_cores"].items())
