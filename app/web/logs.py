"""What the server writes to stderr: lines for a person at a terminal, JSON for a log collector.

Nobody logs a token, a key or a draft's text; addresses hold ids only.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

import structlog

MOST_SAID = 300


def configure() -> None:
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if terminal else [structlog.processors.ExceptionRenderer(lambda exc_info: _trace(exc_info[1]))]),
            structlog.dev.ConsoleRenderer(exception_formatter=_print)
            if terminal
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Looked up at each line: tests replace stderr.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def told(error: BaseException) -> str:
    """What an error says, without what it may quote: a database's further lines hold the row it refused, a
    validation's the input."""
    return str(error).partition("\n")[0][:MOST_SAID]


def address(path: str) -> str:
    """A path without the tokens in it: a participant's link is a key."""
    return re.sub(r"/[A-Za-z0-9_-]{40,}", "/…", path)


def _print(stream: TextIO, exc_info: Any) -> None:
    stream.write("\n" + _trace(exc_info[1]))


def _trace(error: BaseException) -> str:
    """Frames and errors, the first cause first, and no variable's value."""
    return "".join(_lines(error))


def _lines(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _lines(before)
        yield "which led to\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}: {told(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _lines(inner)
