"""Every shipped detector and every baseline on every suite: writes ops/evaluation.csv and the tables of the README.

`python -m tests.benchmarks.evaluation [SUITE …] [--watch NAME …]` measures the suites and watches named, all by
default, and keeps what ops/evaluation.csv says of the others.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from math import nan
from pathlib import Path

import numpy as np

from connectors.suites import SUITES
from streams.candidates import BASELINE, baseline_watches, of_watch
from streams.evaluate import evaluate, nab_scores, recordings, summary
from streams.machine import machine
from streams.terminal import level
from streams.watch_text import watch_of

DATA, FIGURES, README = Path("../shared/data"), Path("ops/evaluation.csv"), Path("README.md")
BEGIN, END = "<!-- make evaluate: begin -->", "<!-- make evaluate: end -->"

SLOW = (
    '{ name = "slow level", detector = { type = "together", members = [{ detector = { type = "gaussian", '
    'half_life = 1000.0 }, calibrator = { type = "likelihood", window = 30 } }, { detector = { type = "range" } }] } }'
)
SMOOTH = (
    '{ name = "smooth ensemble", detector = { type = "ensemble" }, calibrator = { type = "likelihood", window = 30, '
    "learning = 50, estimation = 50 } }"
)
WATCHES = (
    "gaussian", "gaussian+likelihood", "gaussian+likelihood|range", SLOW, "gaussian+conformal", "stuck", "mahalanobis",
    "kmeans", "subsequence_pca", "ensemble", SMOOTH,
)  # fmt: skip

MEANS = {
    "vus_pr": ("VUS-PR", ".3f"),
    "roc": ("ROC", ".3f"),
    "pate": ("PATE", ".3f"),
    "pate_step": ("PATE-step", ".3f"),
    "event_f1": ("event F1", ".2f"),
    "delay_rows": ("delay", ".0f"),
    "us_per_reading": ("us/reading", ".1f"),
}
"""figure -> heading and format"""

BY_SUITE = {
    "vus_pr": ("VUS-PR", ".3f"),
    "event_f1": ("event F1", ".2f"),
    "false_alerts_per_day": ("false alerts per day", ".2f"),
}
"""the same, of what a mean would hide"""

Table = dict[tuple[str, str, str], float]
"""(suite, watch, figure) -> value"""


def measured(suite: str, only: Sequence[str]) -> Table:
    watches = [watch for watch in map(watch_of, WATCHES) if not only or watch.name in only]
    candidates = [of_watch(watch) for watch in watches] + ([] if only else baseline_watches())
    found, begun = recordings([DATA / suite]), time.time()
    judged = evaluate(found, candidates, tell=lambda one: print(" ", one.name, flush=True))
    print(f"{suite}: {len(found)} recordings in {time.time() - begun:.0f} s", flush=True)
    table = {(suite, watch, name): v for watch, told in summary(judged).items() for name, v in told.items()}
    nab = {(suite, w, f"nab.{name}"): v for w, told in nab_scores(judged).items() for name, v in told.items()}
    return table | nab


def saved() -> Table:
    if not FIGURES.exists():
        return {}
    with FIGURES.open(newline="") as lines:
        return {(suite, watch, figure): float(value) for suite, watch, figure, value in list(csv.reader(lines))[1:]}


def save(table: Table) -> None:
    with FIGURES.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["suite", "watch", "figure", "value"])
        lines.writerows([*key, f"{value:.6g}"] for key, value in table.items())


def markdown(heading: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)


def cell(value: float, form: str) -> str:
    return "–" if np.isnan(value) else format(value, form)


def tables(table: Table) -> str:
    suites = [suite for suite in SUITES if any(key[0] == suite for key in table)]
    names = sorted(dict.fromkeys(watch for _, watch, _ in table), key=lambda name: name.startswith(BASELINE))

    def mean(watch: str, figure: str) -> float:
        values = [table[key] for suite in suites if (key := (suite, watch, figure)) in table]
        return float(np.mean(values)) if values else nan

    means = ([name, *(cell(mean(name, f), form) for f, (_, form) in MEANS.items())] for name in names)
    parts = [markdown(["mean over the suites", *(heading for heading, _ in MEANS.values())], means)]
    for figure, (heading, form) in BY_SUITE.items():
        rows = ([n, *(cell(table.get((suite, n, figure), nan), form) for suite in suites)] for n in names)
        parts.append(markdown([f"{heading} by suite", *suites], rows))
    return "\n\n".join(parts)


def write_readme(table: Table, about: Mapping[str, object]) -> None:
    text = README.read_text()
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    README.write_text(f"{before}\n{tables(table)}\n\nMeasured on {about['cores']} cores of {about['cpu']}.\n{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=list(SUITES))
    parser.add_argument("--watch", action="append", default=[])
    options = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"the suites are expected at {DATA}, and are not there")
    level("warning")
    table = saved()
    for suite in options.suites:
        fresh = measured(suite, options.watch)
        again = {watch for _, watch, _ in fresh}
        table = {key: value for key, value in table.items() if key[0] != suite or key[1] not in again} | fresh
        save(table)
    write_readme(table, machine())


if __name__ == "__main__":
    main()
