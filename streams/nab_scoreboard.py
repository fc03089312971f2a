"""What the Numenta Anomaly Benchmark publishes about other detectors, to stand beside our own figures."""

from pathlib import Path

import msgspec

from detectors.evaluation.nab import PROFILES

SERIES = 58
"""of the benchmark"""


def published(folder: Path) -> dict[str, dict[str, float]]:
    """Detector -> profile -> final score to three decimals, the best by the standard profile first.

    folder: of the benchmark; without `scoreboard/final_results.json` in it nothing is published. The names are the
            benchmark's own, `contextOSE`. Comparable only with scores over all of its SERIES.

    Raises ValueError if the file is not a scoreboard.
    """
    path = folder / "scoreboard" / "final_results.json"
    if not path.is_file():
        return {}
    try:
        finals = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, float]])
        told = {name: {p.name: round(of[p.name], 3) for p in PROFILES} for name, of in finals.items()}
    except (msgspec.DecodeError, KeyError) as error:
        names = ", ".join(profile.name for profile in PROFILES)
        raise ValueError(f"{path} must map each detector to its scores by profile ({names}): {error!r}") from error
    return dict(sorted(told.items(), key=lambda row: -row[1][PROFILES[0].name]))
