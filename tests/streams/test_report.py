"""The report of an evaluation: no extreme and no name is lost, nothing is fetched, and a browser shows it."""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import FloatArray
from connectors.suites import Labelled
from streams.budget import Budget
from streams.evaluate import Evaluation, Judged
from streams.report.axis import axis, ticks
from streams.report.files import Report, write
from streams.report.page import page
from streams.report.panel import panel_svg
from streams.report.plot import score_panel
from streams.report.recordings import MOST, moves_most
from streams.report.trace import WIDTH, Columns, path, placed
from streams.watch_text import watch_of
from tests.servers.chromium import Chromium, chromium, complaints

__all__ = ["chromium"]

HOSTILE = '<script>document.title="owned"</script>"\'><img src="http://127.0.0.1:9/x" onerror=alert(1)>&amp;,\n;'
VOID = {"meta", "br", "img", "path"}


KEPT = Budget("gaussian+conformal smd", promised=120.0, observed=131, low=0.9, high=1.3, days=None, on_events=0)


def recording(
    folder: Path, name: str, labels: Sequence[int], *, values: FloatArray | None = None, begin: int = 0
) -> Labelled:
    """A file of a minute a row, and what is known about it."""
    rows = len(labels)
    read = np.random.default_rng(rows).normal(size=(rows, 1)) if values is None else values
    times = pa.array((np.arange(rows) * 60 + 1_600_000_000) * 10**6, pa.timestamp("us", "UTC"))
    names = tuple(f"v{at}" for at in range(read.shape[1]))
    file = folder / f"{len(list(folder.glob('*.parquet')))}.parquet"
    pq.write_table(pa.table({"timestamp": times, **dict(zip(names, read.T, strict=True))}), file)
    known = np.array(labels, np.int64)
    return Labelled(name=name, path=file, variables=names, labels=known, begin=begin, asset="pump", kinds=("leak",))


def judged(of: Labelled, *, watch: str = "gaussian", vus: float = 0.5, opened: tuple[int, ...] = ()) -> Judged:
    """A line as an evaluation makes it."""
    score = np.random.default_rng(1).random(len(of.labels))
    figures = {"vus_pr": vus, "events": 1.0, "found": 1.0, "alerts": 2.0, "false_alerts": 1.0}
    return Judged(watch, of, figures, score, opened)


def random(of: Labelled) -> Judged:
    """The baseline that stands beside the watches."""
    score = np.random.default_rng(2).random(len(of.labels))
    return Judged("baseline.random", of, {"vus_pr": 0.1, "point_adjusted_f1": 0.9}, score)


def report(lines: Sequence[Judged], **other: object) -> Report:
    told = {"machine": {"cpu": "<fast>"}, "figures": {"gaussian.vus_pr": 0.5}}
    return Report(evaluation=Evaluation(judged=list(lines)), figures=told, **other)  # type: ignore[arg-type]


