"""The fuzz: a coverage-guided fuzzer on every decoder, then generated requests against gateway and api as described.

    python -m bench.verify_fuzz [--seconds 660] [--examples 400]

The fuzzer begins with true bodies and shares its time among the decoders; what it finds stays in var/fuzz, so that the
next run goes on from there. Result: bench/results/fuzz.json.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.fuzz.targets import targets
from bench.outcome import circumstances, conclude, write
from bench.page import fuzz_table, write_table
from deploy.local.kafka import broker
from tests.hostile.described import attack
from tests.hostile.house import running_house

SECONDS, EXAMPLES = 660, 400
# At the longest so much of one input; every decoder takes longer ones, which would only be slower to try.
INPUT_BYTES = 4096
# One input must not take longer [s] nor all of them more memory [MiB].
INPUT_S, MEMORY_MIB = 20, 2048
PAGE = Path(__file__).parents[1] / "docs" / "threat-model.md"
FOUND = Path("var/fuzz")


def fuzz(name: str, seeds: Sequence[bytes], seconds: int) -> dict[str, Any]:
    """Fuzz a target for some time; return how many inputs were tried, and the files of those that escaped."""
    folder = FOUND / name.replace(" ", "-")
    corpus, escaped = folder / "corpus", folder / "escaped"
    for each in (corpus, escaped):
        each.mkdir(parents=True, exist_ok=True)
    for number, body in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(body)
    done = subprocess.run(
        [
            sys.executable, "-m", "bench.fuzz.run", name, f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES}",
            f"-timeout={INPUT_S}", f"-rss_limit_mb={MEMORY_MIB}", "-print_final_stats=1",
            f"-artifact_prefix={escaped}/", str(corpus),
        ],
        capture_output=True, text=True, errors="replace", timeout=seconds + 300, check=False,
    )  # fmt: skip
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    return {
        "target": name,
        "seconds": seconds,
        "executions": int(runs[1]) if runs else 0,
        "corpus": sum(1 for _ in corpus.iterdir()),
        "escaped": [] if done.returncode == 0 else sorted(each.name for each in escaped.iterdir()),
        "ended": done.returncode,
        **({} if done.returncode == 0 else {"said": done.stderr[-2000:]}),
    }


def described(examples: int) -> list[dict[str, Any]]:
    """Hold gateway and api against their descriptions; return what they answered."""
    with tempfile.TemporaryDirectory() as directory, broker(Path(directory) / "kafka") as kafka:
        found = []
        with running_house(kafka.bootstrap, "fuzz.", Path(directory) / "house", "") as house:
            for role in ("gateway", "api"):
                statuses, faults = attack(house, role, examples, 2)
                answered = {str(status): count for status, count in sorted(statuses.items())}
                found.append({"role": role, "requests": statuses.total(), "answers": answered, "faults": faults})
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.verify_fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for all decoders together")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="requests to each path")
    parser.add_argument("--only", help="one decoder")
    options = parser.parse_args(arguments)
    console = Console()
    chosen = {name: each for name, each in targets().items() if options.only in (None, name)}
    each_s = max(1, options.seconds // len(chosen))
    decoders: list[dict[str, Any]] = []
    for name, target in chosen.items():
        decoders.append(fuzz(name, target.seeds, each_s))
        console.print(f"{name}: {decoders[-1]['executions']:,} inputs, exit status {decoders[-1]['ended']}")
    paths = described(options.examples) if options.only is None else []
    result = {
        **circumstances(),
        "executions": sum(one["executions"] for one in decoders),
        "seconds": sum(one["seconds"] for one in decoders),
        "crashes": sum(one["ended"] != 0 for one in decoders),
        "decoders": decoders,
        "described": paths,
    }
    if (options.seconds, options.examples, options.only) == (SECONDS, EXAMPLES, None):
        write("fuzz", result)
        write_table("fuzz", fuzz_table(result), PAGE)
    sound = not result["crashes"] and not any(one["faults"] or "500" in one["answers"] for one in paths)
    shown = "nothing but declared errors left a decoder, and every answer was as described" if sound else None
    return conclude(console, result, FOUND / "none", shown)


if __name__ == "__main__":
    sys.exit(main())
