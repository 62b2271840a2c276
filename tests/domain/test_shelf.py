"""A shelf of documents costs the memory of their compressed text."""

import tracemalloc

from schemas.messages import encode
from schemas.windows import window
from streams.domain.calendar import empty_document
from streams.domain.shelf import Shelf

DAY = window("2018-03-01")
ENTITIES, METRICS = 1000, 8
# Of one document: what Python adds to a text, its entity's name, and their place in a dictionary.
OVERHEAD_BYTES = 300


def test_a_document_takes_hardly_more_memory_than_its_compressed_text() -> None:
    shelf = Shelf(decoded=1)
    plain_bytes = 0
    tracemalloc.start()
    try:
        for number in range(ENTITIES):
            document = empty_document(f"enterprise/e{number}", DAY)
            # Figures that repeat within a document compress to little.
            document.metrics = {f"metric.{each}": [10**9 + number] * 24 for each in range(METRICS)}
            text = encode(document)
            plain_bytes += len(text)
            shelf.put(document, text)
        taken_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    packed_bytes = sum(map(len, shelf.entities(DAY.name).values()))
    assert taken_bytes < packed_bytes + ENTITIES * OVERHEAD_BYTES < plain_bytes / 2
