"""Telegraf's JSON, alone and in batches."""

from streams.decode.decoder import decoder
from streams.decode.formats import Telegraf
from tests.streams.decode.material import decode, told

FIELDS = b'{"fields":{"usage_idle":98.5,"usage_user":1},"name":"cpu",'
METRIC = FIELDS + b'"tags":{"cpu.id":"cpu0","host":"a"},"timestamp":1458229140}'
CPU = Telegraf(series=("name", "host", "cpu.id"), values=("usage_idle", "usage_user"))


def test_a_metric_is_a_reading() -> None:
    readings = decode(decoder(CPU), METRIC).readings
    assert list(readings.series) == [b"cpu/a/cpu0"]
    assert readings.times.tolist() == [1_458_229_140_000_000_000]
    assert readings.values.tolist() == [[98.5, 1.0]]


def test_a_batch_is_as_many_readings_as_it_has_metrics() -> None:
    other = METRIC.replace(b"cpu0", b"cpu1")
    decoded = decode(decoder(CPU), b'{"metrics":[' + METRIC + b"," + other + b"]}", METRIC)
    assert decoded.readings.index.tolist() == [0, 1, 0]
    assert list(decoded.readings.series) == [b"cpu/a/cpu0", b"cpu/a/cpu1", b"cpu/a/cpu0"]


def test_metrics_of_another_kind_are_named_one_by_one() -> None:
    memory = b'{"fields":{"used":1},"name":"mem","tags":{"host":"a","cpu.id":""},"timestamp":1458229140}'
    text = METRIC.replace(b"98.5", b'"98.5"')
    huge = METRIC.replace(b"98.5", b"1e400")
    disk = METRIC.replace(b"usage", b"used")
    decoded = decode(decoder(CPU), b'{"metrics":[' + b",".join([METRIC, memory, text, huge, disk]) + b"]}")
    assert decoded.readings.index.tolist() == [0]
    reasons = ["missing_series", "wrong_type", "not_finite", "missing_field"]
    assert told(decoded) == [(0, index, why) for index, why in enumerate(reasons, start=1)]


def test_a_single_metric_has_the_same_reasons_as_one_in_a_batch() -> None:
    wrong = METRIC.replace(b"98.5", b'"98.5"')
    assert told(decode(decoder(CPU), wrong)) == told(decode(decoder(CPU), b'{"metrics":[' + wrong + b"]}"))


def test_units_and_formats_of_the_timestamp() -> None:
    ms = decode(decoder(Telegraf(values="usage_idle", unit="ms")), METRIC.replace(b"1458229140", b"1458229140123"))
    iso = decode(decoder(Telegraf(values="usage_idle")), METRIC.replace(b"1458229140", b'"2016-03-17T15:39:00.123Z"'))
    assert ms.readings.times.tolist() == iso.readings.times.tolist() == [1_458_229_140_123_000_000]


def test_tags_and_fields_can_be_read_as_text() -> None:
    cpu = decoder(CPU)
    batch = b'{"metrics":[' + METRIC + b"]}"
    assert [cpu.text(batch, 0, name) for name in ("name", "host", "cpu.id", "usage_idle", "none")] == [
        *("cpu", "a", "cpu0", "98.5", None)
    ]
    assert cpu.text(METRIC, 0, "host") == "a"