class Read(HTMLParser):
    """Tags with their attributes, text, and whether all that was opened is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), tag
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def read(html: str) -> Read:
    """A page that is whole, and fetches and runs nothing."""
    found = Read(html)
    assert not found.open
    assert not {"script", "img", "link", "iframe", "object", "base"} & {tag for tag, _ in found.tags}
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for tag, attributes in found.tags:
        assert not {"src", "srcset", "style"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        if tag == "a":
            assert str(attributes["href"]).removeprefix("#") in ids
    return found


@pytest.fixture
def two(tmp_path: Path) -> Report:
    """Two recordings, one with a name that wants to be a program; a watch and a baseline."""
    labels = [0] * 60 + [1] * 20 + [0] * 20
    plain = recording(tmp_path, "plain", labels, begin=10)
    hostile = recording(tmp_path, HOSTILE, labels)
    lines = [judged(plain, opened=(65, 90)), random(plain), judged(hostile, vus=0.2), random(hostile)]
    lines[0] = replace(lines[0], figures={**lines[0].figures, "vus_roc": np.nan})
    return report(lines, watches=[watch_of("gaussian")], proved={"gaussian": True}, budgets=[KEPT])


def test_three_files_hold_the_figures(two: Report, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    assert [file.name for file in write(folder, two)] == ["figures.json", "figures.csv", "report.html"]
    assert json.loads((folder / "figures.json").read_bytes()) == two.figures
    with (folder / "figures.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["recording"] for row in rows] == ["plain", "plain", HOSTILE, HOSTILE]
    assert rows[0]["vus_roc"] == ""
    assert (rows[2]["watch"], rows[2]["vus_pr"], rows[2]["point_adjusted_f1"]) == ("gaussian", "0.2", "")
    assert (rows[3]["found"], rows[3]["point_adjusted_f1"], rows[3]["rows"]) == ("", "0.9", "100")
    read((folder / "report.html").read_text())


def test_a_folder_that_cannot_be_written_is_told(two: Report, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ValueError, match=r"cannot write the report into .*taken"):
        write(tmp_path / "taken", two)


def test_names_stay_names_and_every_part_is_there(two: Report) -> None:
    html = page(two)
    found = read(html)
    assert HOSTILE.replace("\n", "\ufffd") in found.text
    assert "cpu <fast>" in found.text
    headings = [attributes["id"] for tag, attributes in found.tags if tag == "section"]
    parts = ["run", "means", "notes", "slices", "budgets", "rejected", "causal", "recordings", "plots"]
    assert headings == parts
    assert "half_life=240.0" in found.text
    assert "Every row was scored." in found.text
    assert found.count("figure") == 2
    assert found.count("title") == 3 + 2


def test_best_and_worst_are_marked(tmp_path: Path) -> None:
    one, other = (recording(tmp_path, name, [0, 1, 0]) for name in ("one", "other"))
    calm = replace(other, asset="fan", kinds=())
    html = page(report([judged(one, vus=0.7), random(one), judged(calm, vus=0.3), random(calm)]))
    assert '<td class="best"><strong>0.500</strong><span class="hidden"> (best)</span></td>' in html
    assert html.count('class="best"') == 1
    (worst,) = re.findall(r"<tr>(?:(?!</tr>).)*class=\"worst\".*?</tr>", html)
    assert '<th scope="row">fan</th>' in worst
    assert "<strong>0.300</strong>" in worst


def test_point_adjusted_f1_needs_a_random_score_beside_it(tmp_path: Path) -> None:
    of = recording(tmp_path, "one", [0, 1, 0])
    line = judged(of)
    adjusted = Judged(line.watch, of, {**line.figures, "point_adjusted_f1": 0.95}, line.score)
    assert "0.950" not in page(report([adjusted]))
    html = page(report([adjusted, random(of)]))
    assert html.index("counts a whole event as found") < html.index("0.950") < html.index("0.900")


@pytest.mark.parametrize("rows", [1, 2, 999, 1000, 1001])
@pytest.mark.parametrize("score", [np.nan, 0.0, 1e308, -np.inf])
def test_what_cannot_be_drawn_leaves_the_page_whole(tmp_path: Path, rows: int, score: float) -> None:
    values = np.full((rows, 1), score)
    of = recording(tmp_path, "flat", [0] * rows, values=values)
    line = Judged("gaussian", of, {}, values[:, 0], (rows - 1,))
    found = read(page(report([line])))
    assert ("nothing to draw" in found.text) == (not np.isfinite(score))
    assert not any(re.search("nan|inf", str(attributes.get("d"))) for _, attributes in found.tags)


def test_a_million_rows_make_a_page_of_bounded_size(tmp_path: Path) -> None:
    rows = 1_000_000
    labels = np.arange(rows) // 100 % 2
    of = recording(tmp_path, "long", labels.tolist())
    alerts = tuple(range(0, rows, 7))
    html = page(report([judged(of, opened=alerts)]))
    assert len(html) < 150_000
    found = int(labels[list(alerts)].sum())
    assert f"{found} alerts: found" in read(html).text


def test_of_many_recordings_the_worst_are_drawn(tmp_path: Path) -> None:
    of = recording(tmp_path, "", [0, 1, 0])
    lines = []
    for number in range(MOST + 5):
        named = replace(of, name=f"n{number}")
        lines.append(judged(named, vus=number / 100))
    html = page(report(lines))
    drawn = re.findall(r"<h3>(n\d+)</h3>", html)
    assert drawn == [f"n{number}" for number in range(MOST)]
    found = read(html)
    assert f"The {MOST} with the lowest mean VUS-PR are drawn, 5 are not." in found.text
    assert f'<th scope="row">n{MOST + 4}</th>' in html


def test_of_many_variables_the_one_that_moves_is_drawn(tmp_path: Path) -> None:
    labels = np.repeat([0, 1], [400, 100])
    values = np.random.default_rng(3).normal(size=(500, 6)) * np.array([1, 100, 1, 1, 1, 0])
    values[400:, 2] += 5
    values[3, 2] = np.nan
    assert moves_most(values, labels) == 2
    html = page(report([judged(recording(tmp_path, "six", labels.tolist(), values=values))]))
    assert "moves most of 6 variables" in html
    assert ">v2</text>" in html
    assert ">v1</text>" not in html
    values[:, 4] = np.where(np.arange(500) == 7, 1000.0, values[:, 4])
    assert moves_most(values, np.zeros(500, np.int64)) == 4


@pytest.mark.parametrize(("tolerance", "found", "false"), [(0, 1, 2), (3, 2, 1)])
def test_alerts_are_drawn_as_they_were_judged(tmp_path: Path, tolerance: int, found: int, false: int) -> None:
    labels = [1] * 10 + [0] * 40 + [1] * 10 + [0] * 30 + [-1] * 10
    of = recording(tmp_path, "one", labels, begin=20)
    panel = score_panel(judged(of, opened=(5, 30, 47, 55, 95)), tolerance=tolerance)
    svg = panel_svg(of, panel, Columns.of(100))
    assert f"<title>{found} alerts: found</title>" in svg
    assert f"<title>{false} alerts: false</title>" in svg
    assert "<title>2 alerts: unknown</title>" in svg
    (event,) = re.findall(r'class="event" d="([^"]*)"', svg)
    assert event == "M0 0H100V44H0zM500 0H600V44H500z"
    (unjudged,) = re.findall(r'class="unjudged" d="([^"]*)"', svg)
    assert unjudged == "M0 0H200V44H0zM900 0H1000V44H900z"


def test_one_top_does_not_flatten_the_rest(tmp_path: Path) -> None:
    of = recording(tmp_path, "one", [0] * 100)
    score = np.linspace(1, 2, 100)
    score[50] = 1e6
    panel = score_panel(Judged("gaussian", of, {}, score))
    svg = panel_svg(of, panel, Columns.of(100))
    assert "log > 2" in svg
    (line,) = re.findall(r'class="score" [^>]* d="([^"]*)"', svg)
    extents = swept(line)
    assert min(low for low, _ in extents.values()) == 0
    assert len({low for low, _ in extents.values()}) > 3


def test_the_axis_tells_rows_and_times() -> None:
    """A tick has room for its time, the date stands where it changes, and what is not known is not told."""
    columns = Columns.of(1000)
    minutes = (np.arange(1000) + 26_666_666) * 60 * 10**9
    svg = axis(columns, minutes)
    assert re.findall(r'y="18">([^<]*)<', svg) == ["0", "200", "400", "600", "800", "row, UTC"]
    assert re.findall(r'y="32">([^<]*)<', svg) == ["2020-09-13 12:26", "15:46", "19:06", "22:26", "2020-09-14 01:46"]
    without = axis(columns, minutes, rows=False)
    assert re.findall(r'y="\d+">([^<]*)<', without)[:2] == ["2020-09-13 12:26", "15:46"]
    assert ">UTC<" in without
    seconds = np.array([1_600_000_000 * 10**9 + row * 10**9 for row in range(1000)])
    assert ">12:30:00<" in axis(columns, seconds)
    unknown = axis(columns, np.zeros(1000, np.int64))
    assert "UTC" not in unknown
    assert "1970" not in unknown


@given(st.integers(1, 10**9))
def test_ticks_are_few_and_round(rows: int) -> None:
    at = ticks(rows)
    assert at[0] == 0
    assert len(at) <= 6
    assert at[-1] < rows
    assert {str(row).rstrip("0") for row in at[1:2]} <= {"1", "2", "5"}
    assert rows < 10 or len(at) >= 2


def swept(line: str) -> dict[int, tuple[int, int]]:
    """x -> highest and lowest step that a path covers there, sloping parts left out."""
    x = y = 0
    found: dict[int, tuple[int, int]] = {}
    for command, numbers in re.findall(r"([Mlhv])([-\d ]*)", line):
        given = [int(number) for number in re.findall(r"-?\d+", numbers)]
        right, down = {"M": (given[0] - x, given[-1] - y), "l": (given[0], given[-1]), "h": (given[0], 0)}.get(
            command, (0, given[0])
        )
        at = (y + down,) if right or command == "M" else (y, y + down)
        x, y = x + right, y + down
        low, high = found.get(x, (y, y))
        found[x] = (min(low, *at), max(high, *at))
    return found


def naive(values: FloatArray, columns: Columns) -> dict[int, tuple[float, float]]:
    """Column -> lowest and highest finite value."""
    ends = [*columns.starts[1:].tolist(), len(values)]
    found = {}
    for number, (begin, end) in enumerate(zip(columns.starts.tolist(), ends, strict=True)):
        known = [value for value in values[begin:end].tolist() if np.isfinite(value)]
        if known:
            found[number] = (min(known), max(known))
    return found


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 4 * WIDTH), seed=st.integers(0, 2**32 - 1), holes=st.floats(0, 1), spikes=st.integers(0, 3))
def test_every_column_reaches_from_its_lowest_to_its_highest(rows: int, seed: int, holes: float, spikes: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=rows)
    values[rng.integers(0, rows, spikes)] = 1e9
    values[rng.random(rows) < holes] = rng.choice([np.nan, np.inf, -np.inf])
    columns = Columns.of(rows)
    low, high = columns.extremes(values)
    expected = naive(values, columns)
    assert {at: (low[at], high[at]) for at in np.flatnonzero(~np.isnan(low)).tolist()} == expected
    assert np.array_equal(np.isnan(low), np.isnan(high))
    if not expected:
        return
    bottom, top = min(low for low, _ in expected.values()), max(high for _, high in expected.values())
    above, below = (placed(ends, bottom=bottom, top=top, height=100) for ends in (high, low))
    middles = columns.middles.tolist()
    drawn = {middles[at]: (int(above[at]), int(below[at])) for at in expected}
    assert swept(path(columns, above, below)) == drawn


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 3 * WIDTH), seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.0, 0.001, 0.5, 1.0]))
def test_no_event_vanishes(rows: int, seed: int, share: float) -> None:
    labelled = np.random.default_rng(seed).random(rows) < share
    columns = Columns.of(rows)
    spans = columns.spans(labelled)
    inside = {px for left, right in spans for px in range(left, right)}
    of_column = np.searchsorted(columns.starts, np.flatnonzero(labelled), side="right") - 1
    wanted = {px for at in set(of_column.tolist()) for px in range(columns.edges[at], columns.edges[at + 1])}
    assert inside == wanted
    assert all(right > left for left, right in spans)
    assert (columns.edges[0], columns.edges[-1]) == (0, WIDTH)


def test_a_browser_shows_it_in_both_lights(chromium: Chromium, two: Report, tmp_path: Path) -> None:
    html = write(tmp_path / "report", two)[-1]
    source = read(html.read_text())
    dom, log = chromium.dom(html)
    assert complaints(log) == []
    shown = read(dom)
    for tag, least in {"svg": 2, "path": 10, "tr": 8, "section": 8, "figure": 2, "h3": 2}.items():
        assert shown.count(tag) == source.count(tag) >= least, tag
    assert "<title>Evaluation of gaussian</title>" in dom
    assert not re.search(r"https?:", re.sub(re.escape("http://127.0.0.1:9/x"), "", dom))
    for dark, back, line in ((False, (255, 255, 255), (31, 111, 180)), (True, (20, 24, 28), (111, 177, 236))):
        picture = chromium.picture(html, width=1280, height=2400, dark=dark)
        assert picture.shape[:2] == (2400, 1280)
        colours = picture[:, :, :3].reshape(-1, 3)
        assert tuple(colours[0].tolist()) == back
        assert (colours != colours[0]).any(axis=1).mean() > 0.02
        assert (colours == np.array(line)).all(axis=1).sum() > 100


@pytest.mark.parametrize(
    ("promised", "observed", "told"),
    [
        (120, 131, "kept within a factor of 1.5"),
        (120, 200, "NOT KEPT"),
        (120, 60, "NOT KEPT"),
        (90, 90, "fewer than 100"),
    ],
)
def test_a_promise_is_held_against_what_came(two: Report, promised: float, observed: int, told: str) -> None:
    found = read(page(replace(two, budgets=[replace(KEPT, promised=promised, observed=observed)]))).text
    assert told in found


def test_who_found_nothing_is_not_praised_for_silence(tmp_path: Path) -> None:
    of = recording(tmp_path, "one", [0, 1, 0])
    loud, silent = judged(of), judged(of, watch="silent")
    nothing = replace(silent, figures={**silent.figures, "found": 0.0, "false_alerts": 0.0, "alerts": 0.0})
    other = replace(loud, watch="louder", figures={**loud.figures, "false_alerts": 3.0, "alerts": 4.0})
    html = page(report([loud, other, nothing]))
    rows = {watch: re.findall(rf'<th scope="row">{watch}</th>(.*?)</tr>', html)[0] for watch in ("gaussian", "silent")}
    assert '<td class="best"><strong>1</strong>' in rows["gaussian"]
    assert "best" not in rows["silent"]


def test_the_worst_kind_of_anomaly_is_marked(tmp_path: Path) -> None:
    labels = [0] * 20 + [1] * 10 + [0] * 20 + [1] * 10
    of = replace(recording(tmp_path, "one", labels), kinds=("leak", "jam"), event_kinds=("leak", "jam"))
    html = page(report([judged(of, opened=(25,))]))
    assert '<th scope="row">leak</th><td>100%</td>' in html
    assert '<th scope="row">jam</th><td class="worst"><strong>0%</strong>' in html
