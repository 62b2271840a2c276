"""Figures are what the gateway counts for Prometheus."""

from prometheus_client import Counter, Histogram

READINGS = Counter("qingyu_gateway_readings", "Readings by what became of them.", ["outcome"])
REJECTED = Counter("qingyu_gateway_rejected", "Rejected readings and reported values by code.", ["code"])
REPORTED = Counter("qingyu_gateway_reported", "Reported values by what became of them.", ["outcome"])
REQUESTS = Counter("qingyu_gateway_requests", "Requests by path and status.", ["path", "status"])
BATCH_SECONDS = Histogram(
    "qingyu_gateway_batch_seconds",
    "From a batch's arrival to Kafka's acknowledgement [s].",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
