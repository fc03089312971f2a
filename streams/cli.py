"""The `watchkeeper` command."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streams import config as configuration
from streams.cli_backtest import backtest
from streams.cli_budget import budget
from streams.cli_convert import convert
from streams.cli_evaluate import evaluate
from streams.cli_kafka import repartition, run_worker, topics
from streams.cli_ladder import ladder
from streams.cli_logs import alerts, dead, snapshots
from streams.cli_policy import policy
from streams.terminal import DEFAULT, ConfigPath, Json, console, level, show, teller, told, work

app = typer.Typer(
    name="watchkeeper",
    help="Streaming anomaly detection that an engineer can trust at 3 a.m.\n\nNew here? `watchkeeper demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    add_completion=False,
)
bench = typer.Typer(help="Measure this machine.", no_args_is_help=True)
app.add_typer(alerts, name="alerts")
app.add_typer(dead, name="dead")
app.add_typer(snapshots, name="snapshots")
app.add_typer(bench, name="bench")
app.add_typer(topics, name="topics")
app.command("work")(run_worker)
app.command("repartition")(repartition)
app.command("evaluate")(evaluate)
app.command("budget")(budget)
app.command("backtest")(backtest)
app.command("policy")(policy)
app.command("ladder")(ladder)
app.command("convert")(convert)


@app.callback()
def begin() -> None:
    """Streaming anomaly detection that an engineer can trust at 3 a.m.

    New here? `watchkeeper demo`.
    """
    level("warning")


@app.command()
def demo(
    live: Annotated[bool, typer.Option("--live", help="Watch this very machine at 1 Hz until Ctrl-C instead.")] = False,
    folder: Annotated[Path, typer.Option(help="Where scores, alerts and snapshots go.")] = Path("watchkeeper-data"),
    as_json: Json = False,
) -> None:
    """Replay real recordings through the production worker, and show what it finds.

    Five pipelines over 21 real recordings (155,131 rows) that come with Watchkeeper: an industrial machine, AWS
    CloudWatch, a server, a ship's FerryBox, bike rentals. Alerts are printed as they open and close; at the end a
    table tells how many labelled events were found and how many alerts were false. Everything lands in an SQLite file.

    `--live` goes on where it was stopped.
    """
    if live:
        _live(folder)
        return
    demo, out = work("demo"), console(quiet=as_json)
    with told():
        lines = _play(demo, folder, out)
    if as_json:
        show(demo.as_json(lines))
        return
    out.print(work("say").demo_table(lines))
    out.print(
        f"\nAn event is found if an alert opened inside it; a false alert opened on a row that is labelled normal.\n"
        f"Scores, alerts and dead letters: {folder}/demo/watchkeeper.db (`watchkeeper alerts list`, `alerts show ID`)"
    )


def _play(demo: Any, folder: Path, out: Console) -> Any:
    with out.status("compiling kernels, once"):
        ready = demo.prepare()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out, transient=True) as progress:
        tasks = {one.pipeline.name: progress.add_task(one.pipeline.name, total=one.rows) for one in ready}

        def advance(name: str, records: Any) -> None:
            progress.advance(tasks[name], len(records))

        return demo.run_demo(demo.fresh_folder(folder), ready, teller(progress.console), advance)


def _live(folder: Path) -> None:
    out = console()
    out.print("Watching this machine once a second; the first verdicts come after a minute. Ctrl-C saves and leaves.")
    with told(), out.status("waiting for the first reading") as status:
        work("demo").run_live(
            folder, teller(out), lambda records: status.update(work("say").reading(records.values[-1]))
        )


@app.command()
def run(
    config: ConfigPath = DEFAULT,
    pipeline: Annotated[list[str] | None, typer.Option(help="Only these pipelines.")] = None,
    strict: Annotated[bool, typer.Option(help="Refuse to start a watch cold because its parameters changed.")] = False,
) -> None:
    """Run the pipelines of a configuration embedded, without Kafka.

    Every pipeline needs a `source`. SIGTERM and Ctrl-C save and leave; started again, it goes on at the exact next
    reading.
    """
    level("info")
    with told():
        loaded = configuration.load(config)
        work("command").run_pipelines(loaded, config, only=pipeline, strict=strict, tell=teller(console()))


@app.command()
def check(
    config: ConfigPath = DEFAULT,
    reach: Annotated[bool, typer.Option("--reach", help="Also knock at Kafka and InfluxDB, as `work` does.")] = False,
    sample: Annotated[int, typer.Option(help="Also look for series in several partitions, in so many records.")] = 0,
    as_json: Json = False,
) -> None:
    """Check a configuration and tell what it would do.

    Names the file, the table, the key and the value that is wrong, and what was probably meant. Also tells how much
    memory the states can take at most.
    """
    with told():
        loaded = configuration.load(config)
        facts = work("command").explain(loaded, config)
        for name in loaded.pipelines if reach else ():
            work("work").reach(loaded, name)
            facts[name]["reach"] = "Kafka and its topics, and InfluxDB where it is configured, let this user in"
        for name in loaded.pipelines if sample else ():
            found = work("kafka_command").spread(loaded, config, name, sample=sample)
            facts[name]["series_in_several_partitions"] = found
    if as_json:
        show(facts)
        return
    for name, known in facts.items():
        console().print(work("say").facts(f"{config}: {name}", known))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A CSV, Parquet or JSON-lines file.")],
    pipeline: Annotated[str, typer.Option("--pipeline", "-p", help="The pipeline that scores it.")],
    config: ConfigPath = DEFAULT,
    speed: Annotated[float | None, typer.Option(help="Times real time; absent: as fast as possible.")] = None,
    into: Annotated[Path, typer.Option(help="Where scores, alerts and snapshots go.")] = Path(
        "watchkeeper-data/replay"
    ),
    to: Annotated[str, typer.Option(help="`kafka`: send its rows to the pipeline's topic instead.")] = "",
    as_json: Json = False,
) -> None:
    """Replay a recording through a pipeline, apart from its live state, and print its alerts.

    Killed and started again, it goes on at the exact next reading. To replay from the start, name another folder.
    """
    out = console(quiet=as_json)
    if to:
        with told():
            _to_kafka(configuration.load(config), config, file, pipeline, to, speed)
        return
    with told():
        report = work("command").replay_file(
            configuration.load(config), config, file, pipeline, speed=speed, into=into, tell=teller(out),
            on_records=lambda _: None,
        )  # fmt: skip
    if as_json:
        show(report)
    else:
        out.print(work("say").facts("replayed", report))


def _to_kafka(loaded: Any, config: Path, file: Path, pipeline: str, to: str, speed: float | None) -> None:
    if to != "kafka":
        raise ValueError(f"--to: kafka, or absent to replay embedded; got {to!r}")
    count = work("kafka_command").produce(loaded, config, file, pipeline, speed=speed)
    console().print(f"{count} records sent to {loaded.pipelines[pipeline].topic}")


@bench.command("detectors")
def bench_detectors(
    quick: Annotated[bool, typer.Option("--quick", help="Answer within 50 s.")] = False, as_json: Json = False
) -> None:
    """Speed, state size, snapshot and restore time of every method, and of the embedded worker, on one core.

    Readings arrive in random order over 100, 10,000 and 1,000,000 series; one reading is one row of one variable.
    """
    report = work("bench.detectors").measure(quick=quick)
    if as_json:
        show(report)
    else:
        console().print(work("say").facts("figures", report["figures"]))


@bench.command("pipeline")
def bench_pipeline(
    bootstrap: Annotated[str, typer.Option(help="The broker. Topics bench.* are created there.")] = "127.0.0.1:9092",
    core: Annotated[int, typer.Option(help="Pin what is measured to this core; -1 = to none.")] = -1,
    peers: Annotated[Path, typer.Option(help="Scripts to compare with.")] = Path("tests/benchmarks/peers"),
    influxdb: Annotated[str, typer.Option(help="URL,ORG,BUCKET,TOKEN FILE; absent: without.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Answer within 50 s.")] = False,
    as_json: Json = False,
) -> None:
    """The whole way through a real broker, on one core: a worker, textbook Faust, a hand-written loop, the transport.

    Two million JSON readings of 1,000 series; the four alternate. `make bench-pipeline` starts the servers, apart.
    """
    level("info")
    with told():
        named = dict(zip(("url", "org", "bucket", "token"), influxdb.split(","), strict=False)) if influxdb else {}
        made = work("bench.workers").Bench(bootstrap=bootstrap, core=core, peers=peers.absolute(), influxdb=named)
        report = work("bench.pipeline").measure(made, quick=quick)
    if as_json:
        show(report)
    else:
        console().print(work("say").facts("figures", report["figures"]))


def main() -> None:
    """The console script."""
    app()
