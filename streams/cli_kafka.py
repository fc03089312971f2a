"""The commands that need Kafka: a worker in a consumer group, and topics."""

from typing import Annotated

import typer

from streams import config as configuration
from streams.terminal import DEFAULT, ConfigPath, Json, console, level, libraries, show, told, work

topics = typer.Typer(help="Topics of the cluster.", no_args_is_help=True)

Partitions = Annotated[int | None, typer.Option(help="How many; the worker count is limited by it.")]
Replication = Annotated[int | None, typer.Option(help="Copies of every partition; absent: the broker's default.")]


def run_worker(
    pipeline: Annotated[str, typer.Argument(help="The pipeline to work on.")],
    config: ConfigPath = DEFAULT,
    strict: Annotated[bool, typer.Option(help="Refuse to start a watch cold because its parameters changed.")] = False,
    instance: Annotated[str | None, typer.Option(help="Name of a static member; overrides kafka.instance.")] = None,
) -> None:
    """Run a pipeline as a Faust worker in its consumer group.

    Start more of them, on any machine, and they share the partitions; snapshots must then be where all of them reach
    them. SIGTERM and Ctrl-C save and leave. Killed, it goes on where its snapshot ends: nothing is lost, nothing
    doubled.
    """
    level("info")
    libraries()
    with told():
        work("work").work(configuration.load(config), config, pipeline, strict=strict, instance=instance)


@topics.command("create")
def topics_create(
    name: Annotated[str | None, typer.Argument(help="Absent: those of alerts and of dead letters.")] = None,
    config: ConfigPath = DEFAULT,
    partitions: Partitions = None,
    replication: Replication = None,
    retention: Annotated[str | None, typer.Option(help="Such as 7d; absent: the broker's default.")] = None,
    compact: Annotated[bool, typer.Option("--compact", help="Keep the last value of every key.")] = False,
) -> None:
    """Create a topic; without a name, the topics that a worker writes to, as they should be."""
    with told():
        loaded = configuration.load(config)
        if name is None:
            made = work("kafka_command").create_own(loaded, partitions=partitions, replication=replication)
        else:
            made = {
                name: work("kafka_command").create(
                    loaded, name, partitions=partitions or 4, replication=replication, retention=retention,
                    compact=compact,
                )
            }  # fmt: skip
    for topic, fresh in made.items():
        console().print(f"{topic} {'is created' if fresh else 'was there already'}")


@topics.command("list")
def topics_list(config: ConfigPath = DEFAULT, as_json: Json = False) -> None:
    """List topics with their partitions, retention and compaction."""
    with told():
        rows = work("kafka_command").listing(configuration.load(config))
    if as_json:
        show(rows)
    else:
        console().print(work("say").topics_table(rows))


def repartition(
    pipeline: Annotated[str, typer.Argument(help="The pipeline whose topic is copied.")],
    target: Annotated[str, typer.Argument(help="An empty topic; `watchkeeper topics create` makes one.")],
    config: ConfigPath = DEFAULT,
) -> None:
    """Copy a pipeline's topic so that every series stands in one partition.

    State belongs to a series in a partition: one that is spread over several is scored as several. `watchkeeper check
    --sample` tells whether any is.
    """
    with told():
        count = work("kafka_command").repartition(configuration.load(config), config, pipeline, target)
    console().print(f"{count} records copied to {target}; set pipelines.{pipeline}.topic to it")
