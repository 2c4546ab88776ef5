"""A document as PDF: A4, wide where the table is; only this module knows the library.

Letters are DejaVu's where the system has them, which all five languages can be written with; else
the reader's own Helvetica, and a question mark for a letter that it lacks.
"""

from datetime import datetime
from pathlib import Path
from typing import Final

from fpdf import FPDF, FontFace
from fpdf.enums import Align, TableBordersLayout, XPos, YPos

from sync_server.reports.documents import Document

_FONTS: Final = Path("/usr/share/fonts/truetype/dejavu")
_FAMILY: Final = "DejaVu"
_WIDE_FROM: Final = 7
_MARGIN_MM: Final = 15
_LABEL_MM: Final = 45
_LINE_MM: Final = 0.55
"""For each point of a letter's size."""
_SHADE: Final = 235


class _Page(FPDF):
    """Writes the page's number at its foot."""

    def __init__(self, document: Document) -> None:
        is_wide = len(document.columns) >= _WIDE_FROM
        super().__init__("landscape" if is_wide else "portrait", "mm", "A4")
        self._foot = f"{document.title} · {document.page}"
        self.set_margin(_MARGIN_MM)
        self.set_auto_page_break(auto=True, margin=2 * _MARGIN_MM)
        self.letters = _FAMILY if self._has_fonts() else "Helvetica"

    def _has_fonts(self) -> bool:
        regular, bold = _FONTS / "DejaVuSans.ttf", _FONTS / "DejaVuSans-Bold.ttf"
        if not regular.is_file() or not bold.is_file():
            return False
        self.add_font(_FAMILY, "", regular)
        self.add_font(_FAMILY, "B", bold)
        return True

    def footer(self) -> None:
        self.set_y(-_MARGIN_MM)
        self.set_font(self.letters, size=7)
        self.cell(text=f"{self.said(self._foot)} {self.page_no()}/{{nb}}", align=Align.L)

    def said(self, text: str) -> str:
        if self.letters == _FAMILY:
            return text
        return text.encode("latin-1", "replace").decode("latin-1")

    def line_of_text(self, text: str, size: int, style: str = "") -> None:
        self.set_font(self.letters, style, size)
        self.multi_cell(0, size * _LINE_MM, self.said(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def pdf_of(document: Document, made_at: datetime) -> bytes:
    """Lay a document out; the same document at the same moment is the same file."""
    page = _Page(document)
    page.set_creation_date(made_at)
    page.set_title(document.title)
    page.add_page()
    page.line_of_text("ZERAKET", 9, "B")
    page.line_of_text(document.title, 18, "B")
    page.ln(3)
    for label, value in document.facts:
        page.set_font(page.letters, "B", 9)
        page.cell(_LABEL_MM, 9 * _LINE_MM, page.said(label))
        page.line_of_text(value, 9)
    page.ln(4)
    _write_table(page, document)
    page.ln(4)
    page.line_of_text(document.note, 8)
    return bytes(page.output())


def _write_table(page: _Page, document: Document) -> None:
    page.set_font(page.letters, size=8)
    bold = FontFace(emphasis="BOLD", fill_color=_SHADE)
    with page.table(
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        col_widths=tuple(column.weight for column in document.columns),
        text_align=tuple(Align.R if column.is_number else Align.L for column in document.columns),
        headings_style=bold,
        line_height=5,
        padding=(0.8, 1),
    ) as table:
        titles = tuple(page.said(column.title) for column in document.columns)
        table.row(titles)
        for row in document.rows:
            table.row(_cells(page, document, row))
        table.row(_cells(page, document, document.totals), style=bold)


def _cells(page: _Page, document: Document, row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        grouped(cell) if column.is_number else page.said(cell)
        for cell, column in zip(row, document.columns, strict=True)
    )


def grouped(amount: str) -> str:
    """Part thousands by commas, as receipts here do; what is no amount stays."""
    whole, point, fraction = amount.partition(".")
    digits = whole.removeprefix("-")
    if not digits.isdigit():
        return amount
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(digits):,}{point}{fraction}"
