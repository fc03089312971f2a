"""Rank metrics against their definitions."""

import numpy as np
import pytest

from detectors.evaluation.ranking import average_precision, best_f1, concordance, roc_auc, tau_b
from tests.detectors.evaluation.examples import random


@pytest.mark.parametrize("seed", range(10))
def test_they_are_what_their_definitions_say(seed: int) -> None:
    scores, labels = random(seed)
    up, down = scores[labels == 1][:, None], scores[labels == 0]
    assert roc_auc(scores, labels) == pytest.approx(np.mean((up > down) + 0.5 * (up == down)), abs=1e-12)
    area, recall, best = 0.0, 0.0, 0.0
    for t in sorted(set(scores.tolist()), reverse=True):
        precision, now = labels[scores >= t].mean(), labels[scores >= t].sum() / labels.sum()
        area, recall = area + (now - recall) * precision, now
        best = max(best, 2 * precision * now / (precision + now)) if precision + now else best
    assert average_precision(scores, labels) == pytest.approx(area, abs=1e-12)
    found = best_f1(scores, labels)
    assert found.f1 == pytest.approx(best, abs=1e-12)
    hit = labels[scores >= found.threshold]
    assert 2 * hit.sum() / (len(hit) + labels.sum()) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_perfect_score_gives_one_and_a_rising_transform_changes_nothing(seed: int) -> None:
    scores, labels = random(seed)
    perfect = labels.astype(float)
    assert roc_auc(perfect, labels) == average_precision(perfect, labels) == best_f1(perfect, labels).f1 == 1
    assert roc_auc(-scores, labels) == pytest.approx(1 - roc_auc(scores, labels), abs=1e-12)
    severity = np.random.default_rng(seed).integers(0, 5, len(scores)).astype(float)
    for bent in (np.exp(scores), 3 * scores - 7):
        assert roc_auc(bent, labels) == roc_auc(scores, labels)
        assert average_precision(bent, labels) == average_precision(scores, labels)
        assert best_f1(bent, labels).f1 == best_f1(scores, labels).f1
        assert concordance(bent, severity) == concordance(scores, severity)
        assert tau_b(bent, severity) == tau_b(scores, severity)


def test_severity_is_followed_reversed_or_ignored() -> None:
    severity = np.array([1.0, 1.0, 2.0, 3.0, np.nan])
    assert concordance(np.array([0.1, 0.2, 0.3, 0.9, 7.0]), severity) == 1
    assert concordance(-np.array([0.1, 0.2, 0.3, 0.9, 7.0]), severity) == 0
    assert concordance(np.ones(5), severity) == 0.5
    # 4 pairs in order, 1 reversed, 1 tied in severity: (4 - 1) / sqrt(6 * 5)
    assert tau_b(np.array([0.1, 0.2, 0.9, 0.3, 7.0]), severity) == pytest.approx(3 / np.sqrt(30))
    assert concordance(np.array([0.1, 0.2, 0.9, 0.3, 7.0]), severity) == pytest.approx(4 / 5)


def test_where_there_is_nothing_to_rank_there_is_no_value() -> None:
    none, scores = np.zeros(3, np.int64), np.array([1.0, 2.0, 3.0])
    values = [roc_auc(scores, none), roc_auc(scores, none + 1), average_precision(scores, none)]
    values += [average_precision(scores, none - 1), best_f1(scores, none).f1, best_f1(scores * np.nan, none).threshold]
    values += [concordance(scores, np.ones(3)), tau_b(scores, np.ones(3))]
    assert np.isnan(values).all()
    with pytest.raises(ValueError, match="scores and severity"):
        tau_b(scores, np.ones(4))


def test_rows_without_verdict_or_label_are_taken_out() -> None:
    scores, labels = random(3)
    more, known = np.append(scores, [np.nan, 99.0]), np.append(labels, [1, -1])
    assert roc_auc(more, known) == roc_auc(scores, labels)
    assert average_precision(more, known) == average_precision(scores, labels)
    assert best_f1(more, known) == best_f1(scores, labels)
