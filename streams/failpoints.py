"""A failpoint is a named place at which a test lets a process kill itself (SIGKILL), to prove that nothing is lost.

`QINGYU_FAILPOINT=NAME` kills at the first passing of NAME, `NAME@N` at the N-th. Without it a passing costs one test.
"""

import os
import signal

_name, _, _count = os.environ.get("QINGYU_FAILPOINT", "").partition("@")
_left = int(_count or "1") if _name else 0


def hit(name: str) -> None:
    """Pass the failpoint `name`; the process ends here by SIGKILL when its turn has come."""
    if _left and name == _name:
        _pass()


def _pass() -> None:
    global _left
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
