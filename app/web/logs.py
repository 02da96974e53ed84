"""What the server writes to stderr: lines for a person at a terminal, JSON for a log collector.

Nobody logs a token, a key or a draft's text; addresses hold ids only.
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure() -> None:
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if terminal else [structlog.processors.dict_tracebacks]),
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Looked up at each line: tests replace stderr.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
