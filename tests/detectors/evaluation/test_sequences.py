"""A broken order changes no value: what single readings say is the same, what follows what is not."""

import numpy as np
import pytest

from detectors.base import Batch
from detectors.evaluation.events import events
from detectors.evaluation.ranking import roc_auc
from detectors.evaluation.sequences import Sequences
from detectors.gaussian import Gaussian

STREAM = Sequences(noise=0.0)


def test_a_broken_run_holds_the_values_of_a_whole_one() -> None:
    values, labels = STREAM.draw(16_000, seed=1)
    runs, broken = values.reshape(-1, STREAM.length), labels.reshape(-1, STREAM.length).any(axis=1)
    whole = {tuple(run) for run in runs[~broken].tolist()}
    assert len(whole) == STREAM.programs
    assert broken.sum() > 20
    for run in runs[broken].tolist():
        assert tuple(run) not in whole
        assert sorted(run) in [sorted(program) for program in whole]


def test_labels_reach_from_the_first_exchanged_reading_to_the_second() -> None:
    values, labels = STREAM.draw(16_000, seed=2)
    whole = {
        tuple(run) for run in values.reshape(-1, STREAM.length)[~labels.reshape(-1, STREAM.length).any(axis=1)].tolist()
    }
    for first, last in events(labels):
        run = slice(first // STREAM.length * STREAM.length, (first // STREAM.length + 1) * STREAM.length)
        mended = values[run, 0].copy()
        mended[[first - run.start, last - run.start]] = mended[[last - run.start, first - run.start]]
        assert tuple(mended.tolist()) in whole


def test_nothing_is_broken_while_it_is_learned_and_the_seed_decides() -> None:
    values, labels = STREAM.draw(16_000, seed=3)
    assert not labels[: STREAM.learned].any()
    again, _ = STREAM.draw(16_000, seed=3)
    other, _ = STREAM.draw(16_000, seed=4)
    assert np.array_equal(values, again)
    assert not np.array_equal(values, other)


@pytest.mark.parametrize("seed", range(3))
def test_single_readings_say_nothing(seed: int) -> None:
    values, labels = Sequences().draw(20_000, seed=seed)
    gaussian = Gaussian()
    score = gaussian.update(gaussian.init(1, (1,)), Batch(np.zeros(20_000, np.int64), np.arange(20_000), values)).score
    assert 0.4 < roc_auc(score, np.where(np.arange(20_000) < 3000, -1, labels)) < 0.6


def test_what_is_asked_for_must_be_possible() -> None:
    with pytest.raises(ValueError, match="length and levels at least 3"):
        Sequences(length=2)
    with pytest.raises(ValueError, match=r"broken must lie in \[0, 1\]; got 2"):
        Sequences(broken=2)
