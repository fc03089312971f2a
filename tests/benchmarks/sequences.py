"""What a memory of sequences sees and a z-score cannot: known values in the wrong order.

`python -m tests.benchmarks.sequences [SEEDS]` prints a line for each watch: mean VUS-PR and ROC over streams of 8,000
readings, of which the first 3,000 are whole, and microseconds of processor time per reading.
"""

import sys
import time

import numpy as np

from detectors.base import Batch
from detectors.evaluation.ranking import roc_auc
from detectors.evaluation.sequences import Sequences
from detectors.evaluation.vus import vus_pr
from streams.watch_text import watch_of

WATCHES = (
    "gaussian", "mahalanobis", "kmeans", "subsequence_pca", "half_space_trees",
    '{ name = "htm", detector = { type = "htm", time_of_day = 0.0 } }',
)  # fmt: skip

ROWS, STEP = 8000, 300 * 10**9
STREAM = Sequences()


def judged(text: str, seed: int) -> tuple[float, float, float]:
    """VUS-PR, ROC and cost of a watch on one stream."""
    values, labels = STREAM.draw(ROWS, seed=seed)
    known = np.where(np.arange(ROWS) < STREAM.learned, -1, labels)
    watch = watch_of(text)
    batch = Batch(np.zeros(ROWS, np.int64), np.arange(ROWS) * STEP, values)
    watch.update(watch.init(1, (1,)), Batch(batch.slots[:5], batch.times[:5], values[:5]))  # compiles
    begun = time.process_time()
    score = watch.update(watch.init(1, (1,)), batch).score
    cost = (time.process_time() - begun) / ROWS * 1e6
    return vus_pr(score, known, window=STREAM.length), roc_auc(score, known), cost


def main(seeds: int) -> None:
    print(f"{'':18} VUS-PR    ROC  us/reading")
    shares = [STREAM.draw(ROWS, seed=seed)[1][STREAM.learned :].mean() for seed in range(seeds)]
    print(f"{'anomalous rows':18} {np.mean(shares):6.3f}")
    for text in WATCHES:
        of = np.array([judged(text, seed) for seed in range(seeds)])
        pr, roc, cost = of.mean(axis=0)
        print(f"{watch_of(text).name:18} {pr:6.3f} {roc:6.3f} {cost:11.1f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
