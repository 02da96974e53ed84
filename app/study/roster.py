"""Participants' codes out of a table that somebody made in a spreadsheet."""

from __future__ import annotations

import csv
import io

from app.study.service import MOST_AT_ONCE
from app.web.errors import Problem

MOST_BYTES = 1_000_000
NAMED = ("code", "codes", "participant", "participants", "id", "pid", "participant_id", "participant code")
_DELIMITERS = ",;\t"


def decode(data: bytes) -> str:
    """Raises Problem 422 for what is no text."""
    if data[:4] == b"PK\x03\x04":
        raise Problem(422, "not-csv", "This is a spreadsheet's own file. Save it as CSV and choose that.")
    if len(data) > MOST_BYTES:
        raise Problem(422, "not-csv", "This file is larger than 1 MB. A list of codes is small: choose another.")
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise Problem(422, "not-csv", "This file is not text. Save the table as CSV (UTF-8) and choose that.")


def codes(text: str) -> list[str]:
    """One a row: from the column that is named `code`, else from the first. Other columns are not read, so that names
    and addresses don't get into the study.

    Raises Problem 422 with the line of what is wrong.
    """
    text = text.removeprefix("\ufeff")
    first = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        rows = [(n, row) for n, row in _rows(text, delimiter) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise Problem(422, "not-csv", f"This can't be read as CSV: {error}.") from error
    if not rows:
        raise Problem(422, "not-csv", "There is no code in it. Write one code a line, such as P01.")
    header = [cell.strip().casefold() for cell in rows[0][1]]
    column = next((header.index(name) for name in NAMED if name in header), None)
    if column is not None:
        rows = rows[1:]
    found: dict[str, int] = {}
    for line, row in rows:
        code = row[column or 0].strip() if len(row) > (column or 0) else ""
        if not code:
            raise Problem(422, "bad-code", f"Line {line}: there is no code. Write one, or take the line out.")
        if code[0] in "=+-@|%":
            raise Problem(
                422,
                "bad-code",
                f"Line {line}: “{code[:40]}” is a formula, not a code. Write the code itself, e.g. P01.",
            )
        if code in found:
            raise Problem(422, "bad-code", f"Line {line}: {code} stands in line {found[code]} already. Keep one.")
        found[code] = line
        if len(found) > MOST_AT_ONCE:
            raise Problem(422, "bad-code", f"There are more than {MOST_AT_ONCE:,} codes. Bring them in parts.")
    if not found:
        raise Problem(422, "not-csv", "There is a heading, but no code under it. Write one code a line.")
    return list(found)


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return [(reader.line_num, row) for row in reader]
