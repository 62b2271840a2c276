"""Healthy tells by its exit status whether a process answers /healthz: what a container's health check runs.

`python -m deploy.healthy PORT`: 0 it answers, 1 it does not, 2 wrong use. Standard library only: slim images have no
curl.
"""

import sys
import urllib.error
import urllib.request

PATH = "/healthz"
ANSWER_S = 3.0


def healthy(port: int) -> bool:
    """Ask the process that listens on a port of this machine."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{PATH}", timeout=ANSWER_S) as answer:
            return answer.status == 200
    except (OSError, ValueError):
        return False


def main(arguments: list[str]) -> int:
    """Run the command."""
    if len(arguments) != 1 or not arguments[0].isdigit() or not 1 <= int(arguments[0]) <= 65_535:
        sys.stderr.write("usage: python -m deploy.healthy PORT\n")
        return 2
    return 0 if healthy(int(arguments[0])) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
