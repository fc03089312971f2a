"""River's models as baselines: half-space trees."""

from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite, nan
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from river import anomaly

from detectors.base import Batch, FloatArray, IntArray, Scores
from detectors.check import require

MassArray = NDArray[np.int32]


@dataclass(slots=True)
class HalfSpaceTreesState:
    """What each series has taught; the trees themselves follow from the parameters.

    learned:   (n,) readings, those that are missing altogether not counted
    low, high: (n, d) range so far; low = inf and high = -inf before the first reading of a variable
    filling:   (n, nodes) readings of the present window in each node, tree by tree, depth first: River's l_mass
    reference: (n, nodes) readings of the last full window, by which it scores: River's r_mass
    """

    learned: IntArray
    low: FloatArray
    high: FloatArray
    filling: MassArray
    reference: MassArray


class HalfSpaceTrees(msgspec.Struct, frozen=True, kw_only=True, tag="half_space_trees"):
    """River's half-space trees: how few readings of the last full window fell where this one falls.

    Works for rows far from all others in several variables at once. Fails where anomalies come packed in windows (they
    fill a place of their own), where the level moves, and after one gross error, which squeezes all that follows into
    a corner of the range. It is here for comparison, and slow: on one server core 54 us per reading of one variable
    and 75 us of eight, 2 ms more per series and batch, and 41 kB of state per series.

    It scores and learns by River's own code and gives the very numbers of River's own advice, MinMaxScaler and
    HalfSpaceTrees in a pipeline: every variable is scaled by its smallest and largest reading so far, this one not
    included. The trees are drawn once from the seed and the number of variables, and are the same for every series.
    A variable that is missing takes the branch that more readings took, as in River; a row without any is passed over.

    Score: River's, from 0 to 1 - 1 / (2 ** (height + 1) - 1), and crowded at that end; it promises no rate of false
    alarms.

    n_trees:     trees; the cost rises with it.
    height:      halvings from root to leaf, at most 15: a tree has 2 ** (height + 1) - 1 nodes.
    window_size: readings until what was learned is what is scored by, and before the first verdict.
    limit:       score at which a reading alarms; 0.997 is for one variable and the height of 8, where under 1 % of the
                 readings of NAB lie above it. Rows of more variables score lower: let a calibrator decide.
    seed:        of River's generator, which draws the trees.

    >>> from detectors.base import Batch
    >>> values = np.random.default_rng(0).normal(size=(400, 2))
    >>> values[399] = [4.0, -4.0]
    >>> trees = HalfSpaceTrees(window_size=100, limit=0.99)
    >>> batch = Batch(np.zeros(400, np.int64), np.arange(400), values)
    >>> scores = trees.update(trees.init(1, (2,)), batch)
    >>> scores.score[[99, 100, 398, 399]].round(3), scores.alarm[-2:]
    (array([  nan, 0.949, 0.908, 0.992]), array([False,  True]))

    Source: Tan, Ting and Liu, Fast anomaly detection for streaming data, IJCAI 2011; river.anomaly.HalfSpaceTrees.
    """

    n_trees: int = 10
    height: int = 8
    window_size: int = 250
    limit: float = 0.997
    seed: int = 0

    kinds: ClassVar[tuple[str, ...]] = ("anomaly",)
    tunes: ClassVar[frozenset[str]] = frozenset({"limit"})

    def __post_init__(self) -> None:
        require(self, "n_trees", self.n_trees >= 1, "be at least 1")
        require(self, "height", 1 <= self.height <= 15, "lie in 1 to 15")
        require(self, "window_size", 1 <= self.window_size < 2**31, "lie in [1, 2**31) readings")
        require(self, "limit", 0 < self.limit <= 1, "lie in (0, 1]")
        require(self, "seed", 0 <= self.seed < 2**63, "lie in [0, 2**63)")

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The variables themselves; it never explains."""
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> HalfSpaceTreesState:
        (d,) = shape
        nodes = self.n_trees * (2 ** (self.height + 1) - 1)
        return HalfSpaceTreesState(
            learned=np.zeros(n, np.int64),
            low=np.full((n, d), inf),
            high=np.full((n, d), -inf),
            filling=np.zeros((n, nodes), np.int32),
            reference=np.zeros((n, nodes), np.int32),
        )

    def update(self, state: HalfSpaceTreesState, batch: Batch) -> Scores:
        n, d = batch.values.shape
        score = np.full(n, nan)
        grove = _grove(self, d)
        forest = grove.take()
        for slot in np.unique(batch.slots).tolist():
            rows = np.flatnonzero(batch.slots == slot)
            score[rows] = forest.run(state, slot, batch.values[rows])
        grove.idle.append(forest)
        return Scores(score, np.full(n, self.limit), score >= self.limit, np.zeros(n, np.int64))


class _Grove:
    """Forests that nobody works with: to draw one takes as long as a thousand readings."""

    def __init__(self, parameters: HalfSpaceTrees, d: int) -> None:
        self.parameters, self.d = parameters, d
        self.idle: list[_Forest] = []

    def take(self) -> "_Forest":
        try:
            return self.idle.pop()  # not asked for first: another thread may take it in between
        except IndexError:
            return _Forest(self.parameters, self.d)


_grove = lru_cache(maxsize=8)(_Grove)


class _Forest:
    """River's trees, and their nodes in the order of the state; it works for one series after the other."""

    def __init__(self, parameters: HalfSpaceTrees, d: int) -> None:
        self.model = _rivers(parameters)
        # the first reading draws the trees, and the last one of the first window ends River's silence
        self.model.counter = parameters.window_size - 1
        self.model.learn_one(dict.fromkeys(range(d), 0.5))
        self.nodes = [node for tree in self.model.trees for node in tree.iter_dfs()]

    def run(self, state: HalfSpaceTreesState, slot: int, values: FloatArray) -> list[float]:
        """Scores of the readings (k, d) of one series, learned one by one."""
        self._load(state, slot)
        low, high, learned = state.low[slot].tolist(), state.high[slot].tolist(), int(state.learned[slot])
        scores = []
        for row in values.tolist():
            known = [j for j, x in enumerate(row) if isfinite(x)]
            if not known:
                scores.append(nan)
                continue
            before = {j: _scaled(row[j], low[j], high[j]) for j in known}
            scores.append(self.model.score_one(before) if learned >= self.model.window_size else nan)
            for j in known:
                low[j], high[j] = min(low[j], row[j]), max(high[j], row[j])
            self.model.learn_one({j: _scaled(row[j], low[j], high[j]) for j in known})
            learned += 1
        state.low[slot], state.high[slot], state.learned[slot] = low, high, learned
        self._save(state, slot)
        return scores

    def _load(self, state: HalfSpaceTreesState, slot: int) -> None:
        masses = zip(self.nodes, state.filling[slot].tolist(), state.reference[slot].tolist(), strict=True)
        for node, filling, reference in masses:
            node.l_mass, node.r_mass = filling, reference
        self.model.counter = int(state.learned[slot]) % self.model.window_size

    def _save(self, state: HalfSpaceTreesState, slot: int) -> None:
        state.filling[slot] = [node.l_mass for node in self.nodes]
        state.reference[slot] = [node.r_mass for node in self.nodes]


def _rivers(of: HalfSpaceTrees) -> Any:
    """River's model, which has types for its arguments only."""
    return anomaly.HalfSpaceTrees(n_trees=of.n_trees, height=of.height, window_size=of.window_size, seed=of.seed)


def _scaled(x: float, low: float, high: float) -> float:
    """As River's MinMaxScaler does."""
    width = high - low
    return (x - low) / width if width else 0.0
