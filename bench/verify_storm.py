"""The storm: 10,000 enterprises cross their limit within a minute, ten recipients are told by one group chat robot.

The robot's server enforces the real limit and would not listen for ten minutes once it is broken; time is a test clock.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.outcome import circumstances, conclude, write
from tests.notifier.storming import build, rage, settings_for

WHOLE = (10_000, 10)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the storm; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.verify_storm", description=__doc__)
    parser.add_argument("--alarms", type=int, default=WHOLE[0], help="enterprises that cross their limit")
    parser.add_argument("--recipients", type=int, default=WHOLE[1], help="recipients on the one robot")
    options = parser.parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="qingyu-storm-"))

    async def storm() -> dict[str, object]:
        return await rage(build(settings_for(directory), options.recipients), options.alarms)

    result = {**circumstances(), **asyncio.run(storm())}
    if (options.alarms, options.recipients) == WHOLE:
        write("storm", result)
    held = result["limit_broken"] == 0 and float(str(result["shortest_between_digests_s"])) >= 60
    whole = (result["missing"], result["twice"], result["not_done"]) == (0, 0, 0)
    shown = "no limit broken, every alarm listed under a digest or told by itself" if held and whole else None
    return conclude(Console(), result, directory, shown)


if __name__ == "__main__":
    sys.exit(main())
