"""What the adapter of River promises: River's own numbers, whatever the cuts, and trees that follow from the seed."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from river import anomaly, preprocessing

from detectors.base import Batch, FloatArray
from detectors.rivers import HalfSpaceTrees
from streams.catalog import DETECTORS, method


def fed(trees: HalfSpaceTrees, values: FloatArray, *, cut: int = 150) -> FloatArray:
    """Scores of the readings (rows, d) of one series, fed in pieces of `cut` rows."""
    state = trees.init(1, values.shape[1:])
    pieces = []
    for begin in range(0, len(values), cut):
        piece = np.ascontiguousarray(values[begin : begin + cut])
        pieces.append(trees.update(state, Batch(np.zeros(len(piece), np.int64), np.arange(len(piece)), piece)).score)
    return np.concatenate(pieces)


def rivers(values: FloatArray, *, n_trees: int, height: int, window_size: int, seed: int) -> list[float]:
    """River's scores, each before its reading is learned, by the pipeline that its documentation advises."""
    trees = anomaly.HalfSpaceTrees(n_trees=n_trees, height=height, window_size=window_size, seed=seed)
    model = preprocessing.MinMaxScaler() | trees
    scores = []
    for row in values.tolist():
        known = {j: x for j, x in enumerate(row) if np.isfinite(x)}
        scores.append(model.score_one(known))
        model.learn_one(known)
    return scores


def walk(rows: int, variables: int, *, seed: int) -> FloatArray:
    """Noise around a level that moves, with spikes, a sensor that stands still at first, and readings missing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, variables)) + 0.05 * np.cumsum(rng.normal(size=(rows, variables)), axis=0)
    values[rng.integers(rows // 2, rows, 5)] += 8.0
    values[:100, 0] = 3.0
    gone = rng.random(values.shape) < 0.05
    gone[0] = False  # River draws its trees for the variables of the first row
    gone[gone.all(axis=1)] = False  # River scores a row without any reading, the house does not
    values[gone] = np.nan
    return values


@pytest.mark.parametrize(
    ("variables", "n_trees", "height", "window_size"), [(1, 10, 8, 250), (3, 10, 8, 250), (8, 7, 4, 33), (2, 2, 2, 1)]
)
def test_its_scores_are_those_of_river_to_the_last_bit(
    variables: int, n_trees: int, height: int, window_size: int
) -> None:
    values = walk(1000, variables, seed=variables)
    trees = HalfSpaceTrees(n_trees=n_trees, height=height, window_size=window_size, seed=5)
    expected = rivers(values, n_trees=n_trees, height=height, window_size=window_size, seed=5)
    scores = fed(trees, values)
    assert np.isnan(scores[:window_size]).all()
    np.testing.assert_array_equal(scores[window_size:], expected[window_size:])
    assert len(set(expected[window_size:])) > 2


def test_other_seeds_draw_other_trees() -> None:
    values = walk(600, 2, seed=0)
    one, same, other = (fed(HalfSpaceTrees(seed=seed), values)[250:] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.9


def test_no_score_is_above_what_the_height_allows_and_the_limit_decides() -> None:
    trees = HalfSpaceTrees(height=3, window_size=50, limit=14 / 15)
    values = np.append(walk(400, 1, seed=1), [[1e6]], axis=0)
    state = trees.init(1, (1,))
    scores = trees.update(state, Batch(np.zeros(401, np.int64), np.arange(401), values))
    assert np.nanmax(scores.score) <= 14 / 15
    np.testing.assert_array_equal(scores.alarm, scores.score >= 14 / 15)


def test_threads_do_not_share_trees() -> None:
    streams = [walk(1000, 2, seed=seed) for seed in range(6)]
    trees = HalfSpaceTrees(n_trees=3, height=5, window_size=40)
    alone = [fed(trees, values, cut=1000) for values in streams]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda values: fed(trees, values, cut=1000), streams))
    np.testing.assert_array_equal(alone, together)


def test_the_catalog_knows_it_and_tells_when_river_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert method(DETECTORS, "detector", {"type": "half_space_trees", "seed": 3}) == HalfSpaceTrees(seed=3)
    monkeypatch.setitem(sys.modules, "river", None)
    monkeypatch.delitem(sys.modules, "detectors.rivers")
    with pytest.raises(ValueError, match="'half_space_trees' needs the package 'river', which is not installed"):
        method(DETECTORS, "detector", {"type": "half_space_trees"})
