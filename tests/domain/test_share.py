"""Sharing an amount over a span: pieces add up exactly, wherever the cuts are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.share import LONGEST_EXACT_MS, share, share_one

amounts = st.integers(-(10**15), 10**15)
spans = st.one_of(st.integers(1, 10**7), st.integers(1, 800 * 86_400_000))


@given(amounts, spans, st.lists(st.floats(0, 1), max_size=6))
def test_the_pieces_of_a_span_add_up_to_the_amount(amount, span, cuts):
    edges = [0, *sorted(int(cut * span) for cut in cuts), span]
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    pieces = share(np.full(len(low), amount), np.full(len(low), span), low, high)
    assert int(pieces.sum()) == amount


@given(amounts, spans, st.floats(0, 1), st.floats(0, 1))
def test_arrays_and_single_numbers_agree(amount, span, one, other):
    low, high = sorted((int(one * span), int(other * span)))
    (piece,) = share(np.array([amount]), np.array([span]), np.array([low]), np.array([high])).tolist()
    assert piece == share_one(amount, span, low, high)


def test_a_piece_is_the_difference_of_two_floors():
    assert share_one(10, 3, 0, 1) == 3
    assert share_one(10, 3, 1, 2) == 3
    assert share_one(10, 3, 2, 3) == 4


def test_spans_beyond_the_exact_length_stay_exact():
    span = 2 * LONGEST_EXACT_MS
    (piece,) = share(np.array([10**15 + 1]), np.array([span]), np.array([1]), np.array([span])).tolist()
    assert piece == 10**15 + 1 - (10**15 + 1) // span
