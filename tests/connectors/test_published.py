import json
from pathlib import Path

import pytest

from connectors.published import convert
from connectors.suites import load


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_nab_windows_become_labels(tmp_path: Path) -> None:
    rows = "".join(f"2014-02-14 14:{minute:02d}:00,{minute}\n" for minute in range(0, 50, 5))
    write(tmp_path / "data/realTweets/Twitter.csv", "timestamp,value\n" + rows)
    spans = {"realTweets/Twitter.csv": [["2014-02-14 14:20:00.000000", "2014-02-14 14:30:00.000000"]]}
    write(tmp_path / "labels/combined_windows.json", json.dumps(spans))
    assert convert(tmp_path, tmp_path / "nab") == [tmp_path / "nab/realTweets/Twitter.parquet"]
    (one,) = load(tmp_path / "nab")
    assert (one.name, one.variables, one.rows_per_day) == ("realTweets/Twitter", ("value",), 288.0)
    assert one.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0, 0]


def test_skab_runs_are_named_by_group_and_number(tmp_path: Path) -> None:
    header = "datetime;Current;Volume Flow RateRMS;anomaly;changepoint\n"
    rows = "2020-03-09 10:14:33;1.5;0;0.0;0.0\n2020-03-09 10:14:34;1.6;0.054;1.0;1.0\n"
    write(tmp_path / "data/valve1/0.csv", header + rows)
    write(tmp_path / "data/anomaly-free/anomaly-free.csv", "datetime;Current\n2020-02-08 13:30:47;0.5\n")
    convert(tmp_path, tmp_path / "skab")
    normal, faulty = load(tmp_path / "skab")
    assert (normal.name, normal.labels.tolist(), normal.kinds) == ("anomaly_free", [0], ())
    assert (faulty.name, faulty.labels.tolist(), faulty.kinds) == ("valve1_0", [0, 1], ("valve1",))
    assert faulty.variables == ("Current", "Volume_Flow_RateRMS")


def test_smd_halves_are_joined_and_the_first_is_unlabelled(tmp_path: Path) -> None:
    write(tmp_path / "train/machine-1-1.txt", "0.1,0\n0.2,0\n0.3,0\n")
    write(tmp_path / "test/machine-1-1.txt", "0.4,1\n0.5,1\n")
    write(tmp_path / "test_label/machine-1-1.txt", "0\n1\n")
    convert(tmp_path, tmp_path / "smd")
    (machine,) = load(tmp_path / "smd")
    assert (machine.begin, machine.variables, machine.rows_per_day) == (3, ("m01", "m02"), 1440.0)
    assert machine.labels.tolist() == [-1, -1, -1, 0, 1]


@pytest.mark.parametrize(("end", "expected"), [(8, [6, 7]), (6, [6])])
def test_ucr_names_say_where_the_anomaly_is(tmp_path: Path, end: int, expected: list[int]) -> None:
    values = "".join(f"  {row}.5e+00\n" for row in range(10))
    write(tmp_path / f"001_UCR_Anomaly_NOISEECG1_4_6_{end}.txt", values)
    convert(tmp_path, tmp_path / "ucr")
    (one,) = load(tmp_path / "ucr")
    assert (one.name, one.asset, one.begin) == ("NOISEECG1", "ECG1", 4)
    assert [row for row, label in enumerate(one.labels) if label == 1] == expected


def test_what_is_not_laid_out_so_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be named nab, skab, smd, ucr; got 'mine'"):
        convert(tmp_path, tmp_path / "mine")
    with pytest.raises(ValueError, match="no recording is where the publisher of skab puts it"):
        convert(tmp_path, tmp_path / "skab")
    with pytest.raises(ValueError, match=r"cannot read .* as the publisher of nab lays it out"):
        convert(tmp_path, tmp_path / "nab")
    write(tmp_path / "train/machine-1-1.txt", "0.1,0\n")
    with pytest.raises(ValueError, match=r"cannot read .* as the publisher of smd lays it out"):
        convert(tmp_path, tmp_path / "smd")
    write(tmp_path / "001_UCR_Anomaly_ECG1_4_6_8.txt", "1.0 two")
    with pytest.raises(ValueError, match=r"cannot read .* as the publisher of ucr lays it out: could not convert"):
        convert(tmp_path, tmp_path / "ucr")
