"""PATE as it is defined, one threshold and one row at a time: slow, and independent of the product's code."""

import numpy as np

from detectors.base import FloatArray, IntArray


def runs(flags: list[bool]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for i, flag in enumerate(flags):
        if flag and i > 0 and flags[i - 1]:
            found[-1] = (found[-1][0], i)
        elif flag:
            found.append((i, i))
    return found


def false_negatives(predicted: list[bool], a: int, b: int) -> float:
    L = b - a + 1
    inside = runs(predicted[a : b + 1])
    if not inside:
        return float(L)
    r = inside[0][1] - inside[0][0] + 1
    u = a + r
    total = 0.0
    for x in range(a, b + 1):
        if not predicted[x]:
            total += 1.0 if x <= u else 1.0 - (r + 1) * (x - (a + u) / 2) / (L * (L - 1) / 2)
    return total


def counts(predicted: list[bool], spans: list[tuple[int, int]], e: int, d: int) -> tuple[float, float, float]:
    n = len(predicted)
    share = [0.0] * n
    q = -1
    fn = 0.0
    for k, (a, b) in enumerate(spans):
        s = max(0, a - e, q + 1)
        q = min(b + d, (spans[k + 1][0] if k + 1 < len(spans) else n) - 1)
        c = (a + b) / 2
        hit = any(predicted[a : b + 1])
        for x in range(a, b + 1):
            share[x] = 1.0
        for x in range(b + 1, q + 1):
            share[x] = (q - x) / (q - c)
        for x in range(s, a):
            share[x] = (x - s) / (c - s) if hit else 0.0
        fn += false_negatives(predicted, a, b)
    tp = sum(w for w, p in zip(share, predicted, strict=True) if p)
    fp = sum(1 - w for w, p in zip(share, predicted, strict=True) if p)
    return tp, fp, fn


def point(predicted: list[bool], spans: list[tuple[int, int]], e: int, d: int) -> tuple[float, float]:
    tp, fp, fn = counts(predicted, spans, e, d)
    return (tp / (tp + fp) if tp + fp > 0 else 0.0), (tp / (tp + fn) if tp + fn > 0 else 0.0)


def thresholds(scores: FloatArray, labels: IntArray, percentiles: int | None) -> list[float]:
    distinct = sorted(set(scores.tolist()), reverse=True)
    hits = [int(labels[scores >= t].sum()) for t in distinct]
    last = len(distinct) - 1
    kept = [t for i, t in enumerate(distinct) if i in (0, last) or hits[i] != hits[i - 1] or hits[i + 1] != hits[i]]
    if percentiles is None:
        return kept
    return [float(np.percentile(kept, p)) for p in np.linspace(100, 0, percentiles)]


def areas(
    scores: FloatArray, labels: IntArray, pairs: list[tuple[int, int]], percentiles: int | None
) -> tuple[float, float]:
    """PATE, and PATE in steps."""
    spans = runs([label == 1 for label in labels.tolist()])
    lines, steps = [], []
    for e, d in pairs:
        r0, p0 = 0.0, 1.0
        line = step = 0.0
        for t in thresholds(scores, labels, percentiles):
            p, r = point([s >= t for s in scores.tolist()], spans, e, d)
            if r >= r0:
                line, step = line + (r - r0) * (p + p0) / 2, step + (r - r0) * p
                r0, p0 = r, p
        lines.append(line)
        steps.append(step)
    return float(np.mean(lines)), float(np.mean(steps))
