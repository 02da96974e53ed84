"""From comparisons to a tuned layer, and what it is worth on comparisons it has not seen. Needs torch.

Forward passes only (app/zo): the layer learns to find the confirmed version likelier, token for token, than its
discarded siblings, each after its own prompt. It begins with the layer in service, and is stored against the untuned
model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from app.learn import comparisons as pairing
from app.learn import shelf
from app.learn.comparisons import Comparison, Written
from app.learn.shelf import Learnt
from app.llm import layers
from app.llm.local import load_model, pick_device, prompt_ids
from app.llm.store import ModelStore, ResolvedModel
from app.settings import Settings
from app.zo.layer import DELTA_NAME, LOG_NAME, TunedLayer, base_fingerprint
from app.zo.objective import Example, PreferenceMargin, Row, continuation, response_ids
from app.zo.outliers import find_dominant_layer
from app.zo.rates import with_rate
from app.zo.trainer import Progress, ZOTrainer
from app.zo.types import Base, Config, ZOError

UNFINISHED = "unfinished"
RESAMPLED = 2000
CALIBRATION = 24
"""Texts that the dominant layer is looked for with."""


class TuningError(Exception):
    """Something a person can mend; a sentence or two."""


class SiblingMargin(PreferenceMargin):
    """The preference margin between versions that each have a prompt of their own.

    Examples: `{"answers": [{"prompt_ids": […], "response": text, "end": bool}, …]}`, the confirmed one first.
    """

    def encode(self, raw: Mapping[str, Any]) -> Example:
        longest, tokenizer = self._max_tokens, self._tokenizer
        return Example(
            tuple(continuation(a["prompt_ids"], response_ids(tokenizer, a), longest) for a in raw["answers"])
        )


@dataclass(frozen=True)
class Options:
    """Of a run; those of app/zo's Config that are worth a choice here."""

    steps: int = 400
    rate: float | None = None
    """Measured on the first batch if none is given (app/zo/rates.py)."""
    batch_size: int = 8
    seed: int = 0
    from_base: bool = False
    """Begin with the untuned model, whatever is in service."""
    resume: bool = False


class Bench:
    """The untuned model in float32, with what is needed to put comparisons to it."""

    def __init__(self, settings: Settings) -> None:
        """Raises TuningError, EngineError."""
        if settings.llm_url:
            raise TuningError(
                "The model is on another server (SPATIAL_LLM_URL), so it can't be tuned from here. Unset it, and name "
                "the model's own files by SPATIAL_MODEL."
            )
        self.settings, store = settings, ModelStore(settings)
        self.resolved: ResolvedModel = store.resolve(settings.model)
        self.tokenizer, self.model = load_model(self.resolved.folder, pick_device(settings.device), "float32")
        self.longest: int = getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or 2**31
        self.objective = SiblingMargin(self.tokenizer, max_tokens=self.longest)

    def layer(self, path: Path) -> TunedLayer:
        """Checked against the model. Raises EngineError."""
        return layers.read(path, self.resolved.sha256)

    def raw(self, comparison: Comparison) -> dict[str, Any]:
        return {"answers": [self._answer(one) for one in (comparison.chosen, *comparison.rejected)]}

    def _answer(self, one: Written) -> dict[str, Any]:
        ids = prompt_ids(self.tokenizer, one.prompt)
        return {"prompt_ids": ids, "response": one.response, "end": one.ended}

    def fitting(self, comparisons: Iterable[Comparison]) -> list[Comparison]:
        """Without those that are longer than the model reads."""
        found = []
        for comparison in comparisons:
            try:
                self.objective.encode(self.raw(comparison))
            except ZOError:
                continue
            found.append(comparison)
        return found

    @torch.no_grad()
    def margins(self, comparisons: Sequence[Comparison], layer: TunedLayer | None) -> list[list[float]]:
        """For each comparison and each of its discarded siblings, by how many nats a token the confirmed version is
        likelier."""
        if layer is not None:
            with layer.on(self.model):
                return self.margins(comparisons, None)
        found = []
        for comparison in comparisons:
            chosen, *rejected = [self._mean(row) for row in self.objective.encode(self.raw(comparison)).rows]
            found.append([chosen - other for other in rejected])
        return found

    def _mean(self, row: Row) -> float:
        device = self.model.device
        places = torch.tensor(row.reads, device=device)
        logits: Tensor = self.model(input_ids=torch.tensor([row.ids], device=device), logits_to_keep=places).logits[0]
        targets = torch.tensor(row.targets, device=device)
        return float(logits.float().log_softmax(-1).gather(-1, targets[:, None]).mean())


