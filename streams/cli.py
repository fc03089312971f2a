"""The `watchkeeper` command."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import msgspec
import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streams import config as configuration
from streams.config import ConfigError

app = typer.Typer(
    name="watchkeeper",
    help="Streaming anomaly detection that an engineer can trust at 3 a.m.\n\nNew here? `watchkeeper demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    add_completion=False,
)
dead = typer.Typer(help="Dead letters: what could not be used, with its original bytes and why.", no_args_is_help=True)
alerts = typer.Typer(help="Alerts: what a person should look at.", no_args_is_help=True)
bench = typer.Typer(help="Measure this machine.", no_args_is_help=True)
app.add_typer(dead, name="dead")
app.add_typer(alerts, name="alerts")
app.add_typer(bench, name="bench")

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs to read.")]
Database = Annotated[Path | None, typer.Option(help="An SQLite file, in place of the configured one.")]
DEFAULT = Path("watchkeeper.toml")


def work(module: str) -> Any:
    """The module that does the work of a command, imported when the command is called: `--help` stays instant."""
    return import_module(f"streams.{module}")


@contextmanager
def told() -> Iterator[None]:
    """What is wrong with the input, in a line in place of a traceback."""
    try:
        yield
    except (ConfigError, FileNotFoundError, LookupError, RuntimeError, ValueError) as error:
        print(f"watchkeeper: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def show(value: Any) -> None:
    """Print JSON."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def teller(out: Console) -> Callable[[Sequence[Any]], None]:
    """Prints alerts as they open and close; one that only rose higher is not told again."""
    known: set[tuple[str, str]] = set()

    def tell(alerts: Sequence[Any]) -> None:
        for alert in alerts:
            if (alert.id, alert.state) not in known:
                known.add((alert.id, alert.state))
                out.print(work("say").line(alert), soft_wrap=True)

    return tell


@app.command()
def demo(
    live: Annotated[bool, typer.Option("--live", help="Watch this very machine at 1 Hz until Ctrl-C instead.")] = False,
    folder: Annotated[Path, typer.Option(help="Where scores, alerts and snapshots go.")] = Path("watchkeeper-data"),
    as_json: Json = False,
) -> None:
    """Replay real recordings through the production worker, and show what it finds.

    Five pipelines over 25 real series (155,131 rows) that come with Watchkeeper: an industrial machine, AWS CloudWatch,
    a server, a ship's FerryBox, bike rentals. Alerts are printed as they open and close; at the end a table tells how
    many labelled events were found and how many alerts were false. Everything lands in an SQLite file.

    `--live` goes on where it was stopped.
    """
    if live:
        _live(folder)
        return
    demo, out = work("demo"), Console(quiet=as_json)
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
    out = Console()
    out.print("Watching this machine once a second; the first verdicts come after a minute. Ctrl-C saves and leaves.")
    with told(), out.status("waiting for the first reading") as status:
        work("demo").run_live(folder, teller(out), lambda records: status.update(records.values[-1].decode()))


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
    with told():
        loaded = configuration.load(config)
        work("command").run_pipelines(loaded, config, only=pipeline, strict=strict, tell=teller(Console()))


@app.command()
def check(config: ConfigPath = DEFAULT, as_json: Json = False) -> None:
    """Check a configuration and tell what it would do.

    Names the file, the table, the key and the value that is wrong, and what was probably meant. Also tells how much
    memory the states can take at most.
    """
    with told():
        facts = work("command").explain(configuration.load(config), config)
    if as_json:
        show(facts)
        return
    for name, known in facts.items():
        Console().print(work("say").facts(f"{config}: {name}", known))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A CSV, Parquet or JSON-lines file.")],
    pipeline: Annotated[str, typer.Option("--pipeline", "-p", help="The pipeline that scores it.")],
    config: ConfigPath = DEFAULT,
    speed: Annotated[float | None, typer.Option(help="Times real time; absent: as fast as possible.")] = None,
    into: Annotated[Path, typer.Option(help="Where scores, alerts and snapshots go.")] = Path(
        "watchkeeper-data/replay"
    ),
    as_json: Json = False,
) -> None:
    """Replay a recording through a pipeline, apart from its live state, and print its alerts.

    Killed and started again, it goes on at the exact next reading; a finished replay starts afresh in a new folder.
    """
    out = Console(quiet=as_json)
    with told():
        report = work("command").replay_file(
            configuration.load(config), config, file, pipeline, speed=speed, into=into, tell=teller(out),
            on_records=lambda _: None,
        )  # fmt: skip
    if as_json:
        show(report)
    else:
        out.print(work("say").facts("replayed", report))


