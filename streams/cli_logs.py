"""The commands that read what a worker wrote: alerts, dead letters, snapshots."""

from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from streams import config as configuration
from streams.terminal import DEFAULT, ConfigPath, Database, Json, console, show, told, work

dead = typer.Typer(help="Dead letters: what could not be used, with its original bytes and why.", no_args_is_help=True)
alerts = typer.Typer(help="Alerts: what a person should look at.", no_args_is_help=True)
snapshots = typer.Typer(help="Snapshots: what a worker knows.", no_args_is_help=True)


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
        if loaded := _on_kafka(config, database):
            letters = work("kafka_command").dead_letters(loaded, reason=reason)
            counts = dict(Counter(letter.reason for letter in letters).most_common())
            letters = letters[:limit]
        else:
            log, file = import_module("connectors.sqlite_log"), _database(config, database)
            counts, letters = log.count_dead(file), log.dead_letters(file, reason=reason, limit=limit)
    if as_json:
        show({"counts": counts, "dead_letters": letters})
        return
    console().print(work("say").dead_table(letters))
    console().print(", ".join(f"{reason} {count}" for reason, count in counts.items()) or "no dead letters")


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
        if loaded := _on_kafka(config, database):
            letters = work("kafka_command").dead_letters(loaded)
        else:
            letters = import_module("connectors.sqlite_log").dead_letters(_database(config, database))
        letters = work("command").letters_at(letters, place)
    if as_json:
        show(letters)
        return
    for letter in letters:
        console().print(work("say").facts(work("say").place(letter), work("say").letter_facts(letter)))


@dead.command("replay")
def dead_replay(
    pipeline: Annotated[str, typer.Option("--pipeline", "-p", help="The pipeline whose dead letters are tried again.")],
    config: ConfigPath = DEFAULT,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason.")] = None,
    as_json: Json = False,
) -> None:
    """Try dead letters again, after the configuration was mended.

    On Kafka their records go back to the pipeline's topic, where its worker reads them; the letters are deleted.
    Embedded, the pipeline must not be running.

    What is read now is scored and leaves the list. What fails again stays, with one more attempt. A reading that is
    by now older than the newest of its series cannot be scored; it is counted, and not kept a second time as late.
    """
    with told():
        if loaded := _on_kafka(config, None):
            report = work("kafka_command").replay_dead(loaded, pipeline, reason=reason)
        else:
            report = work("command").replay_dead(configuration.load(config), config, pipeline, reason=reason)
    if as_json:
        show(report)
    else:
        console().print(work("say").facts(f"dead letters of {pipeline}", report))


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
        if loaded := _on_kafka(config, database):
            found = work("kafka_command").alerts(loaded, state=state, limit=limit)
        else:
            log = import_module("connectors.sqlite_log")
            found = log.alerts(_database(config, database), state=state, limit=limit)
    if as_json:
        show(found)
    else:
        console().print(work("say").alerts_table(found))


@alerts.command("show")
def alerts_show(
    alert: Annotated[str, typer.Argument(help="The id, or enough of its beginning.")],
    config: ConfigPath = DEFAULT,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show an alert: what was read, what was expected, who raised it, and the offsets to replay."""
    with told():
        if loaded := _on_kafka(config, database):
            found = work("kafka_command").alert(loaded, alert)
        else:
            found = import_module("connectors.sqlite_log").alert(_database(config, database), alert)
    if as_json:
        show(found)
    else:
        console().print(work("say").facts(f"alert {found.id[:8]}", work("say").alert_facts(found)))


def _on_kafka(config: Path, database: Path | None) -> Any:
    """The configuration, if alerts and dead letters are in Kafka and no database was named; else None."""
    if database is not None or not config.exists():
        return None
    loaded = configuration.load(config)
    return loaded if loaded.kafka is not None else None


def _database(config: Path, database: Path | None) -> Path:
    if database is not None:
        return database
    if config == DEFAULT and not config.exists() and (found := Path("watchkeeper-data/demo/watchkeeper.db")).exists():
        return found
    return Path(configuration.load(config).sqlite.path)


@snapshots.command("forget")
def snapshots_forget(
    name: Annotated[str, typer.Argument(help="PIPELINE/TOPIC/PARTITION.")],
    config: ConfigPath = DEFAULT,
) -> None:
    """Delete the snapshots of a partition: it starts cold the next time. The pipeline must not be running."""
    with told():
        store = work("command").store(configuration.load(config))
        with store.lock():
            store.forget(name)
    console().print(f"{name} is forgotten")
