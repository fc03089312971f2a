"""HTML from texts: every text is escaped here, once."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from streams.report.style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Whatever a name may smuggle in, the browser loads and runs nothing."""


def text(anything: object) -> str:
    """Escaped, for content and attributes alike; what cannot be printed becomes a replacement character."""
    return escape("".join(c if c.isprintable() else "\ufffd" for c in str(anything)))


def head(label: str, *, title: str = "", scope: str = "col", span: int = 1, kind: str = "") -> str:
    """A heading of a column, or of columns."""
    of = f' class="{kind}"' if kind else ""
    wide = f' colspan="{span}"' if span > 1 else ""
    told = f' title="{text(title)}"' if title else ""
    inner = f"<abbr{told}>{text(label)}</abbr>" if title else text(label)
    return f'<th scope="{scope}"{of}{wide}>{inner}</th>'


def name(label: str, *, link: str = "") -> str:
    """The heading of a row."""
    inner = f'<a href="#{text(link)}">{text(label)}</a>' if link else text(label)
    return f'<th scope="row">{inner}</th>'


def cell(shown: str, *, mark: str = "") -> str:
    """A number; `mark` says in a word why it stands out."""
    if not mark:
        return f"<td>{text(shown)}</td>"
    return f'<td class="{mark}"><strong>{text(shown)}</strong><span class="hidden"> ({mark})</span></td>'


def words(shown: str, *, kind: str = "") -> str:
    """A cell of words."""
    return f'<td class="words {kind}">{text(shown)}</td>' if kind else f'<td class="words">{text(shown)}</td>'


def table(caption: str, heads: Sequence[Sequence[str]], rows: Iterable[str]) -> str:
    """A table that scrolls by itself where the page is narrower; its rows are the inside of `tr`."""
    top = "".join(f"<tr>{''.join(cells)}</tr>" for cells in heads)
    body = "\n".join(row if row.startswith("<tr") else f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div class="scroll" role="region" aria-label="{text(caption)}" tabindex="0"><table>\n'
        f"<caption>{text(caption)}</caption>\n<thead>{top}</thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def section(anchor: str, heading: str, *content: str) -> str:
    """Empty without content."""
    inside = "\n".join(part for part in content if part)
    return f'<section id="{anchor}">\n<h2>{text(heading)}</h2>\n{inside}\n</section>' if inside else ""


def paragraph(told: str, *, kind: str = "") -> str:
    """A paragraph of plain words."""
    return f'<p class="{kind}">{text(told)}</p>' if kind else f"<p>{text(told)}</p>"


def document(heading: str, lead: str, parts: Sequence[str], links: Mapping[str, str] | None = None) -> str:
    """A whole page of sections that loads nothing.

    links: anchor of a section -> its label in the navigation; one whose section is not there is left out
    """
    body = "\n".join(part for part in parts if part)
    anchors = {to: label for to, label in (links or {}).items() if f'<section id="{to}"' in body}
    navigation = "".join(f'<a href="#{to}">{text(label)}</a>' for to, label in anchors.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(heading)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{text(heading)}</h1>
<p class="lead">{text(lead)}</p>
{f'<nav aria-label="Sections">{navigation}</nav>' if navigation else ""}
</header>
<main>
{body}
</main>
</body>
</html>
"""
