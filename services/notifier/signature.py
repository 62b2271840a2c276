"""A signature proves to a webhook's receiver who sent a body and when: HMAC-SHA256 under a secret that both know.

Signed is `TIMESTAMP.BODY`: the text of the Qingyu-Timestamp header [epoch s], a dot, and the body's bytes as sent.
"""

import hashlib
import hmac
import re

SIGNATURE_HEADER = "Qingyu-Signature"
TIMESTAMP_HEADER = "Qingyu-Timestamp"
KEY_HEADER = "Idempotency-Key"
VERSION = "v1"
# A receiver refuses what is older, so that a body that was listened to cannot be played again later.
TOLERANCE_S = 300

_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def sign(secret: str, timestamp_s: int, body: bytes) -> str:
    """Return the value of the Qingyu-Signature header: `v1=` and the digest in hexadecimal."""
    signed = f"{timestamp_s}.".encode() + body
    return f"{VERSION}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def fault_of(secret: str, timestamp: str, signature: str, body: bytes, now_s: float) -> str | None:
    """Return why a received body is not to be trusted; None when it is as it was sent, not long ago.

    `timestamp` and `signature` are the headers as they came; several signatures are separated by commas, one must fit.
    """
    if _TIMESTAMP.fullmatch(timestamp) is None:
        return f"{TIMESTAMP_HEADER} is no number of seconds"
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        return f"{TIMESTAMP_HEADER} is more than {TOLERANCE_S} s away from this clock"
    wanted = sign(secret, int(timestamp), body).encode()
    if not any(hmac.compare_digest(wanted, one.strip().encode()) for one in signature.split(",")):
        return f"{SIGNATURE_HEADER} does not fit the body: another secret, or the body was changed"
    return None
