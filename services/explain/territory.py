"""An explanation of a territory's number: its members in a window, added up anew from their own documents."""

from schemas.decimals import decimal_text
from schemas.windows import Window, window_at
from services.explain.explaining import SHOWN, Explainer
from services.explain.facts import Documents
from services.explain.tree import Node, text
from streams.domain.membership import Members, Membership
from streams.domain.registry import Snapshot


class TerritoryExplainer(Explainer):
    """Explains a territory's numbers by its members; their own numbers are explained one by one."""

    def __init__(self, snapshot: Snapshot, territory: str, documents: Documents) -> None:
        super().__init__(snapshot, territory, documents)
        self._membership = Membership(snapshot)

    def _members(self, each: Window) -> Members:
        day = window_at(each.start_ms, "day") if each.kind == "hour" else each
        return self._membership.over(self.entity, day)

    def _hour(self, found: Node, metric: str, hour: Window) -> None:
        self._put_members(found, metric, hour)

    def _children(self, found: Node, metric: str, each: Window) -> None:
        members = self._members(each)
        if members.ever == members.always:
            self._put_members(found, metric, each)
        else:
            found.notes.append("members came or went in this window: added up day by day 期间成员有变动，逐日汇总")
        super()._children(found, metric, each)

    def _output(self, found: Node, metric: str, each: Window) -> None:
        found.notes.append(
            "what was reported for the territory itself, else the sum over its members if each that makes the product "
            "has a value 区域自报，否则为全部生产该产品成员之和"
        )
        self._put_members(found, metric, each)

    def _put_members(self, found: Node, metric: str, each: Window) -> None:
        """Put the members below, the largest first; those without a value are told."""
        values = {
            member: self.documents.fold(f"enterprise/{member}", metric, each.name).value
            for member in sorted(self._members(each).ever)
        }
        known = {member: value for member, value in values.items() if value is not None}
        found.children.append(
            text(f"the sum of {len(known)} members with a value of {len(values)} 成员之和 ({len(known)}/{len(values)})")
        )
        ordered = sorted(known.items(), key=lambda pair: -abs(pair[1]))
        for member, value in ordered[:SHOWN]:
            found.children.append(Node(f"enterprise/{member}", decimal_text(value), found.unit))
        if len(ordered) > SHOWN:
            rest = sum(value for _, value in ordered[SHOWN:])
            found.children.append(Node(f"{len(ordered) - SHOWN} more members 其余成员", decimal_text(rest), found.unit))
        missing = [member for member, value in values.items() if value is None]
        if missing:
            names = ", ".join(missing[:SHOWN]) + (" .." if len(missing) > SHOWN else "")
            found.children.append(text(f"without a value 无值: {names}"))
        if known:
            found.notes.append(f"deeper 下一层: qingyu explain enterprise/{ordered[0][0]} {metric} {each.name}")
