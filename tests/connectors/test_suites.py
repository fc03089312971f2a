from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.recordings import Recording
from connectors.suites import SUITES, load

DATA = Path("../shared/data")
START = datetime(2020, 1, 1, tzinfo=UTC)

WHOLE: dict[str, tuple[int, set[str], set[str], set[float | None]]] = {
    "nab": (58, {"realTweets", "realTraffic", "realKnownCause", "realAdExchange", "realAWSCloudwatch",
                 "artificialNoAnomaly", "artificialWithAnomaly"}, set(), {288, 24, 48}),
    "skab": (25, {"water loop"}, {"rotor imbalance, sharp", "closing the valve at the pump inlet"}, {86400}),
    "smd": (4, {"machine-1-2", "machine-3-4"}, set(), {1440}),
    "asd": (8, {"omi-1", "omi-8"}, {"metric", "temporal", "metric-temporal"}, {288}),
    "nasa": (55, {"smap", "msl"}, {"point", "contextual"}, {None}),
    "ucr": (24, {"1sddb40"}, set(), {None}),
    "aiops_kpi": (8, {"0efb375b"}, set(), {288, 1440}),
    "tep": (13, {"plant"}, {"fault 1", "fault 12"}, {480}),
    "ferrybox": (1, {"one_ocean_2021"}, set(), {1440}),
}  # fmt: skip
"""Suite -> recordings, and some of the assets, kinds and rows per day in it"""


def write(path: Path, *, step: int = 60, note: str = "", **columns: Sequence[Any]) -> Path:
    """A recording of ten rows or so in the layout of the suites."""
    rows = len(next(iter(columns.values())))
    times = pa.array([START + timedelta(seconds=step * row) for row in range(rows)], pa.timestamp("us", "UTC"))
    arrays = {"timestamp": times} | {
        name: pa.array(values).dictionary_encode() if name == "split" else pa.array(values)
        for name, values in columns.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(arrays)
    pq.write_table(table.replace_schema_metadata({"note": note} if note else None), path)
    return path


VALUES = [float(row) for row in range(10)]
LABELS = [0] * 7 + [1, 1, 0]
HALVES = ["train"] * 4 + ["test"] * 6
LATE = [None] * 4 + LABELS[4:]


def test_nab_is_named_by_folder_and_series_and_begins_after_the_probation(tmp_path: Path) -> None:
    write(tmp_path / "nab/realTweets/b.parquet", step=300, value=VALUES, label_window=LABELS, label_point=[0] * 10)
    write(tmp_path / "nab/realTraffic/a.parquet", step=300, value=VALUES, label_window=LABELS, label_point=[0] * 10)
    write(tmp_path / "nab/scoreboard/scores/null.parquet", anomaly_score=VALUES)
    first, second = load(tmp_path / "nab")
    assert (first.name, second.name) == ("realTraffic/a", "realTweets/b")
    assert (second.asset, second.kinds, second.variables) == ("realTweets", (), ("value",))
    assert (second.begin, second.rows_per_day, second.labels.tolist()) == (1, 288.0, LABELS)


def test_skab_takes_the_kind_of_fault_from_the_publishers_note(tmp_path: Path) -> None:
    write(tmp_path / "skab/other_5.parquet", step=1, note="rotor imbalance, sharp", Current=VALUES, label=LABELS)
    write(tmp_path / "skab/anomaly_free.parquet", step=1, note="normal operation", Current=VALUES, label=[0] * 10)
    normal, faulty = load(tmp_path / "skab")
    assert (normal.kinds, faulty.kinds) == ((), ("rotor imbalance, sharp",))
    assert (faulty.begin, faulty.rows_per_day) == (400, 86400.0)


@pytest.mark.parametrize("suite", ["smd", "asd", "nasa", "ucr", "aiops_kpi"])
def test_a_split_begins_at_its_test_part(tmp_path: Path, suite: str) -> None:
    write(tmp_path / suite / "x_1.parquet", m01=VALUES, m02=VALUES, label=LATE, split=HALVES)
    (one,) = load(tmp_path / suite)
    assert (one.name, one.begin, one.variables) == ("x_1", 4, ("m01", "m02"))
    assert one.labels.tolist() == [-1] * 4 + LABELS[4:]
    assert one.rows_per_day == (None if suite in ("nasa", "ucr") else 1440.0)


def test_asd_and_nasa_name_the_kinds_of_their_anomalies_once(tmp_path: Path) -> None:
    write(tmp_path / "asd/omi-1.parquet", m01=VALUES, label=LATE, split=HALVES)
    write(tmp_path / "asd/omi-2.parquet", m01=VALUES, label=LATE, split=HALVES)
    listed = "dataset,anomaly_segment,anomaly_type\nomi-1,7-7,temporal\nomi-1,8-8,metric\nomi-1,9-9,metric\n"
    (tmp_path / "asd/anomaly_type.csv").write_text(listed)
    first, second = load(tmp_path / "asd")
    assert (first.kinds, first.event_kinds) == (("metric", "temporal"), ("temporal", "metric", "metric"))
    assert second.kinds == second.event_kinds == ()
    note = "anomaly kinds: point, contextual, point"
    write(tmp_path / "nasa/msl_C-1.parquet", note=note, telemetry=VALUES, label=LATE, split=HALVES)
    (channel,) = load(tmp_path / "nasa")
    assert (channel.asset, channel.kinds) == ("msl", ("contextual", "point"))
    assert channel.event_kinds == ("point", "contextual", "point")


def test_ucr_series_with_artefacts_belong_to_the_one_they_repeat(tmp_path: Path) -> None:
    for name in ("ECG1", "DISTORTEDECG1", "NOISEECG1"):
        write(tmp_path / "ucr" / f"{name}.parquet", value=VALUES, label=LABELS, split=HALVES)
    assert [(one.name, one.asset) for one in load(tmp_path / "ucr")] == [
        ("DISTORTEDECG1", "ECG1"),
        ("ECG1", "ECG1"),
        ("NOISEECG1", "ECG1"),
    ]


def test_tep_leaves_out_runs_that_are_faulty_from_the_first_row(tmp_path: Path) -> None:
    for name in ("fault00_test", "fault07_test", "fault07_train"):
        write(tmp_path / "tep" / f"{name}.parquet", step=180, xmeas_01=VALUES, label=LABELS)
    normal, faulty = load(tmp_path / "tep")
    assert (normal.name, normal.kinds) == ("fault00_test", ())
    assert (faulty.name, faulty.kinds, faulty.begin, faulty.rows_per_day) == ("fault07_test", ("fault 7",), 1, 480.0)


def test_every_row_of_ferrybox_counts(tmp_path: Path) -> None:
    write(tmp_path / "ferrybox/ship.parquet", Salinity=VALUES, label=LABELS)
    (ship,) = load(tmp_path / "ferrybox")
    assert (ship.begin, ship.asset, ship.rows_per_day) == (0, "ship", 1440.0)


def test_gaps_and_steps_back_do_not_change_the_rows_per_day(tmp_path: Path) -> None:
    minutes = [0, 1, 2, 3, 2, 3, 4, 500, 501, 502]
    path = tmp_path / "ferrybox/ship.parquet"
    write(path, Salinity=VALUES, label=LABELS)
    times = pa.array([START + timedelta(minutes=minute) for minute in minutes], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"timestamp": times, "Salinity": VALUES, "label": LABELS}), path)
    assert load(tmp_path / "ferrybox")[0].rows_per_day == 1440.0


