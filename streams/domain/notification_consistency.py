"""What the documents of notification name: recipients, routes, escalations and rosters of each other and of rules."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.documents import Document, Escalation, Recipient, Roster, Route


class Named(NamedTuple):
    """A document that another one names: where, its kind and its id."""

    path: str
    kind: str
    id: str


def named_by(document: Document) -> Iterator[Named]:
    """Yield what a document of notification names; who or what has ended is passed over, so it may stay named."""
    if isinstance(document, Recipient):
        if document.spec.channels.sms is not None:
            yield Named("spec.channels.sms.gateway", "sms", document.spec.channels.sms.gateway)
        yield from _each("spec.failures_to", "recipient", document.spec.failures_to)
        if document.spec.template is not None:
            yield Named("spec.template", "template", document.spec.template)
    elif isinstance(document, Route):
        yield from _each("spec.rules", "rule", document.spec.rules)
        yield from _each("spec.limits", "limit", document.spec.limits)
        yield from _each("spec.recipients", "recipient", document.spec.recipients or ())
        yield from _each("spec.on_call", "roster", document.spec.on_call)
        if document.spec.escalation is not None:
            yield Named("spec.escalation", "escalation", document.spec.escalation)
    elif isinstance(document, Escalation):
        for place, step in enumerate(document.spec.steps):
            yield from _each(f"spec.steps.{place}.recipients", "recipient", step.recipients)
            yield from _each(f"spec.steps.{place}.on_call", "roster", step.on_call)
    elif isinstance(document, Roster):
        for place, turn in enumerate(document.spec.turns):
            yield from _each(f"spec.turns.{place}.recipients", "recipient", turn.recipients)
        if document.spec.rotation is not None:
            yield from _each("spec.rotation.recipients", "recipient", document.spec.rotation.recipients)


def _each(path: str, kind: str, ids: Iterable[str]) -> Iterator[Named]:
    for place, id_ in enumerate(ids):
        yield Named(f"{path}.{place}", kind, id_)
