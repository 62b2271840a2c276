"""A topic is a named, partitioned log in Kafka; this is the list of them, with what each must be set to."""

from dataclasses import dataclass
from typing import Literal

DAY_MS = 86_400_000
KEPT_DAYS = 800
REJECTED_DAYS = 90
# Readers that write only the touched children of a document rely on every version of the last day being there.
COMPACTION_LAG_MS = DAY_MS


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic without its prefix: `partitioned` ones have the input's partition count, others one partition."""

    name: str
    partitioned: bool
    cleanup: Literal["delete", "compact"]
    retention_ms: int = -1

    def config(self, min_insync_replicas: int) -> dict[str, str]:
        """Return the topic's Kafka settings."""
        settings = {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "min.insync.replicas": str(min_insync_replicas),
            "max.message.bytes": str(16 << 20),
            "message.timestamp.type": "LogAppendTime",
        }
        if self.cleanup == "compact":
            settings["min.compaction.lag.ms"] = str(COMPACTION_LAG_MS)
        return settings


READINGS = Topic("readings", True, "delete", KEPT_DAYS * DAY_MS)
REPORTED = Topic("reported", True, "delete")
CORRECTIONS = Topic("corrections", False, "delete")
REGISTRY = Topic("registry", False, "compact")
REGISTRY_LOG = Topic("registry.log", False, "delete")
STATE = Topic("state", True, "compact")
TOTALS = Topic("totals", True, "compact")
REVISIONS = Topic("revisions", True, "delete")
FINDINGS = Topic("findings", True, "compact")
ALARM_CONDITIONS = Topic("alarm.conditions", True, "compact")
ALARM_HANDLING = Topic("alarm.handling", False, "compact")
ALARM_EVENTS = Topic("alarm.events", True, "delete")
DELIVERY = Topic("delivery", False, "compact")
DELIVERY_LOG = Topic("delivery.log", False, "delete")
ENGINE = Topic("engine", False, "compact")
REJECTED = Topic("rejected", True, "delete", REJECTED_DAYS * DAY_MS)

TOPICS = (
    READINGS,
    REPORTED,
    CORRECTIONS,
    REGISTRY,
    REGISTRY_LOG,
    STATE,
    TOTALS,
    REVISIONS,
    FINDINGS,
    ALARM_CONDITIONS,
    ALARM_HANDLING,
    ALARM_EVENTS,
    DELIVERY,
    DELIVERY_LOG,
    ENGINE,
    REJECTED,
)
