"""Every decoder takes what is true, and of bytes that once escaped it nothing but its declared errors."""

import gzip
from contextlib import suppress

import pytest

from bench.fuzz.targets import targets

TARGETS = targets()
DEEP = b"[" * 100_000
NESTED = b'{"v":1,"enterprise":"e","batches":' + DEEP
FAR = (
    b'{"v":1,"registry":1,"enterprise":"e","batches":[{"batch":"b","source":"s","received":1795219200000,'
    b'"meters":["m"],"scale":[%b],"i":[0],"t":[%b],"v":[1]}]}'
)
ESCAPED = (
    # Nested so deeply that reading it ended in a RecursionError: it stopped the worker, at each start anew.
    ("topic readings", b'{"v":1,"x":' + DEEP + b"]" * 100_000 + b"}"),
    ("topic readings", NESTED),
    ("topic reported", NESTED),
    ("messages", NESTED),
    # A power of ten that takes for ever, and a time that no store takes: they stopped the sink.
    ("sink", FAR % (b"9" * 80, b"1795219200000")),
    ("sink", FAR % (b"2", b"9" * 30)),
    # A field longer than the csv module reads.
    ("csv", b'meter,ts,value\n"' + b"a" * 200_000 + b'",1,1\n'),
    ("gzip", gzip.compress(b"", mtime=0) * 100_000),
)


@pytest.mark.parametrize("name", TARGETS)
def test_a_decoder_takes_true_bodies_and_halves_of_them(name: str) -> None:
    target = TARGETS[name]
    for body in target.seeds:
        for size in (len(body), len(body) // 2, len(body) - 1, 1, 0):
            try:
                target.take(body[:size])
            except target.errors:
                assert size < len(body) or name == "sink"


@pytest.mark.parametrize(("name", "body"), ESCAPED)
def test_what_once_escaped_a_decoder_does_so_no_more(name: str, body: bytes) -> None:
    target = TARGETS[name]
    with suppress(*target.errors):
        target.take(body)
