"""What the commands share: options, messages, and the way alerts are told."""

import logging
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

from streams.config import ConfigError

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs to read.")]
Database = Annotated[Path | None, typer.Option(help="An SQLite file, in place of the configured one.")]
DEFAULT = Path("watchkeeper.toml")


def level(name: str) -> None:
    """Structured lines on stderr, one for each event that an operator would act on."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(name),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


class _Told(logging.Handler):
    """Tells what a library logs in lines like ours. Tracebacks are left out: a worker tells of its own death itself."""

    def emit(self, record: logging.LogRecord) -> None:
        tell = structlog.get_logger().error if record.levelno >= logging.ERROR else structlog.get_logger().warning
        tell("library", logger=record.name, message=record.getMessage())


def libraries() -> None:
    """Let Faust and the Kafka clients log what an operator would act on, and nothing else."""
    logging.basicConfig(handlers=[_Told()], level=logging.WARNING, force=True)
    for name, least in (("faust", logging.CRITICAL), ("mode", logging.CRITICAL), ("aiokafka", logging.ERROR)):
        logging.getLogger(name).setLevel(least)


def console(*, quiet: bool = False) -> Console:
    """The terminal; where the output goes into a file or a pipe, lines are long enough for a table."""
    out = Console(quiet=quiet)
    return out if out.is_terminal else Console(quiet=quiet, width=160)


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
