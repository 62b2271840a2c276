"""Coordinators: what must answer before a broker is ready, since its port opens earlier.

While a coordinator is still loading, a client may be told that nothing was ever committed, and then begins at the wrong
place. So ready means that the committed offsets of a group and the id of a transactional producer are given without
error. The few requests are written out here: a client library would hide the very errors that are looked for.
"""

import contextlib
import socket
import struct
import time
from collections.abc import Callable

from deploy.local.cache import LocalServerError

# Coordinators are chosen by the name's Java hash code modulo the partitions of their topic. Names that differ by one in
# their last letter have hash codes that differ by one, so these reach every coordinator of a topic of up to four
# partitions.
_PROBES = tuple(f"qingyu-ready-{index}" for index in range(4))
_GROUP, _TRANSACTION = 0, 1
_OFFSET_FETCH, _FIND_COORDINATOR, _INIT_PRODUCER_ID = 9, 10, 22
_ANSWER_LIMIT_S = 5.0


class _NotYetError(Exception):
    """A coordinator has answered with an error code of Kafka, or not at all."""


def wait_until_ready(bootstrap: str, *, limit_s: float, alive: Callable[[], bool] = lambda: True) -> None:
    """Return once the group and transaction coordinators of a broker answer.

    Args:
        bootstrap: ``host:port``; of several with commas between them the first is asked.
        limit_s: how long to wait [s].
        alive: whether it makes sense to go on waiting.

    Raises:
        LocalServerError: ``not_ready`` when the time is over, ``broker_ended`` when ``alive`` says no.
    """
    host, _, port = bootstrap.split(",")[0].strip().rpartition(":")
    if not host or not port.isdigit():
        raise LocalServerError("not_ready", f"{bootstrap!r} is no address of a broker; write host:port")
    deadline_s = time.monotonic() + limit_s
    answer_limit_s = min(limit_s, _ANSWER_LIMIT_S)
    while True:
        try:
            for name in _PROBES:
                _ask((host, int(port)), name, answer_limit_s)
        except (_NotYetError, OSError, struct.error) as error:
            if not alive():
                raise LocalServerError("broker_ended", f"the broker at {bootstrap} has ended") from error
            if time.monotonic() > deadline_s:
                message = f"the broker at {bootstrap} is not ready after {limit_s:.0f} s: {error}"
                raise LocalServerError("not_ready", message) from error
            time.sleep(0.05)
        else:
            return


def _ask(address: tuple[str, int], name: str, limit_s: float) -> None:
    group_at = _coordinator(address, name, _GROUP, limit_s)
    # Version 2, all topics of the group; its error code stands at the end.
    answer = _request(group_at, _OFFSET_FETCH, 2, _string(name) + struct.pack(">i", -1), limit_s)
    _check(answer[-2:], f"offsets of group {name}")
    transaction_at = _coordinator(address, name, _TRANSACTION, limit_s)
    answer = _request(transaction_at, _INIT_PRODUCER_ID, 0, _string(name) + struct.pack(">i", 10_000), limit_s)
    _check(answer[4:6], f"transactional id {name}")


def _coordinator(address: tuple[str, int], name: str, kind: int, limit_s: float) -> tuple[str, int]:
    answer = _request(address, _FIND_COORDINATOR, 1, _string(name) + struct.pack(">b", kind), limit_s)
    _check(answer[4:6], f"coordinator of {name}")
    message_bytes = max(0, struct.unpack_from(">h", answer, 6)[0])
    at = 8 + message_bytes + 4
    host_bytes = struct.unpack_from(">h", answer, at)[0]
    found = answer[at + 2 : at + 2 + host_bytes].decode()
    return found, struct.unpack_from(">i", answer, at + 2 + host_bytes)[0]


def _request(address: tuple[str, int], key: int, version: int, body: bytes, limit_s: float) -> bytes:
    head = struct.pack(">hhi", key, version, 1) + _string("qingyu-ready")
    with contextlib.closing(socket.create_connection(address, timeout=limit_s)) as connection:
        connection.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        size_bytes = struct.unpack(">i", _read(connection, 4))[0]
        return _read(connection, size_bytes)[4:]


def _read(connection: socket.socket, size_bytes: int) -> bytes:
    data = b""
    while len(data) < size_bytes:
        more = connection.recv(size_bytes - len(data))
        if not more:
            raise _NotYetError("the connection was closed before the whole answer was there")
        data += more
    return data


def _check(code_bytes: bytes, what: str) -> None:
    code = struct.unpack(">h", code_bytes)[0]
    if code != 0:
        raise _NotYetError(f"{what}: Kafka's error code {code}")


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data
