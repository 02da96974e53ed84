"""Which engine the settings ask for."""

from __future__ import annotations

from app.llm.types import Engine
from app.settings import Settings


def make_engine(settings: Settings) -> Engine:
    """Made at once, loaded later: by `load`, or at the first stream. Raises EngineError when SPATIAL_TUNED names a
    file that is not there."""
    if settings.llm_url:
        from app.llm.remote import RemoteEngine

        return RemoteEngine(
            settings.llm_url, settings.model, key=settings.llm_key, stall_deadline=settings.stall_deadline
        )
    if settings.recorded:
        from app.llm.recorded import RecordedEngine, path_of

        return RecordedEngine(path_of(settings.model))
    from app.llm.layers import configured
    from app.llm.local import LocalEngine
    from app.llm.store import ModelStore

    return LocalEngine(
        ModelStore(settings), settings.model, settings.device, settings.dtype, tuned=configured(settings)
    )
