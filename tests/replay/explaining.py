"""Explaining is asking why a value of the pure fold is what it is, without a Kafka to read the facts from."""

from types import SimpleNamespace
from typing import cast

from schemas.documents import Document
from schemas.messages import CalendarDocument
from services.explain.asking import Explanation, Question
from services.explain.enterprise import EnterpriseExplainer, MeterExplainer
from services.explain.explaining import Explainer
from services.explain.facts import Documents, EnterpriseFacts
from services.replay.held import Held
from streams.domain.registry import Snapshot
from tests.folding import Stream


def explained(
    registered: list[Document], stream: Stream, entity: str, metric: str, name: str
) -> tuple[Explanation, Snapshot]:
    """Return why a metric of an enterprise, or of a meter of it, is what it is in a window, and the registry."""
    snapshot = Snapshot.build(1, registered)

    def stored(entity: str, period: str, *, series: bool = False) -> CalendarDocument | None:
        del series
        return stream.totals.get(f"{entity}|{period}")

    held = cast("Held", SimpleNamespace(store=stream.state, document=stored))
    facts = EnterpriseFacts(snapshot, "works", held)
    found = Documents(held)
    explainer: Explainer = EnterpriseExplainer(facts, found)
    if entity.startswith("meter/"):
        explainer = MeterExplainer(facts, snapshot.meters[entity], found)
    question = Question(entity, metric, name)
    said = found.fold(*question)
    tree = explainer.node(metric, name)
    return Explanation(question, snapshot.unit_of(metric), said, said, tree, facts, found, []), snapshot


def words(explanation: Explanation) -> str:
    """Return the lines of an explanation's tree, as one text."""
    return "\n".join("\n".join((each.line, *each.notes)) for each in explanation.tree.walk())
