"""`python -m bench`: run the bench of the worker; its figures go to bench/results and docs/performance.md."""

import argparse

from rich.console import Console

from bench import worker
from bench.page import worker_table, write_table


def main() -> None:
    """Run the worker's bench and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--readings", type=int, default=2_000_000, help="readings a run (default 2,000,000)")
    parser.add_argument("--rounds", type=int, default=worker.ROUNDS, help="runs of each contender (default 5)")
    options = parser.parse_args()
    result = worker.main(options.readings, options.rounds)
    write_table("worker", worker_table(result))
    Console().print_json(data={key: value for key, value in result.items() if key != "runs"})


if __name__ == "__main__":
    main()
