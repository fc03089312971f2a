"""Every detector, calibrator and drift test, twice: with its defaults, and with every option turned."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.adwin import ADWIN
from detectors.base import Batch, Detector, FloatArray
from detectors.conformal import Conformal
from detectors.ensemble import Ensemble
from detectors.gaussian import Gaussian
from detectors.htm.detector import HTM
from detectors.htm.spatial_pooler import SpatialPooler
from detectors.htm.temporal_memory import TemporalMemory
from detectors.kmeans import KMeans
from detectors.kolmogorov_smirnov import KolmogorovSmirnov
from detectors.kswin import KSWIN
from detectors.likelihood import Likelihood
from detectors.mahalanobis import Mahalanobis
from detectors.page_hinkley import PageHinkley
from detectors.population_stability import PopulationStability
from detectors.range import Range
from detectors.rivers import HalfSpaceTrees
from detectors.sprt import SPRT
from detectors.stuck import Stuck
from detectors.subsequence_pca import SubsequencePCA
from detectors.together import Together
from detectors.wasserstein import Wasserstein
from detectors.watch import Watch
from detectors.windowed_likelihood import WindowedLikelihood

Plant = Callable[[FloatArray, int], None]
"""Writes an anomaly that this detector is made for into the values (rows, d) of one series, at a row."""


def spike(values: FloatArray, row: int) -> None:
    """One reading far off."""
    values[row] += 40.0


def lasting_change(values: FloatArray, row: int) -> None:
    """Another level from this row on."""
    values[row:] += 40.0


def frozen(values: FloatArray, row: int) -> None:
    """The same reading from this row on."""
    values[row:] = values[row]


def unheard(values: FloatArray, row: int) -> None:
    """Readings that no order relates to each other or to what came before, from this row on."""
    values[row:, 0] = np.random.default_rng(4).uniform(-200.0, 200.0, len(values) - row)


@dataclass(frozen=True)
class Case:
    """One configuration and what is needed to put it to the checks."""

    name: str
    detector: Detector[Any]
    warm_up: int
    """readings of a series before its first verdict"""
    variables: int = 1
    plant: Plant = spike
    refused: dict[str, Any] = field(default_factory=dict)
    """parameter of the method -> a value out of its range"""
    method: type[Any] | None = None
    """the class whose parameters are refused; None = the detector's own"""

    def stream(self, series: int = 5, rows: int = 400, seed: int = 0) -> Batch:
        """Autocorrelated noise around levels of their own; the series arrive in random order."""
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(rows, series, self.variables))
        for row in range(1, rows):
            noise[row] += 0.5 * noise[row - 1]
        values = noise + 10.0 * (1 + np.arange(series))[:, None]
        order = rng.permuted(np.tile(np.arange(series), (rows, 1)), axis=1).ravel()
        at = np.repeat(np.arange(rows, dtype=np.int64), series)
        return Batch(order.astype(np.int64), at * 1_000_000_000, np.ascontiguousarray(values[at, order]))


