"""A renaming gives the ids of one story a prefix, so that many stories live in one registry without meeting.

What all of them share (carriers, products, reported items, releases, indicators, settings) keeps its id.
"""

from collections.abc import Mapping
from typing import Any, cast

from schemas.messages import Condition, Finding

SHARED_KINDS = frozenset({"carrier", "product", "reported", "release", "indicator", "settings"})
_ONE_ID = frozenset({"enterprise", "city", "county", "park", "province", "meter", "against", "profile"})
# Ids and lists of ids in documents of who is told, in their steps, turns and rotations too.
_TOLD = frozenset({"recipients", "on_call", "owners", "participants", "rules", "limits", "failures_to", "escalation"})
_TOLD_PARTS = frozenset({"steps", "turns", "rotation"})
_TOLD_KINDS = frozenset({"recipient", "route", "escalation", "roster", "rule"})
_SEASONS = frozenset({"during", "except"})
CHECKED = "validation."  # what the rules of findings of registered validation rules begin with
_DATED_IDS = frozenset({"source", "industry", "county", "park", "lists", "counterparty"})


class Renaming:
    """The ids of one story, without its prefix in the story and with it in the registry."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def id(self, text: str) -> str:
        """Return an id, or a meter's ENTERPRISE.METER, as the registry has it."""
        return self.prefix + text

    def entity(self, text: str) -> str:
        """Return an entity as the registry has it."""
        kind, _, id_ = text.partition("/")
        # A source is ENTERPRISE.SOURCE, and both have the prefix; a meter's own part has none.
        parts = id_.split(".") if kind == "source" else [id_]
        return f"{kind}/{'.'.join(map(self.id, parts))}"

    def document(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return a document as the registry has it."""
        if raw["kind"] in SHARED_KINDS:
            return dict(raw)
        found = {**raw, "id": self.id(raw["id"])}
        if isinstance(raw.get("spec"), Mapping):
            found["spec"] = self._spec(raw["kind"], raw["spec"])
        return found

    def _spec(self, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in spec.items():
            if kind in _TOLD_KINDS and name in _TOLD:
                found[name] = self.id(value) if isinstance(value, str) else [self.id(one) for one in value]
            elif kind in _TOLD_KINDS and name in _TOLD_PARTS:
                parts = cast("list[Mapping[str, Any]]", value if isinstance(value, list) else [value])
                renamed = [self._spec(kind, one) for one in parts]
                found[name] = renamed if isinstance(value, list) else renamed[0]
            elif name == "entity" and isinstance(value, str):
                found[name] = self.entity(value)
            elif name in _SEASONS and isinstance(value, list):
                named = cast("list[Mapping[str, Any]]", value)
                found[name] = [{**one, "season": self.id(one["season"])} for one in named]
            elif isinstance(value, str) and (name in _ONE_ID or (name == "parent" and kind == "industry")):
                found[name] = self.id(value)
            elif name in _DATED_IDS and isinstance(value, list):
                entries = cast("list[Mapping[str, Any]]", value)
                found[name] = [{**one, "id": one["id"] and self.id(one["id"])} for one in entries]
            elif name == "meters" and isinstance(value, list):
                found[name] = [self.id(one) for one in cast("list[str]", value)]
            elif name == "lines" and isinstance(value, list):
                found[name] = [self._spec(kind, one) for one in cast("list[Mapping[str, Any]]", value)]
            elif name == "select" and isinstance(value, Mapping):
                found[name] = self._select(cast("Mapping[str, Any]", value))
            else:
                found[name] = value
        return found

    def _select(self, select: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(select)
        if select.get("id") is not None:
            found["id"] = [self.id(one) for one in select["id"]]
        if select.get("in") is not None:
            found["in"] = self.entity(select["in"])
        return found

    def is_own(self, entity: str) -> bool:
        """Tell whether an entity of the registry is this story's."""
        return entity.partition("/")[2].startswith(self.prefix)

    def condition(self, found: Condition) -> Condition:
        """Return an alarm of this story as the story names it."""
        found.entity, found.rule = self._back(found.entity), found.rule.removeprefix(self.prefix)
        return found

    def finding(self, found: Finding) -> Finding:
        """Return a finding of this story as the story names it."""
        found.meter = self._back(found.meter)
        found.rule = found.rule.replace(f"{CHECKED}{self.prefix}", CHECKED)
        found.reason = found.reason.removeprefix(self.prefix)
        return found

    def _back(self, entity: str) -> str:
        kind, _, id_ = entity.partition("/")
        parts = id_.split(".") if kind == "source" else [id_]
        return f"{kind}/{'.'.join(one.removeprefix(self.prefix) for one in parts)}"