def tune(
    bench: Bench,
    comparisons: Sequence[Comparison],
    options: Options,
    in_service: Path | None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    tell: Callable[[str], None] = lambda words: None,
) -> Learnt:
    """A new layer on the shelf, with its scorecard. An interrupted run can be resumed as long as the comparisons are
    the same. Raises TuningError, EngineError, ZOError (Diverged among them)."""
    root = shelf.folder(bench.settings)
    root.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / "tuning.lock", timeout=0):
            return _tune(bench, comparisons, options, in_service, on_progress, tell)
    except Timeout as error:
        raise TuningError("A layer is being tuned already. Wait for it, or stop it with Ctrl+C.") from error


def _tune(
    bench: Bench,
    comparisons: Sequence[Comparison],
    options: Options,
    in_service: Path | None,
    on_progress: Callable[[Progress], None],
    tell: Callable[[str], None],
) -> Learnt:
    fitting = bench.fitting(comparisons)
    if len(fitting) < len(comparisons):
        tell(f"{len(comparisons) - len(fitting)} comparisons are longer than the model reads and are left out.")
    lack = pairing.too_few(fitting)
    if lack:
        raise TuningError(lack)
    start = bench.layer(in_service) if in_service is not None else None
    begin = None if options.from_base else start
    taught = _taught(bench.settings, begin)
    training, checked, held_out = pairing.split(fitting, taught)
    if not held_out:
        raise TuningError(
            "The layer in service has learnt from all these paragraphs, so nothing is left to try a new one on. "
            "Confirm versions of further paragraphs, or begin anew with --from-base."
        )
    work = shelf.folder(bench.settings) / UNFINISHED
    config = _config(options, len(training))
    request = {
        "comparisons": pairing.digest(fitting),
        "config": config.as_json() | {"rate": options.rate},
        "from": begin.tuned_id if begin else None,
        "base": bench.resolved.sha256,
    }
    _prepare(work, request, resume=options.resume)
    profile = find_dominant_layer(bench.model, bench.tokenizer, _texts(fitting))
    tell(profile.explanation)
    own = dict(bench.model.named_parameters())
    if begin is not None:
        tell(f"It goes on from the layer {begin.tuned_id}.")
        untuned = {name: own[name].detach().clone() for name in begin.deltas}
        begin.apply(bench.model)
    taught_with = [bench.raw(c) for c in training]
    if options.rate is None:
        config, told = with_rate(
            bench.model, bench.objective, config, taught_with, work, resume=options.resume, dominant=profile.layer
        )
        tell(told)
    trainer = ZOTrainer(
        bench.model,
        bench.objective,
        config,
        base=Base(bench.resolved.model_id, bench.resolved.sha256),
        dominant=profile.layer,
    )
    untuned_here = {name: tensor.detach().clone() for name, tensor in trainer.tensors.items()}
    result = trainer.fit(
        taught_with,
        [bench.raw(c) for c in checked],
        work,
        resume=options.resume,
        on_progress=on_progress,
    )
    assert result.tuned is not None
    if result.best_step == 0:
        raise TuningError(
            "At no step did the layer find the confirmed versions of the paragraphs that choose likelier than where it "
            "began, so there is nothing to keep. Try another --rate or more --steps, or wait until more is confirmed."
        )
    for name, tensor in untuned_here.items():
        own[name].data.copy_(tensor)
    tuned = result.tuned
    if begin is not None:
        for name, tensor in untuned.items():
            own[name].data.copy_(tensor)
        tuned = together(begin, tuned, own)
        tuned.save(work / DELTA_NAME)
    learnt = Learnt(
        tuned_id=tuned.tuned_id,
        model_id=bench.resolved.model_id,
        base_sha256=bench.resolved.sha256,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        pairs=pairing.pairs(training),
        taught=tuple(sorted({c.paragraph for c in (*training, *checked)} | taught)),
        started_from=begin.tuned_id if begin else None,
        block=profile.layer,
        rule=profile.rule,
        steps=result.steps,
        best_step=result.best_step,
        seconds=round(result.seconds, 1),
    )
    tell("The layer is ready; it is now compared on paragraphs that it has not seen.")
    learnt = replace(learnt, scorecard=scorecard(bench, held_out, start, tuned))
    (work / "request.json").unlink()
    shelf.keep(bench.settings, work, learnt)
    return learnt


