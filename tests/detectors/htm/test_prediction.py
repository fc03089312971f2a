"""Value prediction: cells learn which values follow them."""

import numpy as np
import pytest

from detectors.htm.prediction import init, learn, probabilities


def test_cells_that_know_nothing_hold_every_class_equally_likely() -> None:
    state = init(1, 50, 4)
    np.testing.assert_array_equal(probabilities(state.weights[0], np.array([3, 7])), np.full(4, 0.25))


def test_cells_learn_the_class_that_follows_them_and_its_mean() -> None:
    state = init(1, 50, 4)
    weights, means = state.weights[0], state.means[0]
    ones, others = np.arange(10), np.arange(20, 40)
    for _ in range(60):
        learn(weights, means, ones, probabilities(weights, ones), 1, 5.0)
        learn(weights, means, others, probabilities(weights, others), 3, 9.0)
    assert probabilities(weights, ones)[1] > 0.95
    assert probabilities(weights, others)[3] > 0.95
    assert means.tolist() == pytest.approx([0.0, 5.0, 0.0, 9.0], abs=1e-6)
    assert not weights[40:].any()


def test_a_class_that_follows_three_times_of_four_gets_three_quarters() -> None:
    state, rng = init(1, 50, 4), np.random.default_rng(0)
    weights, means, cells, said = state.weights[0], state.means[0], np.arange(8), []
    for t in range(4000):
        p = probabilities(weights, cells)
        learn(weights, means, cells, p, int(rng.random() < 0.75), 0.0)
        said += [p[1]] if t > 500 else []
    assert np.mean(said) == pytest.approx(0.75, abs=0.03)
