import json
from functools import cache
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from connectors.base import FloatArray, IntArray
from connectors.published import convert
from connectors.recording_files import numbers, open_file
from connectors.suites import Labelled, load

DATA = Path("../shared/data")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def save(path: Path, values: FloatArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


def write_rows(path: Path, values: FloatArray) -> None:
    """Numbers with commas, without a line of names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = values.reshape(len(values), -1)
    table = pa.table({str(at): column for at, column in enumerate(values.T)})
    pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(include_header=False))


def shared(suite: str, name: str) -> Labelled:
    """A recording of the suite as it was converted by others, from the very files that its publisher hands out."""
    if not (DATA / suite).exists():
        pytest.skip(f"needs the recordings of ../shared/data/{suite}")
    return next(one for one in loaded(suite) if one.name == name)


@cache
def loaded(suite: str) -> list[Labelled]:
    return load(DATA / suite)


def halves(one: Labelled) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Values of both parts, as wide as they are, and the labels of the second."""
    values = np.column_stack(pq.read_table(one.path).select(one.variables).columns)
    return values[: one.begin], values[one.begin :], one.labels[one.begin :].astype(np.float64)


def same(converted: Labelled, one: Labelled) -> None:
    said = ("name", "suite", "asset", "variables", "begin", "kinds", "event_kinds", "rows_per_day")
    assert {word: getattr(converted, word) for word in said} == {word: getattr(one, word) for word in said}
    np.testing.assert_array_equal(converted.labels, one.labels)
    found, expected = (numbers(either.path)[1].astype(np.float32) for either in (converted, one))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(times(converted), times(one))
    assert records(converted) == records(one)


def records(one: Labelled) -> list[dict[str, str | float]]:
    """What the worker reads of the first rows, times and values."""
    data = open_file(one.path, time="timestamp", series="series").records(0, 500)[1].data
    read: list[dict[str, str | float]] = orjson.loads(b"[" + data.replace(b"}{", b"},{") + b"]")
    return read


def times(one: Labelled) -> IntArray:
    return open_file(one.path, time="timestamp", series="series").times


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


def test_smd_is_the_same_as_others_made_of_it(tmp_path: Path) -> None:
    one = shared("smd", "machine-1-2")
    for part, values in zip(("train", "test", "test_label"), halves(one), strict=True):
        write_rows(tmp_path / part / "machine-1-2.txt", values)
    convert(tmp_path, tmp_path / "smd")
    same(load(tmp_path / "smd")[0], one)


def test_asd_is_the_same_as_others_made_of_it_from_arrays_and_from_text(tmp_path: Path) -> None:
    for server in ("omi-1", "omi-2"):
        for part, values in zip(("train", "test", "test_label"), halves(shared("asd", server)), strict=True):
            path = tmp_path / "data/processed" / f"{server}_{part}"
            if server == "omi-1":
                save(path.with_suffix(".npy"), values)
            else:
                write_rows(path.with_suffix(".csv"), values)
    published = (DATA / "asd/anomaly_type.csv").read_text()
    write(tmp_path / "data/interpretation_label/anomaly_type.txt", published)
    convert(tmp_path, tmp_path / "asd")
    first, second = load(tmp_path / "asd")
    same(first, shared("asd", "omi-1"))
    same(second, shared("asd", "omi-2"))
    assert published.startswith((tmp_path / "asd/anomaly_type.csv").read_text().replace('"', ""))


def asd_in_small(folder: Path) -> Path:
    """A server of two metrics; the parts of it but the pickled training part."""
    save(folder / "data/processed/omi-11_test.npy", np.arange(16.0).reshape(8, 2))
    save(folder / "data/processed/omi-11_test_label.npy", np.array([0.0, 1, 1, 1, 0, 1, 0, 1]))
    write(
        folder / "data/interpretation_label/anomaly_type.txt",
        "dataset,anomaly_segment,anomaly_type\nomi-11,1-1,metric\nomi-11,2-3,temporal\nomi-11,5-5,metric\n",
    )
    write(folder / "data/processed/omi-11_train.pkl", "")
    return folder


def test_asd_has_a_kind_for_each_event_where_segments_touch_and_where_one_is_missing(tmp_path: Path) -> None:
    source = asd_in_small(tmp_path)
    save(source / "data/processed/omi-11_train.npy", np.zeros((4, 2)))
    convert(source, tmp_path / "asd")
    (server,) = load(tmp_path / "asd")
    assert (server.begin, server.labels.tolist()) == (4, [-1] * 4 + [0, 1, 1, 1, 0, 1, 0, 1])
    assert server.event_kinds == ("metric-temporal", "metric", "")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    source = asd_in_small(tmp_path)
    with pytest.raises(ValueError, match=r"omi-11_train.pkl: ASD is published as pickles, which Watchkeeper does not"):
        convert(source, tmp_path / "asd")
    np.save(source / "data/processed/omi-11_train.npy", np.array([{}, {}], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"omi-11_train.npy must hold numbers written by numpy.save, and nothing"):
        convert(source, tmp_path / "asd")
    (source / "data/processed/omi-11_train.npy").write_bytes(b"\x80\x04N.")
    with pytest.raises(ValueError, match=r"omi-11_train.npy must hold numbers written by numpy.save, and nothing"):
        convert(source, tmp_path / "asd")


TELEMANOM = """chan_id,spacecraft,anomaly_sequences,class,num_values
P-1,SMAP,"[[2149, 2349], [4536, 4844], [3539, 3779]]","[contextual, contextual, contextual]",8505
P-2,SMAP,"[[5350, 6575]]",[point],8209
T-1,SMAP,"[[2399, 3898], [6550, 6585]]","[point, contextual]",8612
P-2,SMAP,"[[5300, 6420]]",[point],8209
C-1,MSL,"[[550, 750], [2100, 2210]]","[point, contextual]",2264
"""
"""Lines of the publisher's labeled_anomalies.csv, as they are."""


@pytest.mark.parametrize("folder", [".", "data"])
def test_nasa_is_the_same_as_others_made_of_it(tmp_path: Path, folder: str) -> None:
    names = ("msl_C-1", "smap_P-1", "smap_P-2", "smap_T-1")
    for name in names:
        train, test, _ = halves(shared("nasa", name))
        save(tmp_path / folder / "train" / f"{name.partition('_')[2]}.npy", train)
        save(tmp_path / folder / "test" / f"{name.partition('_')[2]}.npy", test)
    save(tmp_path / folder / "train/T-10.npy", np.zeros((9, 25)))
    write(tmp_path / "labeled_anomalies.csv", TELEMANOM)
    convert(tmp_path, tmp_path / "nasa")
    for converted, name in zip(load(tmp_path / "nasa"), names, strict=True):
        same(converted, shared("nasa", name))


KPI = "0efb375b-b902-3661-ab23-9a0bb799f4e3"


def test_aiops_kpi_is_the_same_as_others_made_of_its_reformatted_copy(tmp_path: Path) -> None:
    one = shared("aiops_kpi", KPI[:8])
    values = numbers(one.path)[1][:, 0]
    for what, column in (("_timestamp", times(one) / 1e9), ("", values), ("_label", one.labels.astype(np.float64))):
        save(tmp_path / f"UTS/AIOPS/{KPI}/train{what}.npy", column[: one.begin])
        save(tmp_path / f"UTS/AIOPS/{KPI}/test{what}.npy", column[one.begin :])
    convert(tmp_path, tmp_path / "aiops_kpi")
    same(load(tmp_path / "aiops_kpi")[0], one)


def test_aiops_kpi_as_it_was_handed_out_keeps_gaps_and_wants_the_second_half_as_text(tmp_path: Path) -> None:
    header = "timestamp,value,label,KPI ID\n"
    other = "05f10d3a-239c-3bef-9bdc-a2feeb0037aa"
    train = f"1472918400,0.5,0,{KPI}\n1472918700,,1,{KPI}\n1476460800,1,0,{other}\n"
    write(tmp_path / "Finals_dataset/phase2_train.csv", header + train)
    write(tmp_path / "Finals_dataset/phase2_ground_truth.hdf", "")
    with pytest.raises(ValueError, match=r"phase2_ground_truth.csv is not there: the second half is published as HDF"):
        convert(tmp_path, tmp_path / "aiops_kpi")
    test = f"1472919600,7,1,{KPI}\n1476460860,2,0,{other}\n1476460920,3,1,{other}\n"
    write(tmp_path / "Finals_dataset/phase2_ground_truth.csv", header + test)
    convert(tmp_path, tmp_path / "aiops_kpi")
    second, first = load(tmp_path / "aiops_kpi")
    assert (first.name, first.begin, first.labels.tolist()) == (KPI[:8], 2, [0, 1, 1])
    assert (second.name, second.begin, second.labels.tolist()) == (other[:8], 1, [0, 0, 1])
    np.testing.assert_array_equal(numbers(first.path)[1], [[0.5], [np.nan], [7]])
    assert pq.read_table(first.path)["timestamp"][2].as_py().isoformat() == "2016-09-03T16:20:00+00:00"


def test_tep_is_the_same_as_others_made_of_it(tmp_path: Path) -> None:
    for name in ("fault00_test", "fault03_test"):
        values = numbers(shared("tep", name).path)[1]
        np.savetxt(tmp_path / f"d{name[5:7]}_te.dat", values, fmt="   %.7e", delimiter="")
    for name, turned in (("fault00_train", True), ("fault03_train", False)):
        values = numbers(DATA / f"tep/{name}.parquet")[1]
        np.savetxt(tmp_path / f"d{name[5:7]}.dat", values.T if turned else values, fmt="   %.7e", delimiter="")
    convert(tmp_path, tmp_path / "tep")
    for converted, name in zip(load(tmp_path / "tep"), ("fault00_test", "fault03_test"), strict=True):
        same(converted, shared("tep", name))
    for name in ("fault00_train", "fault03_train"):
        converted, others = (pq.read_table(folder / f"tep/{name}.parquet") for folder in (tmp_path, DATA))
        assert converted.equals(others)
        assert converted.schema.metadata[b"note"] == others.schema.metadata[b"note"]


FERRYBOX = """TimeStamp,SEB45Salinity,SEB45Conductivity,OptodeConcentration,OptodeSaturation,C3Temperature,\
FlowTemperature,OptodeTemperature,C3Turbidity,FlowFlow
2021-10-28T12:14:00,34.616,5.750999928,220.1199951,93.08000183,29.70000076,31.29999924,29.86000061,1.22,10.19999981
2021-10-28T12:15:00,34.619,5.750999928,219.7200012,92.97000122,29.69000053,31.39999962,29.89999962,1.24,0
2021-10-28T12:16:00,19.154,3.38499999,211.8300018,90.19000244,29.85000038,32.20000076,30.25,1.71,0
"""
"""Lines of the publisher's multivariate_dataset.csv, as they are."""


def test_ferrybox_minutes_become_labels(tmp_path: Path) -> None:
    write(tmp_path / "dataset/multivariate_dataset.csv", FERRYBOX)
    write(tmp_path / "dataset/labels.txt", "2021-10-28 10:05\n2021-10-28 12:15\n2021-10-28 12:16\n")
    convert(tmp_path, tmp_path / "ferrybox")
    (one,) = load(tmp_path / "ferrybox")
    assert (one.begin, one.rows_per_day, one.labels.tolist()) == (0, 1440.0, [0, 1, 1])
    others = shared("ferrybox", "one_ocean_2021")
    assert one.variables == others.variables
    np.testing.assert_array_equal(numbers(one.path)[1], numbers(others.path)[1][734:737])
    np.testing.assert_array_equal(one.labels, others.labels[734:737])


def test_ferrybox_is_the_same_as_others_made_of_it(tmp_path: Path) -> None:
    one = shared("ferrybox", "one_ocean_2021")
    table = pq.read_table(one.path)
    (tmp_path / "dataset").mkdir()
    at = table["timestamp"].to_numpy()
    columns = {"TimeStamp": at.astype("datetime64[s]").astype(str)}
    columns |= {name: table[name] for name in one.variables}
    pyarrow.csv.write_csv(
        pa.table(columns), tmp_path / "dataset/multivariate_dataset.csv",
        pyarrow.csv.WriteOptions(quoting_style="needed"),
    )  # fmt: skip
    minutes = at[one.labels == 1].astype("datetime64[m]").astype(str)
    write(tmp_path / "dataset/labels.txt", "\n".join(minute.replace("T", " ") for minute in minutes))
    convert(tmp_path, tmp_path / "ferrybox")
    same(load(tmp_path / "ferrybox")[0], one)


def test_what_is_not_laid_out_so_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be named nab, skab, .*, ferrybox; got 'mine'"):
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
