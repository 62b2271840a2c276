"""The tables of growth: what ingest, scale and recovery came to, as docs/performance.md shows it."""

from collections.abc import Mapping, Sequence
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


def scale_table(result: Mapping[str, Any]) -> str:
    """Return the lines of the bench of scale, from what bench/results/scale.json holds."""
    lines = [
        f"{measured(result, 'before')}: medians of up to three runs, lowest and highest in brackets.",
        "",
        "| case | enterprises x meters | readings counted | CPU [µs a reading] | against | ratio | readings a second "
        "| peak memory of a worker [MiB] (when ready) | changelog [bytes a reading] | ready after [s] |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["cases"]:
        low, high = row["cpu_us_per_reading_spread"]
        ratio = f"**{row['cpu_us_per_reading_ratio']:.2f}**" if "control" in row else "-"
        lines.append(
            f"| {row['case']} | {row['enterprises']:,.0f} x {row['meters']:,.0f} | {row['readings']:,.0f} "
            f"| {row['cpu_us_per_reading']:.2f} ({low:.2f} to {high:.2f}) | {row.get('control', '-')} | {ratio} "
            f"| {row['readings_per_s']:,.0f} | {row['peak_mib']:.0f} ({row['opened_mib']:.0f}) "
            f"| {row['changelog_bytes_per_reading']:.1f} "
            f"| {row['opened_s']:.1f}{'' if row['correct'] else '; WRONG'} |"
        )
    lines += ["", f"State: {_state(result['cases'])}."]
    if result["cpu"] is not None:
        cpu = result["cpu"]
        lines += [
            "",
            f"What the CPU of the cases without history and late data is made of, by least squares: "
            f"**{cpu['reading_us']:.2f} µs a reading, {cpu['visit_us']:.0f} µs a visit, {cpu['step_us']:,.0f} µs a "
            f"step** of a partition; the case furthest off is off by {cpu['largest_error'] * 100:.0f} %.",
        ]
    return "\n".join(lines)


def _state(rows: Sequence[Mapping[str, Any]]) -> str:
    low, high = (pick(row["state_bytes_per_meter_hour"] for row in rows) for pick in (min, max))
    held = [row for row in rows if row["history_days"]]
    longest = max(held, key=lambda row: row["history_days"], default=None)
    text = f"{low:.0f} to {high:.0f} bytes a meter and hour of minute data on topic `state`"
    if longest is None:
        return text
    disk_kib = longest["disk_bytes_per_meter"] / 1024
    return f"{text}; {disk_kib:,.0f} KiB a meter on the worker's disk with {longest['case']}"


def recovery_table(result: Mapping[str, Any]) -> str:
    """Return the lines of the bench of recovery, from what bench/results/recovery.json holds."""
    state, series = result["state"], result["series"]
    lines = [
        f"{measured(result, 'before')}.",
        "",
        "| ready after the start on an empty installation | median [s] | least [s] | most [s] |",
        "|---|---|---|---|",
        *(f"| {name} | {_seconds(each)} |" for name, each in result["starts"].items() if name != "name"),
        "",
        f"| worker of {state['meters']:,} meters, {state['days']} day of state ({state['entries']:,} entries, "
        f"{state['bytes'] / 2**20:,.0f} MiB) | median [s] | least [s] | most [s] |",
        "|---|---|---|---|",
        f"| registry only, no state: the control | {_seconds(state['without_state'])} |",
        f"| stopped, started again with its disk | {_seconds(state['stopped'])} |",
        f"| killed, started again with its disk | {_seconds(state['killed'])} |",
        f"| nothing but the topics | **{state['rebuilt_s']:.1f}** | | |",
        "",
        f"{_speed(state)}eak memory {state['rebuilt_mib']:.0f} MiB; all hours are on the disk again: "
        f"{'yes' if state['correct'] else 'WRONG, no'}.",
        "",
        f"| from {series['readings']:,} readings and nothing else | seconds | readings a second |",
        "|---|---|---|",
        f"| the worker's state, documents and alarms, with its start | {series['worker_s']:.1f} "
        f"| {series['worker_readings_per_s']:,} |",
        *(
            f"| store {row['store']}, `qingyu store rebuild` | {row['seconds']:.1f} | {row['readings_per_s']:,} |"
            for row in series["stores"]
        ),
    ]
    return "\n".join(lines)


def _speed(state: Mapping[str, Any]) -> str:
    if state["meter_hours_per_s"] is None:
        return "P"
    return (
        f"Beyond the control the state came back from its topic with {state['meter_hours_per_s']:,} meter-hours, "
        f"{state['state_mib_per_s']:.1f} MiB a second; p"
    )


def _seconds(spread: Mapping[str, float]) -> str:
    return f"{spread['median_s']:.1f} | {spread['least_s']:.1f} | {spread['most_s']:.1f}"
