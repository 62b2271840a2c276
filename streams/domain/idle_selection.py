"""An idle selection is that of a rule or limit which means nothing that is registered: it can raise no alarm.

It is no fault, since a rule may be registered before those it is about; but it may be a slip in a tag or a place, so
whoever registers it is told.
"""

from collections.abc import Iterable, Iterator, Mapping

from schemas.documents import Document, DocumentKey, Limit, Meter, Rule
from schemas.documents.indicator import Select
from schemas.ids import parse_entity
from streams.domain.consistency import Documents, Problem, references

_PLACES = frozenset(("province", "city", "county", "township", "park", "industry", "list", "enterprise"))


def idle_selections(documents: Documents, touched: Mapping[DocumentKey, Document]) -> Iterator[Problem]:
    """Yield what to say of each new or changed rule or limit that selects none of the documents."""
    for key, document in touched.items():
        if not isinstance(document, Rule | Limit) or document.valid_to is not None:
            continue
        select = document.spec.select
        if select is not None and not any(_meant(select, documents)):
            text = f"no {select.kind} that is registered is meant: it raises nothing until one is"
            yield Problem(key, None, "spec.select", "selects_nothing", text)


def _meant(select: Select, documents: Documents) -> Iterator[DocumentKey]:
    """Yield the entities of a selection, whenever they belong to it."""
    for key, document in documents.items():
        if key.kind != select.kind or (select.id is not None and key.id not in select.id):
            continue
        if select.tag is not None and not (isinstance(document, Meter) and document.spec.tag == select.tag):
            continue
        if select.in_ is None or DocumentKey(*parse_entity(select.in_)) in _around([key], documents):
            yield key


def _around(keys: Iterable[DocumentKey], documents: Documents) -> set[DocumentKey]:
    """Return the entities that some entities lie in, or ever lay in, themselves included."""
    found: set[DocumentKey] = set()
    todo = list(keys)
    while todo:
        key = todo.pop()
        if key not in found:
            found.add(key)
            document = documents.get(key)
            if document is not None:
                todo += [each.key for each in references(document) if each.key.kind in _PLACES]
            if key.kind == "meter":
                todo.append(DocumentKey("enterprise", key.id.partition(".")[0]))
    return found
