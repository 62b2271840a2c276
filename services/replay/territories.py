"""Territories are added up anew from the folded enterprises, with the territory worker's own fold."""

from collections.abc import Iterable

from schemas.messages import Reported, encode
from services.replay.held import Held
from services.replay.selecting import Selection
from streams.domain.registry import Snapshot
from streams.domain.territory import Territories


def add_up(snapshot: Snapshot, selection: Selection, reports: Iterable[Reported], held: Held) -> None:
    """Put the documents of the selected territories beside those of the enterprises they are made from.

    Holds the members' documents compressed in memory, as the territory worker does.
    """
    if not selection.territories:
        return
    territories = Territories()
    territories.follow(snapshot)
    for _, document in held.fold("enterprise/"):
        territories.take(document, encode(document))
    for report in reports:
        territories.report(report)
    territories.recompute_all()
    while territories.waiting:
        held.put_fold(
            {
                output.key: output.value
                for output in territories.recompute()
                if output.topic == "totals" and output.entity in selection.territories
            }
        )
