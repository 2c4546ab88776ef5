"""The demonstration's report as a page to look at: the table, and every screen the kiosk showed."""

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from report import Report, Step, Table

PAGE: Final = "index.html"
_PICTURES: Final = "screenshots"
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ccc; padding: .4rem .6rem; text-align: left }
td.number { text-align: right; font-variant-numeric: tabular-nums }
tr.failed { background: #fdd; font-weight: bold }
.pictures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)) }
figure { margin: 0 }
img { border: 1px solid #ccc; width: 100% }
"""


def write_page(report: Report, folder: Path) -> None:
    """Write the page into the folder that holds the screenshots."""
    pictures = sorted(file.name for file in (folder / _PICTURES).glob("*.png"))
    (folder / PAGE).write_text(_page(report, pictures), encoding="utf-8")


def _page(report: Report, pictures: Iterable[str]) -> str:
    rows = "\n".join(_row(step) for step in report.steps)
    tables = "\n".join(_table(table) for table in report.tables)
    figures = "\n".join(_figure(name) for name in pictures)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>ZERAKET Gate: the demonstration</title>
<style>{_STYLE}</style>
<h1>ZERAKET Gate: the demonstration</h1>
<p>{escape(report.summary())} Total time is from stepping in front of the camera.</p>
<table>
<tr><th>Step<th>Expected<th>Seen<th>Verdict ms<th>Total ms</tr>
{rows}
</table>
{tables}
<h2>What the kiosk at the main gate showed</h2>
<div class="pictures">
{figures}
</div>
</html>
"""


def _row(step: Step) -> str:
    name = escape(step.name)
    if step.picture is not None:
        name = f'<a href="{_PICTURES}/{quote(step.picture)}">{name}</a>'
    numbers = "".join(_number(value) for value in (step.verdict_ms, step.total_ms))
    kind = "held" if step.held else "failed"
    words = f"<td>{name}<td>{escape(step.expected)}<td>{escape(step.seen)}"
    return f'<tr class="{kind}">{words}{numbers}</tr>'


def _table(table: Table) -> str:
    headings = "".join(f"<th>{escape(heading)}" for heading in table.headings)
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return f"<h2>{escape(table.title)}</h2>\n<table>\n<tr>{headings}</tr>\n{rows}\n</table>"


def _cell(text: str) -> str:
    kind = ' class="number"' if text.replace(",", "").isdecimal() else ""
    return f"<td{kind}>{escape(text)}"


def _number(milliseconds: float | None) -> str:
    return '<td class="number">' + ("" if milliseconds is None else f"{milliseconds:.0f}")


def _figure(name: str) -> str:
    source = f"{_PICTURES}/{quote(name)}"
    return (
        f'<figure><a href="{source}"><img src="{source}" alt="" loading="lazy"></a>'
        f"<figcaption>{escape(Path(name).stem.replace('_', ' '))}</figcaption></figure>"
    )
