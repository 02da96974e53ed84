"""Where one paragraph ends and the next begins: at a blank line, and nowhere else."""

from __future__ import annotations


def split(text: str) -> list[str]:
    """Paragraphs of `text` in order; lines of only white space lie between them.

    What stands inside a paragraph (line breaks, indents, trailing spaces) stays as it is, so
    `split("\\n\\n".join(split(text))) == split(text)` for every text. A blank text has no paragraph.
    """
    paragraphs: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip():
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    # A Windows line end leaves its first half on the last line; inside a paragraph it is the writer's.
    return ["\n".join(lines).rstrip("\r") for lines in paragraphs if lines]
