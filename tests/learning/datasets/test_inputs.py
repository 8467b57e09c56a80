"""Keys by which near inputs are found again years later."""

import numpy as np
from test_minhash import edited, jaccard, sentences

from glow_pipelines.learning.datasets import input_key, near_marks, normalize


def test_case_spacing_and_punctuation_make_no_other_input() -> None:
    assert input_key("Taxi,  to the AIRPORT!") == input_key("taxi to the airport")
    assert input_key("taxi to the airports") != input_key("taxi to the airport")
    assert input_key("?!") != input_key("...")


def test_near_inputs_share_a_key_and_agents_share_none() -> None:
    rng = np.random.default_rng(3)
    texts = sentences(400, rng)
    others = [edited(text, rng) for text in texts]
    near = [i for i in range(400) if jaccard(normalize(texts[i]), normalize(others[i])) >= 0.7]
    assert len(near) > 100
    mine, theirs = near_marks("coder", texts).keys, near_marks("coder", others).keys
    assert (mine[near] == theirs[near]).any(axis=1).all()
    assert mine.shape == (400, 32)
    assert mine.dtype == np.int64
    assert not np.isin(near_marks("other", texts).keys, mine).any()
    assert np.array_equal(near_marks("coder", [text.upper() + "!" for text in texts[:9]]).keys, mine[:9])
    assert len(np.unique(mine)) > 0.95 * mine.size


def test_the_keys_are_those_that_are_stored() -> None:
    """Other numbers here would part every new input from the near ones that came before."""
    marks = near_marks("coder", ["taxi from the office to the airport"])
    assert marks.keys[0, :2].tolist() == [-8054879892749162526, 7639311918202681158]
    assert marks.bit_string(0)[:24] == "110001001111101101000100"