@dead.command("list")
def dead_list(
    config: ConfigPath = DEFAULT,
    database: Database = None,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters, newest first, with the count of each reason."""
    with told():
        log, file = import_module("connectors.sqlite_log"), _database(config, database)
        counts, letters = log.count_dead(file), log.dead_letters(file, reason=reason, limit=limit)
    if as_json:
        show({"counts": counts, "dead_letters": letters})
        return
    Console().print(work("say").dead_table(letters))
    Console().print(", ".join(f"{reason} {count}" for reason, count in counts.items()) or "no dead letters")


@dead.command("show")
def dead_show(
    place: Annotated[
        str, typer.Argument(help="PIPELINE/TOPIC/PARTITION/OFFSET or PIPELINE/TOPIC/PARTITION/OFFSET/INDEX.")
    ],
    config: ConfigPath = DEFAULT,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show dead letters of one record: why, and the original bytes."""
    with told():
        letters = work("command").letters_at(_database(config, database), place)
    if as_json:
        show(letters)
        return
    for letter in letters:
        Console().print(work("say").facts(work("say").place(letter), work("say").letter_facts(letter)))


@dead.command("replay")
def dead_replay(
    pipeline: Annotated[str, typer.Option("--pipeline", "-p", help="The pipeline whose dead letters are tried again.")],
    config: ConfigPath = DEFAULT,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason.")] = None,
    as_json: Json = False,
) -> None:
    """Try dead letters again, after the configuration was mended. The pipeline must not be running.

    What is read now is scored and leaves the list. What fails again stays, with one more attempt. A reading that is
    by now older than the newest of its series cannot be scored; it is counted, and not kept a second time as late.
    """
    with told():
        report = work("command").replay_dead(configuration.load(config), config, pipeline, reason=reason)
    if as_json:
        show(report)
    else:
        Console().print(work("say").facts(f"dead letters of {pipeline}", report))


@alerts.command("list")
def alerts_list(
    config: ConfigPath = DEFAULT,
    database: Database = None,
    state: Annotated[str | None, typer.Option(help="open or closed.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List alerts, newest first."""
    with told():
        log = import_module("connectors.sqlite_log")
        found = log.alerts(_database(config, database), state=state, limit=limit)
    if as_json:
        show(found)
    else:
        Console().print(work("say").alerts_table(found))


@alerts.command("show")
def alerts_show(
    alert: Annotated[str, typer.Argument(help="The id, or enough of its beginning.")],
    config: ConfigPath = DEFAULT,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show an alert: what was read, what was expected, who raised it, and the offsets to replay."""
    with told():
        found = import_module("connectors.sqlite_log").alert(_database(config, database), alert)
    if as_json:
        show(found)
    else:
        Console().print(work("say").facts(f"alert {found.id[:8]}", work("say").alert_facts(found)))


def _database(config: Path, database: Path | None) -> Path:
    if database is not None:
        return database
    if config == DEFAULT and not config.exists() and (found := Path("watchkeeper-data/demo/watchkeeper.db")).exists():
        return found
    return Path(configuration.load(config).sqlite.path)


@bench.command("detectors")
def bench_detectors(
    quick: Annotated[bool, typer.Option("--quick", help="Answer within 50 s.")] = False, as_json: Json = False
) -> None:
    """Speed, state size, snapshot and restore time of every method, and of the embedded worker, on one core.

    Readings arrive in random order over 100, 10,000 and 1,000,000 series; one reading is one row of one variable.
    """
    report = work("bench").measure(quick=quick)
    if as_json:
        show(report)
    else:
        Console().print(work("say").facts("figures", report["figures"]))


def main() -> None:
    """The console script."""
    quiet = structlog.make_filtering_bound_logger(30)  # warnings and errors; what an operator would act on
    logger = structlog.PrintLoggerFactory(file=sys.stderr)
    structlog.configure(wrapper_class=quiet, logger_factory=logger)
    app()
