"""The only reader of the environment. Every name is prefixed SPATIAL_; HOST and PORT do without, too."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """What can be set from outside; docs/settings.md has a heading for each (a test keeps it so)."""

    model_config = SettingsConfigDict(env_prefix="SPATIAL_", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", validation_alias=AliasChoices("SPATIAL_HOST", "HOST"))
    port: int = Field(8000, ge=0, le=65535, validation_alias=AliasChoices("SPATIAL_PORT", "PORT"))
    data_dir: Path = PROJECT_ROOT / "data"
    database_url: str | None = None
    """SQLAlchemy URL; without one, SQLite in the data directory."""

    model: str = "default"
    """`default`, a Hugging Face id, a local folder, or `recorded` (`recorded:FILE`) for answers recorded before."""
    llm_url: str | None = None
    """Base URL of an OpenAI-compatible server, e.g. http://127.0.0.1:8001/v1; then `model` is the served name."""
    llm_key: str | None = Field(None, repr=False)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"

    candidates: int = Field(3, ge=1, le=8)
    """Versions made by one click."""
    plans: Literal["auto", "small", "full"] = "auto"
    """Whether the model writes single sentences that are spliced in (small), or may rewrite a paragraph (full);
    auto is small for the default model, full for any other and for a server's."""
    queue_bound: int = Field(32, ge=1)
    """Waiting generations beyond which a request is refused with 503."""
    generation_deadline: float = Field(120.0, gt=0)
    """Seconds one generation may take once it has its turn."""
    stall_deadline: float = Field(30.0, gt=0)
    """Seconds without a token after which the model is held to be stuck."""

    muse: bool = True
    """Whether Muse is offered; without it the editor is the baseline of a study."""

    allowed_origins: list[str] = []
    """Further origins the page may be served under (a TLS proxy's address); JSON list."""
    max_body_bytes: int = 1_000_000
    max_upload_bytes: int = 10_000_000

    @property
    def db_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'spatialbalancing.sqlite3'}"

    @property
    def recorded(self) -> bool:
        """Whether a recording answers in place of a model."""
        return self.model.partition(":")[0] == "recorded"

    @property
    def full_plans(self) -> bool:
        own_model = (self.model == "default" or self.recorded) and self.llm_url is None
        return self.plans == "full" or (self.plans == "auto" and not own_model)

    @cached_property
    def model_dir(self) -> Path:
        """Where converted weights are kept."""
        return self.data_dir / "models"
