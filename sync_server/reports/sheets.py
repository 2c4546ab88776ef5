"""A document as CSV: the facts first, an empty row, then the table. A cell that a spreadsheet would
take for a formula begins with an apostrophe.
"""

import csv
import io
from typing import Final

from sync_server.reports.documents import Document

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_of(document: Document) -> bytes:
    written = io.StringIO(newline="")
    sheet = csv.writer(written)
    sheet.writerow([document.title])
    sheet.writerows([label, _text(value)] for label, value in document.facts)
    sheet.writerow([])
    sheet.writerow([column.title for column in document.columns])
    for row in (*document.rows, document.totals):
        sheet.writerow(
            [
                cell if column.is_number else _text(cell)
                for cell, column in zip(row, document.columns, strict=True)
            ]
        )
    sheet.writerow([])
    sheet.writerow([document.note])
    # Spreadsheets take it for something else without the mark.
    return written.getvalue().encode("utf-8-sig")


def _text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