def test_a_sampling_that_the_times_do_not_show_is_unknown(tmp_path: Path) -> None:
    write(tmp_path / "ferrybox/ship.parquet", step=0, Salinity=VALUES, label=LABELS)
    assert load(tmp_path / "ferrybox")[0].rows_per_day is None


def test_what_is_no_suite_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no suite is called 'mine'; there are nab, skab"):
        load(tmp_path / "mine")
    with pytest.raises(ValueError, match=r"expects \.parquet files, and there is none"):
        load(tmp_path / "skab")
    write(tmp_path / "skab/a.parquet", Current=VALUES)
    with pytest.raises(ValueError, match="needs a column label or label_window"):
        load(tmp_path / "skab")
    for parts in (["test"] * 5 + ["train"] * 5, ["train"] * 10):
        write(tmp_path / "smd/a.parquet", m01=VALUES, label=LABELS, split=parts)
        with pytest.raises(ValueError, match="from some row to the end"):
            load(tmp_path / "smd")
    (tmp_path / "tep").mkdir()
    (tmp_path / "tep/fault01_test.parquet").write_bytes(b"no table")
    with pytest.raises(ValueError, match="cannot read suite"):
        load(tmp_path / "tep")


@pytest.mark.parametrize("suite", SUITES)
def test_published_suites_are_read_whole(suite: str) -> None:
    folder = DATA / suite
    if not folder.exists():
        pytest.skip(f"the recordings of {suite} are not here: {folder} is absent")
    found = load(folder)
    count, assets, kinds, rates = WHOLE[suite]
    assert len(found) == len({one.name for one in found}) == count
    assert assets <= {one.asset for one in found}
    assert kinds <= {kind for one in found for kind in one.kinds}
    assert rates <= {one.rows_per_day for one in found}
    for one in found:
        assert 0 <= one.begin < len(one.labels), one.name
        assert (one.labels[one.begin :] >= 0).all(), one.name
    smallest = min(found, key=lambda one: one.path.stat().st_size)
    assert Recording([smallest.path], topic=suite).bounds(0) == (0, len(smallest.labels))
