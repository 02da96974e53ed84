"""What settings follow from others."""

import pytest

from app.settings import Settings


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ({}, False),
        ({"model": "Qwen/Qwen3-8B"}, True),
        ({"llm_url": "http://127.0.0.1:8001/v1"}, True),
        ({"llm_url": "http://127.0.0.1:8001/v1", "model": "served"}, True),
        ({"llm_url": "http://127.0.0.1:8001/v1", "plans": "small"}, False),
        ({"plans": "full"}, True),
    ],
)
def test_a_model_that_is_not_the_default_one_may_rewrite_paragraphs(given: dict[str, str], full: bool) -> None:
    assert Settings(**given).full_plans is full  # type: ignore[arg-type]