CASES: list[Case] = [
    Case(
        name="gaussian",
        detector=Gaussian(),
        warm_up=100,
        refused={"half_life": 0.5, "limit": 0.0, "warm_up": 15},
    ),
    Case(name="gaussian-turned", detector=Gaussian(half_life=20.0, limit=3.0, warm_up=16), warm_up=16, variables=3),
    Case(name="range", detector=Range(), warm_up=100, refused={"margin": -0.1, "warm_up": 1}),
    Case(name="range-turned", detector=Range(margin=0.2, warm_up=30), warm_up=30, variables=3),
    Case(
        name="stuck",
        detector=Stuck(),
        warm_up=1,
        plant=frozen,
        refused={"readings": 0, "tolerance": -1.0, "factor": 0.5},
    ),
    Case(
        name="stuck-turned",
        detector=Stuck(readings=5, tolerance=0.5, factor=2.0),
        warm_up=1,
        variables=3,
        plant=frozen,
    ),
    Case(
        name="mahalanobis",
        detector=Mahalanobis(),
        warm_up=100,
        variables=4,
        refused={
            "half_life": 0.5,
            "shrinkage": 0.0,
            "share": 1.1,
            "refit": 0,
            "clip": 0.0,
            "limit": 0.0,
            "warm_up": 15,
        },
    ),
    Case(
        name="mahalanobis-turned",
        detector=Mahalanobis(half_life=60.0, shrinkage=0.3, share=0.7, refit=7, clip=2.0, limit=4.0, warm_up=40),
        warm_up=40,
        variables=2,
    ),
    Case(
        name="kmeans",
        detector=KMeans(),
        warm_up=100,
        refused={
            "clusters": 0,
            "window": 0,
            "half_life": 0.5,
            "clip": 1.0,
            "limit": 0.0,
            "warm_up": 55,
        },
    ),
    Case(
        name="kmeans-turned",
        detector=KMeans(clusters=3, window=1, half_life=60.0, clip=3.0, limit=5.0, warm_up=40),
        warm_up=40,
        variables=3,
    ),
    Case(
        name="subsequence-pca",
        detector=SubsequencePCA(),
        warm_up=200,
        refused={
            "window": 1,
            "half_life": 0.5,
            "share": 1.0,
            "refit": 0,
            "clip": 1.0,
            "limit": 0.0,
            "warm_up": 95,
        },
    ),
    Case(
        name="subsequence-pca-turned",
        detector=SubsequencePCA(window=8, half_life=60.0, share=0.7, refit=20, clip=2.0, limit=3.0, warm_up=48),
        warm_up=48,
        variables=2,
    ),
    Case(
        name="ensemble",
        detector=Ensemble(),
        warm_up=200,
        refused={"members": (), "half_life": 0.5, "clip": 1.0, "limit": 0.0, "warm_up": 15},
    ),
    Case(
        name="ensemble-turned",
        detector=Ensemble(
            members=(Gaussian(warm_up=16), KMeans(window=1)), half_life=60.0, clip=2.0, limit=3.0, warm_up=50
        ),
        warm_up=66,
        variables=2,
    ),
    Case(
        name="htm",
        detector=Watch(detector=HTM(), calibrator=Likelihood(learning=50)),
        warm_up=350,
        plant=unheard,
        refused={
            "seed": -1,
            "warm_up": 1,
            "buckets": 0,
            "time_of_day": 25.0,
            "classes": 0,
            "pooler": SpatialPooler(active=12),
            "memory": TemporalMemory(cells=33),
        },
        method=HTM,
    ),
    Case(
        name="htm-turned",
        detector=Watch(
            detector=HTM(
                seed=5,
                warm_up=40,
                buckets=60,
                time_of_day=0.0,
                classes=8,
                pooler=SpatialPooler(
                    columns=256, active=10, potential=0.7, increment=0.01, decrement=0.002, connected=0.3
                ),
                memory=TemporalMemory(
                    cells=4,
                    activation=6,
                    minimum=4,
                    initial=0.3,
                    connected=0.4,
                    increment=0.1,
                    decrement=0.02,
                    punishment=0.005,
                    sample=8,
                    segments=300,
                    per_cell=4,
                    synapses=12,
                ),
            ),
            calibrator=Likelihood(window=40, learning=160, estimation=50),
        ),
        warm_up=250,
        plant=unheard,
        method=HTM,
    ),
    Case(
        # with fewer variables its highest score is shared by every reading at the edge of the range
        name="half-space-trees",
        detector=HalfSpaceTrees(),
        warm_up=250,
        variables=8,
        refused={"n_trees": 0, "height": 16, "window_size": 0, "limit": 1.1, "seed": -1},
    ),
    Case(
        name="half-space-trees-turned",
        detector=HalfSpaceTrees(n_trees=15, height=6, window_size=60, limit=0.9, seed=3),
        warm_up=60,
        variables=8,
    ),
    Case(
        name="likelihood",
        detector=Watch(detector=Gaussian(), calibrator=Likelihood()),
        warm_up=488,
        plant=lasting_change,
        refused={"window": 0, "period": 0, "learning": -1, "estimation": 0, "limit": 0.0, "red_filter": "yes"},
        method=Likelihood,
    ),
    Case(
        name="likelihood-turned",
        detector=Watch(
            detector=Gaussian(warm_up=16),
            calibrator=Likelihood(window=5, period=60, learning=20, estimation=30, limit=0.8, red_filter=False),
        ),
        warm_up=66,
        variables=2,
        plant=lasting_change,
        method=Likelihood,
    ),
    Case(
        name="windowed-likelihood",
        detector=Watch(detector=Gaussian(), calibrator=WindowedLikelihood()),
        warm_up=488,
        plant=lasting_change,
        refused={
            "window": 0,
            "history": 9,
            "learning": -1,
            "estimation": 0,
            "reestimation": 0,
            "limit": 0.0,
            "red_filter": "yes",
        },
        method=WindowedLikelihood,
    ),
    Case(
        name="windowed-likelihood-turned",
        detector=Watch(
            detector=Gaussian(warm_up=16),
            calibrator=WindowedLikelihood(
                window=5, history=90, learning=20, estimation=30, reestimation=17, limit=0.8, red_filter=False
            ),
        ),
        warm_up=66,
        variables=2,
        plant=lasting_change,
        method=WindowedLikelihood,
    ),
    Case(
        name="sprt",
        detector=Watch(detector=Gaussian(), drift=SPRT()),
        warm_up=300,
        plant=lasting_change,
        refused={
            "p_null": 0.0,
            "p_alt": 0.05,
            "alpha": 1.0,
            "beta": 1.0,
            "restart_on_accept": "yes",
            "bin_threshold": float("inf"),
            "warm_up": 1,
            "input": "raw",
            "window": 4,
            "k": 0.0,
            "rule": "most",
            "widen": -1.0,
        },
        method=SPRT,
    ),
    Case(
        name="sprt-turned",
        detector=Watch(
            detector=Gaussian(warm_up=16),
            drift=SPRT(
                p_null=0.3, p_alt=0.4, alpha=0.01, beta=0.05, restart_on_accept=False, bin_threshold=1.2, warm_up=50
            ),
        ),
        warm_up=16,
        plant=lasting_change,
        method=SPRT,
    ),
    Case(
        name="sprt-residual",
        detector=Watch(detector=Gaussian(), drift=SPRT(input="residual")),
        warm_up=305,
        plant=lasting_change,
        method=SPRT,
    ),
    Case(
        name="sprt-residual-turned",
        detector=Watch(
            detector=Gaussian(limit=9.0, warm_up=16),
            drift=SPRT(
                input="residual",
                window=12,
                k=3.0,
                rule="majority",
                p_null=0.3,
                p_alt=0.6,
                alpha=1e-4,
                bin_threshold=0.5,
                widen=0.2,
            ),
        ),
        warm_up=21,
        variables=3,
        plant=lasting_change,
        method=SPRT,
    ),
    Case(
        name="sprt-likelihood",
        detector=Watch(
            detector=Gaussian(warm_up=16),
            drift=SPRT(input="likelihood", window=5, p_null=0.1, p_alt=0.5, warm_up=40),
        ),
        warm_up=220,
        plant=lasting_change,
        method=SPRT,
    ),
    Case(
        name="adwin",
        detector=Watch(detector=Gaussian(), drift=ADWIN()),
        warm_up=131,
        plant=lasting_change,
        refused={"delta": 1.0, "clock": 0, "max_buckets": 0, "min_window_length": 0, "grace_period": -1},
        method=ADWIN,
    ),
    Case(
        name="adwin-turned",
        detector=Watch(
            detector=Gaussian(warm_up=16),
            drift=ADWIN(delta=0.01, clock=8, max_buckets=3, min_window_length=3, grace_period=40),
        ),
        warm_up=63,
        plant=lasting_change,
        method=ADWIN,
    ),
    Case(
        name="page-hinkley",
        detector=Watch(detector=Gaussian(), drift=PageHinkley()),
        warm_up=129,
        plant=lasting_change,
        refused={"min_instances": 0, "delta": -0.1, "threshold": 0.0, "alpha": 1.5, "mode": "sideways"},
        method=PageHinkley,
    ),
    Case(
        name="page-hinkley-turned",
        detector=Watch(
            detector=Gaussian(warm_up=16),
            drift=PageHinkley(min_instances=20, delta=0.05, threshold=30.0, alpha=0.999, mode="up"),
        ),
        warm_up=35,
        plant=lasting_change,
        method=PageHinkley,
    ),
    Case(
        name="kswin",
        # by default, as River's, it finds a drift in about 800 readings of any clean stream, fewer than the checks feed
        detector=Watch(detector=Gaussian(), drift=KSWIN(alpha=1e-5)),
        warm_up=199,
        plant=lasting_change,
        refused={"alpha": 1.0, "window_size": 59, "stat_size": 0, "seed": -1},
        method=KSWIN,
    ),
    Case(
        name="kswin-turned",
        detector=Watch(detector=Gaussian(warm_up=16), drift=KSWIN(alpha=0.001, window_size=40, stat_size=20, seed=3)),
        warm_up=55,
        plant=lasting_change,
        method=KSWIN,
    ),
    Case(
        name="kolmogorov-smirnov",
        detector=Watch(detector=Gaussian(), drift=KolmogorovSmirnov()),
        warm_up=199,
        plant=lasting_change,
        refused={"alpha": 1.0, "window": 3},
        method=KolmogorovSmirnov,
    ),
    Case(
        name="kolmogorov-smirnov-turned",
        detector=Watch(detector=Gaussian(warm_up=16), drift=KolmogorovSmirnov(alpha=0.001, window=30)),
        warm_up=75,
        plant=lasting_change,
        method=KolmogorovSmirnov,
    ),
    Case(
        name="wasserstein",
        detector=Watch(detector=Gaussian(), drift=Wasserstein()),
        warm_up=199,
        plant=lasting_change,
        refused={"alpha": 0.0, "window": 3, "seed": -1},
        method=Wasserstein,
    ),
    Case(
        name="wasserstein-turned",
        detector=Watch(detector=Gaussian(warm_up=16), drift=Wasserstein(alpha=0.001, window=20, seed=3)),
        warm_up=55,
        plant=lasting_change,
        method=Wasserstein,
    ),
    Case(
        name="population-stability",
        detector=Watch(detector=Gaussian(), drift=PopulationStability()),
        warm_up=499,
        plant=lasting_change,
        refused={"threshold": 0.0, "bins": 1, "window": 3},
        method=PopulationStability,
    ),
    Case(
        name="population-stability-turned",
        detector=Watch(detector=Gaussian(warm_up=16), drift=PopulationStability(threshold=0.5, bins=5, window=60)),
        warm_up=135,
        plant=lasting_change,
        method=PopulationStability,
    ),
    Case(
        name="conformal",
        detector=Watch(detector=Gaussian(), calibrator=Conformal()),
        warm_up=300,
        refused={"window": 19, "budget": 0.1, "quiet": 0, "gain": 0.0, "warm_up": 501},
        method=Conformal,
    ),
    Case(
        name="conformal-turned",
        detector=Watch(
            detector=Gaussian(warm_up=16),
            calibrator=Conformal(window=60, budget=0.01, quiet=4, gain=0.2, warm_up=30),
        ),
        warm_up=46,
        method=Conformal,
    ),
    Case(
        name="together",
        detector=Together(members=(Gaussian(), Gaussian(half_life=20.0, limit=4.0, warm_up=50))),
        warm_up=50,
    ),
    Case(
        name="together-turned",
        detector=Together(
            members=(Gaussian(), Gaussian(half_life=20.0, limit=4.0, warm_up=50), Gaussian(limit=3.0, warm_up=16)),
            rule="quorum",
            need=2,
        ),
        warm_up=50,
        variables=2,
    ),
]
