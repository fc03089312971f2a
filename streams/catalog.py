"""The tag of a method to its module, imported only when the configuration names it."""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

import msgspec

DETECTORS = {
    "gaussian": "detectors.gaussian:Gaussian",
    "range": "detectors.range:Range",
    "stuck": "detectors.stuck:Stuck",
    "mahalanobis": "detectors.mahalanobis:Mahalanobis",
    "kmeans": "detectors.kmeans:KMeans",
    "subsequence_pca": "detectors.subsequence_pca:SubsequencePCA",
    "ensemble": "detectors.ensemble:Ensemble",
    "half_space_trees": "detectors.rivers:HalfSpaceTrees",
    "htm": "detectors.htm.detector:HTM",
}
CALIBRATORS = {
    "likelihood": "detectors.likelihood:Likelihood",
    "windowed_likelihood": "detectors.windowed_likelihood:WindowedLikelihood",
    "conformal": "detectors.conformal:Conformal",
}
DRIFT_TESTS = {
    "sprt": "detectors.sprt:SPRT",
    "adwin": "detectors.adwin:ADWIN",
    "page_hinkley": "detectors.page_hinkley:PageHinkley",
    "kswin": "detectors.kswin:KSWIN",
    "kolmogorov_smirnov": "detectors.kolmogorov_smirnov:KolmogorovSmirnov",
    "wasserstein": "detectors.wasserstein:Wasserstein",
    "population_stability": "detectors.population_stability:PopulationStability",
}


def nearest(name: str, allowed: Any) -> str:
    """`; did you mean 'x'?` where something allowed is near, else what is allowed."""
    near = get_close_matches(name, list(allowed), 1)
    return f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(sorted(allowed))}"


def method(catalog: dict[str, str], what: str, table: Any) -> Any:
    """The method that a table such as `{ type = "gaussian", half_life = 240 }` describes.

    what: "detector", "calibrator" or "drift test", for the message. Raises ValueError with what is wrong, and where.
    """
    if not isinstance(table, dict) or not isinstance(table.get("type"), str):
        raise ValueError(f'a {what} is a table with a `type`, such as {{ type = "{min(catalog)}" }}; got {table!r}')
    tag = table["type"]
    if tag not in catalog:
        raise ValueError(f"no {what} '{tag}'{nearest(tag, catalog)}")
    module, _, name = catalog[tag].partition(":")
    try:
        found = getattr(import_module(module), name)
    except ModuleNotFoundError as absent:
        raise ValueError(
            f"{what} '{tag}' needs the package '{absent.name}', which is not installed; watchkeeper[all] brings it"
        ) from absent
    fields = {f.encode_name for f in msgspec.structs.fields(found)}
    for key in table.keys() - fields - {"type"}:
        raise ValueError(f"{what} '{tag}' has no parameter '{key}'{nearest(key, fields)}")
    return msgspec.convert(table, found)
