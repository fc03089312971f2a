"""The published scoreboard: the finals of the benchmark, and nothing where there are none."""

from pathlib import Path

import pytest

from detectors.evaluation.nab import PROFILES
from streams.nab_scoreboard import published

NAB = Path("../shared/data/nab")


def write(folder: Path, text: str) -> Path:
    (folder / "scoreboard").mkdir()
    (folder / "scoreboard/final_results.json").write_text(text)
    return folder


def test_the_published_finals_are_told_with_three_decimals() -> None:
    if not NAB.exists():
        pytest.skip("the published scoreboard of NAB is not here: ../shared/data/nab is absent")
    scores = published(NAB)
    assert len(scores) == 15
    assert list(scores)[:3] == ["ARTime", "numenta", "contextOSE"]
    assert all(list(of) == [profile.name for profile in PROFILES] for of in scores.values())
    assert list(scores["windowedGaussian"].values()) == [39.650, 20.868, 47.410]
    assert list(scores["contextOSE"].values()) == [69.900, 66.977, 73.182]


def test_a_folder_without_a_scoreboard_publishes_nothing(tmp_path: Path) -> None:
    assert published(tmp_path) == {}


def test_the_best_stands_first(tmp_path: Path) -> None:
    of = '{"reward_low_FN_rate": 3, "reward_low_FP_rate": 2.00049, "standard": %s}'
    folder = write(tmp_path, f'{{"low": {of % 1.5}, "high": {of % 9}}}')
    expected = {"standard": 1.5, "reward_low_FP_rate": 2.0, "reward_low_FN_rate": 3.0}
    assert published(folder) == {"high": {**expected, "standard": 9.0}, "low": expected}
    assert list(published(folder)) == ["high", "low"]


@pytest.mark.parametrize("text", ["", "[]", '{"one": {"standard": "x"}}', '{"one": {"standard": 1.0}}'])
def test_what_is_no_scoreboard_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"final_results\.json must map each detector to its scores by profile"):
        published(write(tmp_path, text))
