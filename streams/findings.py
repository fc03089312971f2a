"""An evaluation with all that is told beside it: what was published, what was promised, and what was proved."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from connectors.suites import Labelled
from detectors.conformal import Conformal
from detectors.watch import Watch
from streams import budget
from streams.evaluate import Evaluation, nab_scores
from streams.evaluation_table import figures
from streams.machine import machine
from streams.nab_scoreboard import SERIES, published
from streams.policy import AlertPolicy
from streams.report.contents import Report


def report(
    evaluation: Evaluation,
    *,
    watches: Sequence[Watch],
    folders: Sequence[Path],
    proved: Mapping[str, bool],
) -> Report:
    """Everything that the table, the JSON and the page tell.

    watches: those that were judged; one with a budget is replayed once more, to hold it against what came
    folders: of the suites, for what their publishers say
    """
    found = list({one.recording.path: one.recording for one in evaluation.judged}.values())
    budgets = [kept for watch in watches if isinstance(watch.calibrator, Conformal) for kept in _budgets(found, watch)]
    nab = nab_scores(evaluation)
    named = figures(evaluation, nab) | {
        f"budget.{kept.name}.{what}": value
        for kept in budgets
        for what, value in (("promised", kept.promised), ("observed", float(kept.observed)), ("ratio", kept.ratio))
    }
    return Report(
        evaluation=evaluation, figures={"machine": machine(), "figures": named}, watches=watches,
        nab=nab,
        published=_published(found, folders),
        proved=proved, budgets=budgets,
    )  # fmt: skip


def _published(found: Sequence[Labelled], folders: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Nothing unless all of the benchmark was judged: scores over a part of it cannot stand beside them."""
    if sum(one.suite == "nab" for one in found) != SERIES:
        return {}
    return {name: told for folder in folders for name, told in published(folder).items()}


def _budgets(found: Sequence[Labelled], watch: Watch) -> list[budget.Budget]:
    """For each suite, and for what belongs to none."""
    return [
        budget.measure(
            f"{watch.name} {suite}".strip(), [one for one in found if one.suite == suite], watch, AlertPolicy()
        )
        for suite in dict.fromkeys(one.suite for one in found)
    ]
