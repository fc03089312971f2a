"""A watch in one line of text."""

import pytest

from detectors.gaussian import Gaussian
from detectors.likelihood import Likelihood
from detectors.range import Range
from detectors.sprt import SPRT
from detectors.together import Together
from detectors.watch import Watch
from streams.config import ConfigError
from streams.watch_text import watch_of


@pytest.mark.parametrize(
    ("text", "watch"),
    [
        ("gaussian", Watch(name="gaussian", detector=Gaussian())),
        (
            "gaussian+likelihood+sprt",
            Watch(name="gaussian+likelihood+sprt", detector=Gaussian(), calibrator=Likelihood(), drift=SPRT()),
        ),
        (
            "gaussian+likelihood|range",
            Watch(
                name="gaussian+likelihood|range",
                detector=Together(members=(Watch(detector=Gaussian(), calibrator=Likelihood()), Range())),
            ),
        ),
        (
            '{ name = "two", detector = { type = "together", rule = "quorum", need = 1, members = ['
            '{ detector = { type = "range" } }, { detector = { type = "gaussian" } }] }, drift = { type = "sprt" } }',
            Watch(name="two", detector=Together(members=(Range(), Gaussian()), rule="quorum", need=1), drift=SPRT()),
        ),
        (
            '{ name = "r", detector = { type = "gaussian" }, drift = { type = "sprt", input = "residual" } }',
            Watch(name="r", detector=Gaussian(), drift=SPRT(input="residual")),
        ),
        ('{ name = "x", detector = { type = "gaussian", limit = 3 } }', Watch(name="x", detector=Gaussian(limit=3.0))),
    ],
)
def test_names_joined_by_plus_or_a_table_are_a_watch(text: str, watch: Watch) -> None:
    assert watch_of(text) == watch


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gausian", "no method 'gausian'; did you mean 'gaussian'"),
        ("likelihood", "a watch begins with a detector; there are"),
        ("gaussian+stuck", "two methods are a detector"),
        ("{ detector = { type = 3 } }", "a detector is a table with a `type`"),
        ('{ detector = { type = "gaussian", limt = 3 } }', "no parameter 'limt'; did you mean 'limit'"),
        ("gaussian|range+sprt", "unknown field `drift`"),
        ('{ detector = { type = "together", members = [] } }', "Together.members must hold at least one detector"),
        (
            '{ detector = { type = "together", members = [{ detector = { type = "rage" } }] } }',
            "members[0].detector: no detector 'rage'; did you mean 'range'",
        ),
        (
            '{ detector = { type = "kmeans" }, drift = { type = "sprt", input = "residual" } }',
            "needs what the detector expected, and kmeans says nothing of it; take gaussian",
        ),
        ("{ detector", "not a TOML table"),
        ('{ detektor = { type = "gaussian" } }', "unknown field `detektor`"),
    ],
)
def test_what_is_wrong_is_told_with_the_text(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match="--watch") as raised:
        watch_of(text)
    assert told in str(raised.value)
