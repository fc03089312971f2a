"""What a worker counts about itself, for Prometheus."""

import time
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors.base import Alerts, Records, Refused, Rows, Sink
from streams.decode.readings import Decoded, Decoder
from streams.steward import Steward

LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""s"""

BATCH = (10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)
"""records"""


class TimedDecoder:
    """Decodes, and knows how long it took."""

    def __init__(self, decoder: Decoder, sizes: Histogram) -> None:
        self._decoder, self._sizes = decoder, sizes
        self.variables = decoder.variables
        self.seconds = 0.0

    def decode(self, records: Records) -> Decoded:
        self._sizes.observe(len(records))
        begun = time.monotonic()
        try:
            return self._decoder.decode(records)
        finally:
            self.seconds += time.monotonic() - begun

    def text(self, value: bytes, index: int, field: str) -> str | None:
        return self._decoder.text(value, index, field)


class TimedAlerts:
    """A sink that notes how old the opening reading of an alert is when the alert is accepted."""

    def __init__(self, sink: Sink, ages: Histogram) -> None:
        self._sink, self._ages = sink, ages

    async def write(self, rows: Rows) -> Refused:
        refused = await self._sink.write(rows)
        if isinstance(rows, Alerts):
            now = time.time()
            for alert in rows.rows:
                if alert.state == "open" and alert.peak_time in (None, alert.opened):
                    self._ages.observe(max(0.0, now - alert.opened / 1e9))
        return refused

    async def close(self) -> None:
        await self._sink.close()


class Metrics(Collector):
    """All figures of one worker, read when they are asked for. Counts of readings begin with the partition's state."""

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline
        self.registry = CollectorRegistry()
        self.sizes = self._histogram("batch_records", "Records decoded at once", BATCH)
        self.ages = self._histogram(
            "event_to_alert_seconds", "From the time of the opening reading until its alert was accepted", LATENCY
        )
        self.decoder: TimedDecoder | None = None
        self.steward: Steward | None = None
        self.registry.register(self)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        family = Histogram(f"watchkeeper_{name}", text, ["pipeline"], buckets=buckets, registry=self.registry)
        return family.labels(self._pipeline)

    def text(self) -> bytes:
        """What Prometheus reads."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        if self.steward is None:
            return
        yield from self._of_partitions(self.steward)
        yield from self._of_time(self.steward)
        yield from self._of_sinks(self.steward)

    def _of_partitions(self, steward: Steward) -> Iterator[Metric]:
        owned = steward.worker.owned
        rejects = self._counter("rejects", "Readings and records that could not be used", "partition", "reason")
        readings = self._counter("readings", "Readings scored", "partition")
        for number, each in owned.items():
            readings.add_metric([self._pipeline, str(number)], each.partition.counts["accepted"])
            for name, count in each.partition.counts.items():
                if name.startswith("rejected."):
                    reason = name.removeprefix("rejected.")
                    rejects.add_metric([self._pipeline, str(number), reason], count)
        yield from (readings, rejects)
        now = time.monotonic()
        gauges: Mapping[str, tuple[str, Mapping[int, float]]] = {
            "lag_records": ("Records that wait to be read", {n: steward.lag(n) for n in owned}),
            "series": ("Series that are known", {n: len(each.partition.series.names) for n, each in owned.items()}),
            "state_bytes": ("Detector state in memory", {n: each.partition.size for n, each in owned.items()}),
            "snapshot_age_seconds": ("Since the last snapshot", {n: now - each.saved_at for n, each in owned.items()}),
            "snapshot_bytes": ("Written by the last snapshot", {n: each.snapshot_bytes for n, each in owned.items()}),
            "last_score_age_seconds": (
                "Since the partition was last read further, or found to be read to its end",
                {n: now - at for n, at in steward.scored_at.items()},
            ),
        }  # fmt: skip
        for name, (text, values) in gauges.items():
            family = GaugeMetricFamily(f"watchkeeper_{name}", text, labels=["pipeline", "partition"])
            for number, value in values.items():
                family.add_metric([self._pipeline, str(number)], value)
            yield family

    def _of_time(self, steward: Steward) -> Iterator[Metric]:
        seconds = self._counter("seconds", "Time spent, by stage", "stage")
        decode = self.decoder.seconds if self.decoder else 0.0
        written = sum(outbox.write_s for outbox in steward.worker.delivery.outboxes)
        stages = {"decode": decode, "score": steward.worker.process_s - decode, "write": written}
        for stage, spent in stages.items():
            seconds.add_metric([self._pipeline, stage], spent)
        yield seconds
        models = GaugeMetricFamily(
            "watchkeeper_watch_info", "Watches and the versions of their models", labels=["pipeline", "watch", "model"]
        )
        for watch in steward.worker.pipeline.watches:
            models.add_metric([self._pipeline, watch.name, type(watch.watch.detector).__name__], 1)
        yield models

    def _of_sinks(self, steward: Steward) -> Iterator[Metric]:
        retries = self._counter("sink_retries", "Writes that found a sink busy", "sink")
        refused = self._counter("sink_refused", "Rows that a sink will never accept", "sink")
        for outbox in steward.worker.delivery.outboxes:
            retries.add_metric([self._pipeline, outbox.name], outbox.retries)
            refused.add_metric([self._pipeline, outbox.name], outbox.refused)
        yield from (retries, refused)

    def _counter(self, name: str, text: str, *labels: str) -> CounterMetricFamily:
        return CounterMetricFamily(f"watchkeeper_{name}", text, labels=["pipeline", *labels])
