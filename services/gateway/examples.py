"""Examples of what is pushed and what is answered, for the OpenAPI page."""

from typing import Any

from services.http.problem import MEDIA_TYPE, SCHEMA

_RECEIPT = {
    "batch": "2026-11-21-0815",
    "accepted": 1,
    "rejected": [{"index": 1, "code": "unknown_meter", "message": "the source's enterprise has no meter 'e99'"}],
}
_ERRORS = {
    "400": "Not JSON, or a broken encoding.",
    "401": "No key, or one that is unknown or revoked.",
    "403": "The key is not of this source or enterprise.",
    "408": "The body did not come, or Kafka did not answer, within 60 seconds: send the same again.",
    "413": "Too large, as sent or inflated.",
    "415": "Not JSON, or an encoding other than gzip and zstd.",
    "431": "The request's head is too large.",
    "422": "The envelope cannot be read; `path` says where.",
    "503": "Kafka did not acknowledge in time, or too much is under way: send the same again after Retry-After.",
}
_TOO_FAST = {"429": "The source sends faster than it may: send the same again after Retry-After seconds."}


def _operation(examples: dict[str, Any], errors: dict[str, str]) -> dict[str, Any]:
    wrapped = {name: {"value": value} for name, value in examples.items()}
    body = {"required": True, "content": {"application/json": {"schema": {"type": "object"}, "examples": wrapped}}}
    refused: dict[str, Any] = {
        status: {"description": text, "content": {MEDIA_TYPE: {"schema": SCHEMA}}} for status, text in errors.items()
    }
    receipt = {"description": "The receipt.", "content": {"application/json": {"example": _RECEIPT}}}
    return {"requestBody": body, "responses": {"202": receipt, **refused}}


READINGS = _operation(
    {
        "rows": {
            "source": "bz-steel-gw1",
            "batch": "2026-11-21-0815",
            "readings": [
                {"meter": "e01", "ts": "2026-11-21T08:15:00+08:00", "value": 1234.5},
                {"meter": "e02", "ts": 1795220100000, "value": "17.25", "rev": 1, "quality": "substituted"},
                {"meter": "e03", "ts": "2026-11-21T08:15:00", "void": True, "rev": 1},
            ],
        },
        "correction": {
            "source": "bz-steel-gw1",
            "batch": "mended-1",
            "correction": {"reason": "meter e01 was read wrongly", "by": "Li Lei"},
            "readings": [{"meter": "e01", "ts": "2026-11-21T08:15:00+08:00", "value": 1230, "rev": 1}],
        },
        "columns": {
            "source": "bz-steel-gw1",
            "batch": "2026-11-21-0830",
            "meters": ["e01", "e02"],
            "ts": ["2026-11-21T08:15:00+08:00", "2026-11-21T08:30:00+08:00"],
            "values": [[1234.5, 1240.0], [17.25, None]],
        },
    },
    {**_ERRORS, **_TOO_FAST},
)

REPORTED = _operation(
    {
        "output": {
            "values": [
                {
                    "entity": "enterprise/bz-steel",
                    "metric": "output.crude-steel",
                    "period": "2018-03",
                    "value": "12500",
                    "unit": "t",
                }
            ]
        }
    },
    _ERRORS,
)
