"""Eigenvalues and eigenvectors of small symmetric matrices, the same to the last bit wherever they are asked for."""

from math import sqrt

from numba import njit

from detectors.base import FloatArray

SWEEPS = 30
"""Far more than are needed: a dozen suffices for any matrix of a few hundred rows."""

SMALL = 1e-22
"""Share of the squared norm that may be left off the diagonal: eigenvalues are good to about 1e-11 of the largest."""


@njit(cache=True, nogil=True)
def eigen(a: FloatArray, vectors: FloatArray) -> None:
    """Turns the symmetric `a` (d, d) into the diagonal of its eigenvalues, in no order, in place; vectors are columns.

    Cyclic rotations: Jacobi, Crelle 30 (1846); formulas after Golub and Van Loan, Matrix Computations, 8.5.
    """
    d = a.shape[0]
    vectors[:] = 0.0
    for i in range(d):
        vectors[i, i] = 1.0
    for _ in range(SWEEPS):
        off, norm = 0.0, 0.0
        for i in range(d):
            norm += a[i, i] * a[i, i]
            for j in range(i):
                off += 2.0 * a[i, j] * a[i, j]
        if not off > SMALL * (norm + off):
            return
        for p in range(d - 1):
            for q in range(p + 1, d):
                if a[p, q] != 0.0:
                    _rotate(a, vectors, p, q)


@njit(cache=True, nogil=True)
def _rotate(a: FloatArray, vectors: FloatArray, p: int, q: int) -> None:
    theta = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
    t = (1.0 if theta >= 0.0 else -1.0) / (abs(theta) + sqrt(theta * theta + 1.0))
    c = 1.0 / sqrt(t * t + 1.0)
    s = t * c
    a[p, p] -= t * a[p, q]
    a[q, q] += t * a[p, q]
    a[p, q] = a[q, p] = 0.0
    for i in range(a.shape[0]):
        if i not in (p, q):
            x, y = a[i, p], a[i, q]
            a[i, p] = a[p, i] = c * x - s * y
            a[i, q] = a[q, i] = s * x + c * y
        x, y = vectors[i, p], vectors[i, q]
        vectors[i, p], vectors[i, q] = c * x - s * y, s * x + c * y
