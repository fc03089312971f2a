"""What a report has held against the facts: the promise of false alarms, rows that nobody scored, causality."""

from streams.budget import ENOUGH, Budget
from streams.report.contents import Report
from streams.report.html import cell, head, name, paragraph, section, table, words
from streams.say import number

FACTOR = 1.5
"""within which a promise counts as kept"""


def budgets(report: Report) -> str:
    """Promised false alarms against observed ones."""
    rows = []
    for of in report.budgets:
        numbers = [(of.promised, ".1f"), (of.observed, ".0f"), (of.ratio, ".2f"), (of.low, ".2f"), (of.high, ".2f")]
        cells = [cell(number(value, form)) for value, form in [*numbers, (of.days, ".1f")]]
        rows.append(name(of.name) + "".join(cells) + _verdict(of))
    heads = [head("watch and recordings"), *map(head, ("promised", "observed", "ratio", "low", "high", "days"))]
    caption = "Alarm episodes on rows labelled normal. The interval is that of the ratio, 95 %."
    heads.append(head("promise", kind="words"))
    return section("budgets", "False alarms: promised and observed", table(caption, [heads], rows)) if rows else ""


def _verdict(of: Budget) -> str:
    if of.promised < ENOUGH:
        return words(f"of fewer than {ENOUGH} little can be said")
    kept = 1 / FACTOR <= of.ratio <= FACTOR
    return words(f"kept within a factor of {FACTOR}" if kept else "NOT KEPT", kind="yes" if kept else "no")


def rejected(report: Report) -> str:
    """Rows that nobody scored."""
    rows = [
        name(recording) + words(reason) + cell(f"{count:,}")
        for recording, reasons in report.evaluation.rejected.items()
        for reason, count in reasons.items()
    ]
    heads = [head("recording"), head("reason", kind="words"), head("rows")]
    told = table("Rows that were not scored.", [heads], rows) if rows else paragraph("Every row was scored.")
    return section("rejected", "Rejected rows", told)


def proof(report: Report) -> str:
    """Whether a score can know the future."""
    rows = [
        name(watch) + (words("proved", kind="yes") if causal else words("NOT CAUSAL: do not trust it", kind="no"))
        for watch, causal in report.proved.items()
    ]
    caption = "Each recording again with other readings from some row on: no score before that row may change."
    absent = paragraph("Not asked for: --prove-causal changes later readings and sees that no earlier score changes.")
    told = table(caption, [[head("watch"), head("scores know only the past", kind="words")]], rows) if rows else absent
    return section("causal", "Does a score know the future?", told)
