"""A data source is a bucket of InfluxDB as Grafana reads it: by InfluxQL, with a token that may only read."""

from typing import Any

from dashboards.names import DATA_SOURCE_TYPE, DATA_SOURCE_UIDS, INFLUX, INFLUX_PREFIX, INFLUX_TOKEN
from schemas.series import BUCKETS


def data_sources(address: str, token: str, prefix: str) -> list[dict[str, Any]]:
    """Return the data source of each bucket, as both files and Grafana's HTTP interface write it.

    Args:
        address: of InfluxDB, as Grafana reaches it.
        token: that may read the buckets.
        prefix: before the buckets' names.
    """
    return [
        {
            "name": f"晴雨 Qingyu {bucket}",
            "uid": DATA_SOURCE_UIDS[bucket],
            "type": DATA_SOURCE_TYPE,
            "access": "proxy",
            "url": address,
            "isDefault": False,
            # InfluxDB 2 answers InfluxQL for a database of the bucket's name without a mapping.
            "jsonData": {
                "version": "InfluxQL",
                "dbName": f"{prefix}{bucket}",
                "httpMode": "GET",
                "httpHeaderName1": "Authorization",
            },
            "secureJsonData": {"httpHeaderValue1": f"Token {token}"},
        }
        for bucket in BUCKETS
    ]


def data_source_file() -> dict[str, Any]:
    """Return the file that brings the data sources into a Grafana provisioned by files."""
    found = data_sources(f"${INFLUX}", f"${INFLUX_TOKEN}", f"${{{INFLUX_PREFIX}}}")
    return {"apiVersion": 1, "prune": True, "datasources": [{**each, "editable": False} for each in found]}