def _config(options: Options, examples: int) -> Config:
    return Config(
        steps=options.steps,
        rate=options.rate or 1.0,
        batch_size=min(options.batch_size, examples),
        seed=options.seed,
        validate_every=max(1, options.steps // 10),
    )


def _taught(settings: Settings, layer: TunedLayer | None) -> set[str]:
    known = [learnt for learnt in shelf.listed(settings) if layer is not None and learnt.tuned_id == layer.tuned_id]
    return set(known[0].taught) if known else set()


def _prepare(work: Path, request: dict[str, Any], *, resume: bool) -> None:
    """An empty folder for a new run, or the folder of the one to go on with. Raises TuningError."""
    stored = work / "request.json"
    before = json.loads(stored.read_text("utf-8")) if stored.is_file() else None
    begun = (work / LOG_NAME).is_file()
    if resume:
        if before is None or not begun:
            raise TuningError("There is no interrupted run to resume. Begin one without --resume.")
        if before != request:
            raise TuningError(
                "What was confirmed, who lets the model learn, what is in service, or the options have changed since "
                "that run began, so it can't be resumed. Begin anew without --resume."
            )
        return
    if work.is_dir():
        for file in work.iterdir():
            file.unlink()
    work.mkdir(parents=True, exist_ok=True)
    stored.write_text(json.dumps(request), "utf-8")


def _texts(comparisons: Sequence[Comparison]) -> list[str]:
    """Of many kinds: what was asked, and what was written."""
    found = [c.chosen.messages[-1].content for c in comparisons]
    found += [one.prefill + one.response for c in comparisons for one in (c.chosen, *c.rejected)]
    return list(dict.fromkeys(found))[:CALIBRATION]


def together(first: TunedLayer, second: TunedLayer, untuned: Mapping[str, Tensor]) -> TunedLayer:
    """Two layers, the second tuned on top of the first, as one on the untuned model."""
    names = {**first.deltas, **second.deltas}
    deltas = {
        name: sum(
            (layer.deltas[name].float() for layer in (first, second) if name in layer.deltas),
            start=torch.zeros(untuned[name].shape),
        )
        for name in names
    }
    return replace(
        second,
        deltas=deltas,
        layers=tuple(sorted({*first.layers, *second.layers})),
        base_tensors=base_fingerprint({name: untuned[name] for name in names}),
        result={**second.result, "on_top_of": first.tuned_id},
    )


def scorecard(
    bench: Bench, held_out: Sequence[Comparison], in_service: TunedLayer | None, candidate: TunedLayer
) -> dict[str, Any]:
    """How the untuned model, the layer in service and the new one do on the same comparisons, in all and by strategy.

    `margin`: mean, over pairs, of the difference in log-probability per token, in nats. `accuracy`: the share of pairs
    in which the confirmed version is the likelier. `gain`: the new layer's margin less that of what is in service, mean
    over paragraphs, with a 95 % interval from resampling paragraphs.
    """
    contenders = {"untuned": None, "in_service": in_service, "candidate": candidate}
    found = {
        name: bench.margins(held_out, layer) for name, layer in contenders.items() if name != "in_service" or layer
    }
    rival = found.get("in_service", found["untuned"])
    card: dict[str, Any] = {
        "compared": len(held_out),
        "pairs": pairing.pairs(held_out),
        "paragraphs": len({c.paragraph for c in held_out}),
        "in_service_id": in_service.tuned_id if in_service else None,
        **{name: _score(margins) for name, margins in found.items()},
        "gain": _gain([c.paragraph for c in held_out], rival, found["candidate"]),
        "strategies": {},
    }
    for strategy in sorted({c.chosen.strategy for c in held_out}):
        of = [i for i, c in enumerate(held_out) if c.chosen.strategy == strategy]
        card["strategies"][strategy] = {
            "pairs": sum(len(held_out[i].rejected) for i in of),
            **{name: _score([margins[i] for i in of]) for name, margins in found.items()},
        }
    return card


def _score(margins: Sequence[Sequence[float]]) -> dict[str, float]:
    flat = [margin for one in margins for margin in one]
    return {"margin": round(fmean(flat), 4), "accuracy": round(fmean(margin > 0 for margin in flat), 4)}


def _gain(
    paragraphs: Sequence[str], before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]
) -> dict[str, float]:
    by_paragraph: dict[str, list[float]] = {}
    for paragraph, old, new in zip(paragraphs, before, after, strict=True):
        by_paragraph.setdefault(paragraph, []).append(fmean(new) - fmean(old))
    gains = np.array([fmean(found) for found in by_paragraph.values()])
    drawn = np.random.default_rng(0).choice(gains, (RESAMPLED, len(gains))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"mean": round(float(gains.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}
