"""Runs of the `watchkeeper` command in processes of their own, forked from one that has imported everything.

A fresh interpreter imports for seconds; the command itself is quick. Environment, folder, arguments, output and exit
status are those of a command.
"""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from streams.cli import main

_FORKED = get_context("forkserver")
_FORKED.set_forkserver_preload(["streams.cli", "streams.work", "streams.kafka_command", "streams.say", __name__])


@dataclass(frozen=True)
class Done:
    """What a command left."""

    status: int | None
    out: str
    error: str

    @property
    def said(self) -> list[str]:
        """The lines on stderr, without those of the log."""
        return [line for line in self.error.splitlines() if not line.startswith("timestamp=")]


def run(arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], seconds: float = 60.0) -> Done:
    """Run a command to its end. AssertionError when the time is up."""
    process = _FORKED.Process(target=_command, args=(list(arguments), folder, dict(environment)))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"{arguments} did not end within {seconds:.0f} s: {_output(folder)}")
    done = Done(process.exitcode, *_output(folder))
    process.close()
    return done


def _output(folder: Path) -> tuple[str, str]:
    return (folder / "stdout").read_text(), (folder / "stderr").read_text()


def _command(arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.update(environment)
    for name, number in (("stdout", 1), ("stderr", 2)):
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
    sys.argv = ["watchkeeper", *arguments]
    try:
        main()
    except Exception:
        traceback.print_exc()
        raise
