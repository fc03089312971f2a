"""The configuration: what is wrong is named by file, table, key and value, with what was probably meant."""

from pathlib import Path

import pytest

from streams import build
from streams.command import explain, store
from streams.config import ConfigError, load, reveal
from streams.sections import Secret, nanoseconds

GOOD = """
[pipelines.engine]
topic = "sensors.engine"
decode = { format = "json", series = ["asset"], time = "time", values = ["temperature", "pressure"] }
lateness = "0s"

[[pipelines.engine.watches]]
name = "spikes"
detector = { type = "gaussian", half_life = 240 }
calibrator = { type = "likelihood" }
drift = { type = "sprt", alpha = 1e-3 }
overrides = [{ series = "pump-7*", detector = { limit = 9.0 } }]

[pipelines.engine.alerts]
open_after = { alarms = 3, of = 5 }
close_after = 30
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "watchkeeper.toml"
    path.write_text(text)
    return path


def test_a_good_configuration_becomes_a_pipeline(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    pipeline = build.pipelines(load(path), path)["engine"]
    assert pipeline.variables == ("temperature", "pressure")
    assert pipeline.policy.open_after.alarms == 3
    (watch,) = pipeline.watches
    assert watch.variant("pump-71") == 1
    assert watch.variant("pump-1") == 0
    assert [getattr(variant.detector, "limit", None) for variant in watch.variants()] == [6.0, 9.0]
    assert explain(load(path), path)["engine"]["bytes_per_series"] > 168


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lateness", "latenes", "pipelines.engine.latenes: there is no such key; did you mean 'lateness'?"),
        ('topic = "sensors.engine"', "", "pipelines.engine.topic: this key is needed"),
        ('"0s"', '"5 minutes"', "pipelines.engine.lateness: must be a number and a unit (ms, s, m, h, d), such as 10s"),
        ('"json"', '"jsn"', "pipelines.engine.decode.format: must be one of json, telegraf, line_protocol, csv"),
        ('"gaussian"', '"gausian"', "watches[0].detector: no detector 'gausian'; did you mean 'gaussian'?"),
        ("half_life", "halflife", "detector 'gaussian' has no parameter 'halflife'; did you mean 'half_life'?"),
        ("240", "0.1", "Gaussian.half_life must be at least 1 reading; got 0.1"),
        ("1e-3", "1.5", "drift: SPRT.alpha must"),
        ("alarms = 3", "alarms = 9", "open_after needs 1 <= alarms <= of"),
        ("close_after = 30", "close_after = 0", "close_after must be at least 1 reading; got 0"),
        ("{ limit = 9.0 }", '{ type = "stuck" }', "overrides[0]"),
        ("detector = { limit = 9.0 }", "calibrator = { window = 99 }", "changes the form of the state"),
        ('name = "spikes"', "", "watches[0].name: this key is needed"),
        ("[pipelines.engine]", "[pipelines.engine", "not TOML"),
        ('values = ["temperature", "pressure"]', "values = []", "must name at least one field"),
        ("lateness", "max_series = 100_000_000\nlateness", "memory_mib allows 2048"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        explain(load(path), path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value) or "memory_mib" in message


def test_a_file_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read.*watchkeeper demo"):
        load(tmp_path / "nothing.toml")


SECRET = """
[snapshots]
url = "memory://snapshots"
options = { key = "public", token = { env = "WATCHKEEPER_TEST_TOKEN" } }
"""


def test_a_secret_comes_from_the_environment_or_a_file_and_prints_as_stars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(written(tmp_path, SECRET))
    token = config.snapshots.options["token"]
    assert isinstance(token, Secret)
    monkeypatch.delenv("WATCHKEEPER_TEST_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="WATCHKEEPER_TEST_TOKEN is not set"):
        store(config)
    monkeypatch.setenv("WATCHKEEPER_TEST_TOKEN", "s3cret")
    assert reveal(token) == "s3cret"
    assert "s3cret" not in f"{config!r} {token} {token!r}"
    (tmp_path / "token").write_text("from a file\n")
    assert reveal(Secret(file=str(tmp_path / "token"))) == "from a file"
    with pytest.raises(ConfigError, match="nowhere cannot be read"):
        reveal(Secret(file="nowhere"))


@pytest.mark.parametrize("bad", ['token = { value = "s3cret" }', 'token = { env = "A", file = "B" }', "token = {}"])
def test_a_secret_in_the_file_itself_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(ConfigError, match=r"snapshots\.options") as caught:
        load(written(tmp_path, SECRET.replace('token = { env = "WATCHKEEPER_TEST_TOKEN" }', bad)))
    assert "s3cret" not in str(caught.value)


def test_the_example_in_the_repository_works() -> None:
    path = Path("watchkeeper.toml")
    assert explain(load(path), path)["host"]["variables"] == 5


def test_a_duration_that_no_clock_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 100 years; got '300000d'"):
        nanoseconds("300000d")
    assert nanoseconds("36525d") == 36_525 * 86_400 * 10**9
