"""The pages of figures, above all docs/performance.md: what was measured stands between marks, the words stay."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def measured(result: Mapping[str, Any], when: str) -> str:
    """Return on which commit and machine a result was measured; `when` its load was."""
    machine = result["machine"]
    return (
        f"Measured at commit `{result['commit'][:12]}`, Python {machine['python']}, {machine['cores']} cores, "
        f"load {machine['load']:.1f} {when}"
    )


def worker_table(result: dict[str, Any]) -> str:
    """Return the lines of the worker's bench, from what bench/results/worker.json holds."""
    lines = [
        f"{measured(result, 'at the end')}: {result['readings']:,} readings a run, {result['batch']} a batch.",
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


def latency_table(rows: list[dict[str, Any]]) -> str:
    """Return the lines of the latency bench, from what bench/results/latency.json holds."""
    first = rows[0]
    lines = [
        f"{measured(first, 'before')}: {first['readings_a_batch']} readings a batch.",
        "",
        "| store | readings a second | to | probes | not seen | p50 [s] | p95 [s] | p99 [s] | longest [s] | kept up |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        held = "the highest that did" if row["highest"] else "yes" if row["sustained"] else "no"
        times = (row[name] for name in ("p50_s", "p95_s", "p99_s", "max_s"))
        told = " | ".join("-" if each is None else f"{each:.2f}" for each in times)
        lines.append(
            f"| {row['store']} | {row['readings_per_s']:,.0f} | {row['to']} | {row['probes']} | {row['unseen']} "
            f"| {told} | {held} |"
        )
    lines += ["", *(f"CPU [cores] at {_cores(row)}." for row in rows if row["to"] == "webhook")]
    return "\n".join(lines)


def _times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2f}"


def _cores(row: dict[str, Any]) -> str:
    used = ", ".join(f"{role} {cores:.2f}" for role, cores in row["cpu_cores"].items() if cores >= 0.01)
    return f"{row['readings_per_s']:,.0f} readings a second on {row['store']}: {used}"


def board_latency_table(result: dict[str, Any]) -> str:
    """Return the lines of the board's latency bench, from what bench/results/board-latency.json holds."""
    lines = [
        f"{measured(result, 'at the end')}: {result['readings_a_batch']} readings a batch, a minute after thirty "
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


def telling_table(result: dict[str, Any]) -> str:
    """Return the lines of the notifier's proof, from what bench/results/notifier.json holds."""
    robot = result["recipients"]["chat"]
    lines = [
        f"Commit `{result['commit'][:12]}`: {result['alarms']:,} alarms with {result['transitions']:,} transitions, "
        f"{result['kills_in_all']} kills, {result['kills_each']} at each of {len(result['kills'])} failpoints.",
        "",
        "| recipient | should be told | told | missing or too much | messages | digests | repeats |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in result["recipients"].items():
        apart = abs(one["should_be_told"] - one["told"])
        lines.append(
            f"| {name} | {one['should_be_told']:,} | {one['told']:,} | {apart} | {one['messages']:,} "
            f"| {one['digests']} | {one['repeats'] + one['again_in_a_digest']} |"
        )
    lines += [
        "",
        f"Keys were compared as sets: {result['missing']} missing, {result['unexpected']} too many. Repeats have the "
        f"key of the first; those of `unsteady` are {result['of_them_kept']} times its receiver's doing, which kept a "
        f"message and answered 503. The robot was sent {robot['most_in_a_minute']} messages in a minute at most. A "
        f"notifier that records before it sends was found out: {result['control_missing']} missing.",
    ]
    return "\n".join(lines)


def chaos_table(result: Mapping[str, Any]) -> str:
    """Return the lines of the proof of faults, from what bench/results/chaos.json holds."""
    stores = ", ".join(f"{count} on the {store}" for store, count in result["by_store"].items())
    lines = [
        f"{measured(result, 'before')}: {result['faults']} faults ({stores}), {result['accepted']:,} readings "
        f"accepted. **Values lost: {result['lost']}, doubled: {result['doubled']}. Alarm transitions lost: "
        f"{result['alarms_lost']}, doubled: {result['alarms_doubled']}.** Longest catch-up "
        f"{result['worst_catch_up_s']:.1f} s (limit {result['catch_up_limit_s']:g} s), half of them within "
        f"{result['median_catch_up_s']:.1f} s.",
        "",
        "| fault | times | catch-up, median [s] | catch-up, longest [s] |",
        "|---|---|---|---|",
    ]
    for name, count in result["by_kind"].items():
        times = result["catch_up_by_kind_s"][name]
        lines.append(f"| {name} | {count} | {times['median']:.1f} | {times['worst']:.1f} |")
    compared = result["compared"]
    values = sum(count for name, count in compared.items() if name.endswith(("hours", "days", "readings")))
    lines += [
        "",
        f"Compared: {values:,} hours, days and readings, {compared.get('alarm events', 0):,} transitions of "
        f"{compared.get('alarms', 0):,} alarms, {compared.get('transitions told', 0):,} transitions told to "
        "recipients. In every round a batch that was never sent, one that was withheld, a transition lost, one "
        "doubled and one not told were found out.",
    ]
    return "\n".join(lines)


def throughput_table(result: Sequence[Mapping[str, Any]]) -> str:
    """Return the lines of the throughput bench, from what bench/results/throughput.json holds."""
    first = result[0]
    lines = [
        f"{measured(first, 'at the end')}: one core for each contender, medians of {first['runs']} runs, lowest and "
        "highest in brackets.",
        "",
        "| contender | readings a message | CPU [µs a reading] | readings a second | peak memory [MiB] "
        "| changelog [bytes a reading] | results |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in result:
        name = f"**{each['contender']}**" if each["contender"] == "qingyu" else each["contender"]
        if each["cpu_us_per_reading"] is None:
            lines.append(f"| {name} | {each['batch']} | - | - | - | - | could not run |")
            continue
        low, high = each["cpu_us_per_reading_spread"]
        slow, fast = each["readings_per_s_spread"]
        checked = "all right" if each["correct"] else "WRONG: disqualified"
        lines.append(
            f"| {name} | {each['batch']} | {each['cpu_us_per_reading']:.2f} ({low:.2f} to {high:.2f}) "
            f"| {each['readings_per_s']:,.0f} ({slow:,.0f} to {fast:,.0f}) | {each['peak_mib']:.0f} "
            f"| {each['changelog_bytes_per_reading']:.1f} | {checked} |"
        )
    return "\n".join([*lines, *_comparison(result)])


def _comparison(result: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence that holds the largest batches of Qingyu against the others, where these were measured."""
    cpu = {(each["contender"], each["batch"]): each["cpu_us_per_reading"] for each in result}
    ours = cpu.get(("qingyu", 200))
    others = (
        ("Faust per event", ("faust-per-event", 1)),
        ("Quix Streams per reading", ("quix", 1)),
        ("Kafka Streams per reading", ("kafka-streams", 1)),
        ("Kafka Streams with batches of 200", ("kafka-streams", 200)),
        ("Quix Streams with batches of 200", ("quix", 200)),
        ("the bare aiokafka loop", ("aiokafka", 200)),
    )
    times = [f"{name} {_times(cpu[key] / ours)} times" for name, key in others if ours and cpu.get(key)]
    if not times:
        return []
    return [
        "",
        f"Qingyu with batches of 200 takes {ours:.2f} µs of CPU a reading; beside that take: {', '.join(times)}.",
    ]


def overload_table(result: Mapping[str, Any]) -> str:
    """Return the lines of the overload, from what bench/results/overload.json holds."""
    memory = result["memory_mib"]
    answers = ", ".join(f"{status}: {count:,}" for status, count in result["answers"].items())
    rows = (
        ("held to a share of a core", f"{result['share_of_a_core']:.0%}"),
        ("batches a second that it takes so", f"{result['takes_batches_per_s']:,.0f}"),
        ("to be sent", f"{result['offered_batches_per_s']:,.0f} a second for {result['seconds']:,} s"),
        ("idle connections held meanwhile", f"{result['connections_held']:,}"),
        ("sent by senders that wait for their answer", f"{result['sent']:,} batches"),
        ("taken of them", f"{result['answers'].get('202', 0):,}"),
        ("connections opened meanwhile", f"{result['connections_opened']:,}"),
        ("answers by status", answers),
        ("not answered", f"{result['unanswered']:,}"),
        ("accepted and not on the topic", f"{result['lost']}"),
        ("shed and yet on the topic", f"{result['kept_though_refused']}"),
        ("memory before, at most, after", f"{memory['before']:.0f}, {memory['peak']:.0f}, {memory['after']:.0f} MiB"),
        ("took a batch again after", f"{result['recovered_s']:.1f} s"),
    )
    lines = [f"{measured(result, 'at the beginning')}.", "", "| what | figure |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {figure} |" for name, figure in rows)])


def soak_table(result: Mapping[str, Any]) -> str:
    """Return the lines of the soak, from what bench/results/soak.json holds."""
    hours = result["seconds"] / 3600
    lines = [
        f"{measured(result, 'at the beginning')}: {hours:.1f} hours, {result['accepted']:,} readings accepted "
        f"({result['accepted_per_s']:,.0f} a second), {result['refused']} pushes refused, {result['told']:,} messages "
        f"to a webhook, {result['shown']:,} figures to {result['boards']} open boards, store {result['store']}. Of "
        f"{result['enterprises']} enterprises {result['wrong']} came to another quantity than they were sent.",
        "",
        "| process | own memory at half time, at the end [MiB] | growth | files | connections | waiting |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in result["processes"].items():
        pairs = (
            ", ".join(_span(*one[f"{when}_{what}"]) for when in ("half", "end")) for what in ("files", "connections")
        )
        waiting = f"{one['half_waiting']:.0f}, {one['end_waiting']:.0f}" if "end_waiting" in one else "-"
        memory = f"{one['half_mib']:.1f}, {one['end_mib']:.1f}"
        lines.append(f"| {name} | {memory} | {one['growth']:+.1%} | {' | '.join(pairs)} | {waiting} |")
    return "\n".join(lines)


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least}-{most}"


def fuzz_table(result: Mapping[str, Any]) -> str:
    """Return the lines of the fuzz, from what bench/results/fuzz.json holds."""
    lines = [
        f"{measured(result, 'at the end')}: {result['executions']:,} inputs in {result['seconds']} seconds, "
        f"{result['crashes']} decoders from which something undeclared escaped.",
        "",
        "| decoder | inputs tried | kept, since they reached new code | escaped |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {one['target']} | {one['executions']:,} | {one['corpus']:,} | {len(one['escaped'])} |"
        for one in result["decoders"]
    ]
    lines += ["", "| described by | requests | answers by status | not as described |", "|---|---|---|---|"]
    lines += [
        f"| {one['role']} | {one['requests']:,} "
        f"| {', '.join(f'{status}: {count:,}' for status, count in one['answers'].items())} | {len(one['faults'])} |"
        for one in result["described"]
    ]
    return "\n".join(lines)


def write_table(name: str, table: str, page: Path = PAGE) -> None:
    """Put a table between the marks of a name in a page; raise ValueError when the page does not have them."""
    begin, end = f"<!-- {name}: written by the bench -->", f"<!-- end of {name} -->"
    text = page.read_text(encoding="utf-8")
    changed, count = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}",
        lambda _: f"{begin}\n\n{table}\n\n{end}",
        text,
        flags=re.DOTALL,
    )
    if count != 1:
        raise ValueError(f"{page} does not have the marks {begin} and {end} once each, in this order")
    page.write_text(changed, encoding="utf-8")
