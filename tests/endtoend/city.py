"""The city of the live steel year: three enterprises that are all the steel works, each metered and sent its own way.

`works` sends quarter-hours out of order, `counter` the same year as a register, `mill` half a year in order.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.http.tokens import token_hash
from tests.folding import REGISTRY, document, meter
from tests.registry_writing import documents

ENTERPRISES = ("works", "counter", "mill")
TIERS = {"advanced": Decimal(80), "access": Decimal(87), "limit": Decimal(94)}

# Which enterprises each territory is made of.
TERRITORIES = {
    "park/edz": ("works",),
    "county/bazhou": ("works", "counter"),
    "county/nanjiang": ("mill",),
    "city/bazhong": ENTERPRISES,
    "industry/c31": ("works", "mill"),
}
_PLACES = {
    "works": {"county": "bazhou", "park": "edz", "industry": "c31"},
    "counter": {"county": "bazhou"},
    "mill": {"county": "nanjiang", "industry": "c31"},
}


def key_of(enterprise: str) -> str:
    """Return the key with which an enterprise's source sends."""
    return f"key-of-{enterprise}-gw1"


def city_documents(above: Decimal, below: Decimal) -> list[Mapping[str, Any]]:
    """Return the city's documents, with a rule about hours above and below two thresholds [kWh]."""
    raises: dict[str, Any] = {"raise": {"gt": str(above)}}
    parts = [
        REGISTRY,
        document("province", "sichuan"),
        document("city", "bazhong", province="sichuan"),
        document("county", "bazhou", city="bazhong"),
        document("county", "nanjiang", city="bazhong"),
        document("park", "edz", county="bazhou"),
        document("industry", "c31", code="C31"),
        meter("e01"),
        meter("e01", "register", "counter", step="1h"),
        meter("e01", enterprise="mill"),
        document("indicator", "steel-intensity", type="intensity", numerator="energy.cv",
                 denominator="output.crude-steel", unit="kgce/t"),
        document("limit", "steel-limit", indicator="steel-intensity", source="demo",
                 tiers=[{"id": id_, "max": str(most)} for id_, most in TIERS.items()]),
        document("rule", "hourly-peak", metric="qty.electricity", window="hour", period="episode",
                 select={"kind": "enterprise", "id": ["works", "mill"]},
                 clear={"lt": str(below)}, severity="warning", **raises),
    ]  # fmt: skip
    for enterprise, places in _PLACES.items():
        dated: dict[str, Any] = {kind: [{"from": "2018-01-01", "id": id_}] for kind, id_ in places.items()}
        source = f"{enterprise}-gw1"
        parts += [
            document("enterprise", enterprise, **dated),
            document("source", source, enterprise=enterprise, rate_limit_per_s=1_000_000),
            document("key", source, hash=token_hash(key_of(enterprise)), role="source", subject=source),
        ]
    found = {(raw["kind"], raw["id"]): raw for part in parts for raw in documents(part)}
    return list(found.values())
