"""The trainer: two-sided SPSA along directions made from a seed (Spall 1992; MeZO, arXiv 2305.17333).

    g = (L(theta + epsilon z) - L(theta - epsilon z)) / (2 epsilon),    theta <- theta - rate * g * z

One number a step is all that a run is; it goes into the seed log as it is made. The same trainer runs the baselines:
switches of Config take the gains away one by one, down to MeZO as published.
"""

from __future__ import annotations

import copy
import json
import math
import platform
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from app.zo import baselines, noise
from app.zo.layer import DELTA_NAME, LOG_NAME, LogWriter, SeedLog, TunedLayer, base_fingerprint, fingerprint
from app.zo.losses import Called, Outcome, Packed, Whole, memory_errors
from app.zo.master import InPlace, Master, add_lora, deltas, remove_lora, tuned_parameters
from app.zo.model import Decoder
from app.zo.objective import CallableObjective, Objective, encode_all
from app.zo.types import Base, Config, Diverged, ZOError

PROGRESS_NAME = "progress.jsonl"
_WINDOW = 20
"""Steps over which a loss is averaged before it is called diverged."""
_OVERFLOW = "In half precision activations may overflow: use bfloat16 or float32; otherwise lower --rate or --epsilon."


@dataclass(frozen=True)
class Validation:
    """`accuracy` is None where there is nothing to choose. `training` is the mean loss since the last validation."""

    step: int
    loss: float
    accuracy: float | None
    training: float | None
    seconds: float


@dataclass(frozen=True)
class Progress:
    step: int
    steps: int
    loss: float
    seconds_left: float
    validation: Validation | None


@dataclass(frozen=True)
class Result:
    """`best_step` has the lowest validation loss (the last step, without validation data); the delta is of it."""

    steps: int
    best_step: int
    validations: tuple[Validation, ...]
    seconds: float
    stopped: str
    """`done`, or `early` when validation stopped getting better."""
    tuned: TunedLayer | None
    log: SeedLog | None

    def as_json(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "best_step": self.best_step,
            "stopped": self.stopped,
            "seconds": round(self.seconds, 3),
            "validations": [asdict(v) for v in self.validations],
            "tuned_id": self.tuned.tuned_id if self.tuned else None,
        }


@dataclass(frozen=True)
class Forecast:
    """What `dry_run` measured: seconds and bytes."""

    step_seconds: float
    prefix_seconds: float
    validation_seconds: float
    total_seconds: float
    peak_bytes: int
    """Of the process (on a GPU: of its memory) after the measured steps; inference's own is in it."""
    master_bytes: int
    twin_bytes: int
    cache_bytes: int
    log_bytes: int


class Clock:
    """Seconds by part of a step; on a GPU it waits for the work to be done."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._wait()
        began = time.perf_counter()
        try:
            yield
        finally:
            self._wait()
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class ZOTrainer:
    """Tunes `model` in place. `config.layer` must be resolved (`dominant` needs `layer`, or a finder's profile)."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective | CallableObjective,
        config: Config,
        *,
        base: Base | None = None,
        dominant: int | None = None,
    ) -> None:
        """`dominant` is the block that `find_dominant_layer` named; `base` identifies the model in the files.

        Raises UnknownModel, ZOError.
        """
        model.eval()
        model.requires_grad_(False)
        self.model, self.objective, self.config = model, objective, config
        self.base = base or Base(getattr(getattr(model, "config", None), "_name_or_path", "") or "unnamed", "")
        self.decoder = Decoder(model)
        self.decoder.check()
        self.layers = self._resolve(dominant)
        self._chosen = None if config.layer == "all" else self.layers
        self._first = min(self.layers)
        remove_lora(self.decoder.layers)
        if config.part == "lora":
            add_lora(self.decoder.layers, self.layers, config.lora_rank, config.lora_alpha, config.seed)
        self.tensors: dict[str, nn.Parameter] = tuned_parameters(model, self._chosen, config.part)
        if isinstance(objective, CallableObjective) and (config.packed or config.method == "adamw"):
            raise ZOError("A function as objective runs the whole model: use packed=False and method='zo'.")
        self._noise = noise.make(config.noise, self.decoder.device)
        self._initial = {} if config.whole_model else {n: t.detach().cpu().clone() for n, t in self.tensors.items()}
        self._twins, self._twin_tensors = self._make_twins() if config.both_signs else ({}, {})
        self.master: Master | None = None
        self._in_place: InPlace | baselines.PublishedLoop | None = None
        if config.published_loop:
            self._in_place = baselines.PublishedLoop(self.tensors, config)
        elif config.master and config.method == "zo":
            self.master = Master(self.tensors, config, self._noise)
        elif config.method == "zo":
            self._in_place = InPlace(self.tensors, config, self._noise)
        self._optimiser = None
        if config.method == "adamw":
            for tensor in self.tensors.values():
                tensor.requires_grad_(True)
            self._optimiser = torch.optim.AdamW(self.tensors.values(), lr=config.rate, weight_decay=0.0)
        self.clock = Clock(self.decoder.device)
        self._rank, self._world = _ranks()
        if config.batch_size < self._world:
            raise ZOError(f"A batch of {config.batch_size} can't be shared among {self._world} processes.")

    # -- one step

    def step(self, batch: Any, step: int) -> tuple[list[float], float]:
        """Probe `queries` times, update, and leave the model at its new values.

        `batch` comes of the method `batch`. Returns the projected gradients, rounded to float32, and the mean loss.
        """
        if self._optimiser is not None:
            return [], self._descend(batch, step)
        gradients: list[float] = []
        losses: list[float] = []
        for query in range(self.config.queries):
            plus, minus = self._probe(batch, step, query, self.config.epsilon)
            gradient = (plus - minus) / (2 * self.config.epsilon)
            _check_loss(plus, minus, step)
            gradients.append(_float32(gradient))
            losses.append((plus + minus) / 2)
            if self._in_place is not None:
                with self.clock.part("update"):
                    self._in_place.update(step, query, gradients[-1], self.config.epsilon)
        if self.master is not None:
            with self.clock.part("update"):
                self.master.update(step, gradients)
                self.master.restore(self.tensors)
        return gradients, sum(losses) / len(losses)

    def _probe(self, batch: Any, step: int, query: int, epsilon: float) -> tuple[float, float]:
        if self.config.both_signs and self.master is not None:
            with self.clock.part("noise"):
                self.master.probe(self.tensors, step, query, epsilon)
                self.master.probe(self._twin_tensors, step, query, -epsilon)
            with self.clock.part("forward"), torch.no_grad():
                pairs = [source.both(prepared) for source, prepared in batch]
            return self._means(pairs)
        outcomes = []
        for sign in (1, -1):
            with self.clock.part("noise"):
                if self.master is not None:
                    self.master.probe(self.tensors, step, query, sign * epsilon)
                elif self._in_place is not None:
                    self._in_place.shift(step, query, epsilon if sign == 1 else -2 * epsilon)
            with self.clock.part("forward"), torch.no_grad():
                outcomes.append([source.outcome(prepared) for source, prepared in batch])
        return self._means(list(zip(*outcomes, strict=True)))

    def _means(self, pairs: Sequence[tuple[Outcome, Outcome]]) -> tuple[float, float]:
        """Over the batch, and over all processes: the two floats that they exchange."""
        count = self.config.batch_size * self.config.accumulate
        sums = torch.tensor([sum(p[i].loss for p in pairs) for i in (0, 1)], dtype=torch.float64)
        if self._world > 1:
            torch.distributed.all_reduce(sums)
        return float(sums[0]) / count, float(sums[1]) / count

    def _descend(self, batch: Any, step: int) -> float:
        assert self._optimiser is not None
        for group in self._optimiser.param_groups:
            group["lr"] = self.config.learning_rate(step)
        with self.clock.part("forward"):
            losses = [source.mean_loss(prepared) / len(batch) for source, prepared in batch]
            loss = torch.stack(losses).sum()
        value = float(loss.detach())
        _check_loss(value, value, step)
        with self.clock.part("backward"):
            loss.backward()  # type: ignore[no-untyped-call]
        with self.clock.part("update"):
            self._optimiser.step()
            self._optimiser.zero_grad()
        return value

    @torch.no_grad()
    def difference(self, batch: Any, step: int, epsilon: float) -> float:
        """L(theta + epsilon z) - L(theta - epsilon z) at any epsilon, 0 too; the model is left as it was."""
        plus, minus = self._probe(batch, step, 0, epsilon)
        if self._in_place is not None:
            self._in_place.shift(step, 0, epsilon)
        self.restore()
        return plus - minus

    def restore(self) -> None:
        """Put the master's values on the model: exact, where subtracting a probe would not be."""
        if self.master is not None:
            self.master.restore(self.tensors)

    # -- data

    def source(self, raws: Sequence[Mapping[str, Any]]) -> Any:
        """Examples made ready for the path that the config asks for; fills the prefix cache. Raises BadData."""
        if isinstance(self.objective, CallableObjective):
            return Called(self.model, self.objective, raws)
        examples = encode_all(self.objective, raws, self.decoder.vocabulary)
        if not self.config.packed:
            return Whole(self.decoder, self.objective, examples, self.config.read_only)
        packed = Packed(self.decoder, self.objective, examples, self.config, self._first, self._twins or None)
        with memory_errors():
            packed.fill()
        return packed

    def batch(self, source: Any, count: int, step: int) -> list[Any]:
        """The step's share of a data set of `count` examples: every epoch in an order of its own, set by the seed."""
        with self.clock.part("data"), torch.no_grad():
            size = self.config.batch_size
            batches = []
            for micro in range(self.config.accumulate):
                start = (step * self.config.accumulate + micro) * size
                chosen = [_at(self.config.seed, position, count) for position in range(start, start + size)]
                batches.append((source, source.prepare(chosen[self._rank :: self._world])))
            return batches

    @torch.no_grad()
    def evaluate(self, source: Any, count: int) -> tuple[float, float | None]:
        """Mean loss and accuracy (None where nothing is chosen) of all examples, the model as it stands.

        Raises Diverged for a loss that is no number: no step could be chosen by it.
        """
        with self.clock.part("validation"):
            outcomes = []
            share = range(self._rank, count, self._world)
            for start in range(0, len(share), self.config.batch_size):
                outcomes.append(source.outcome(source.prepare(share[start : start + self.config.batch_size])))
            right = [o.right for o in outcomes]
            sums = torch.tensor([sum(o.loss for o in outcomes), sum(r or 0 for r in right)], dtype=torch.float64)
            if self._world > 1:
                torch.distributed.all_reduce(sums)
        loss = float(sums[0]) / count
        if not math.isfinite(loss):
            raise Diverged(
                f"On the examples to validate by the loss is {loss}, so that no step can be chosen. {_OVERFLOW}"
            )
        return loss, None if None in right else float(sums[1]) / count

    # -- a run

    def fit(
        self,
        training: Sequence[Mapping[str, Any]],
        validation: Sequence[Mapping[str, Any]] = (),
        out: Path | None = None,
        *,
        resume: bool = False,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        delta_dtype: torch.dtype = torch.float16,
    ) -> Result:
        """Train, and write seed log and delta to the folder `out`. With `resume` a run interrupted there goes on.

        The delta is of the step with the lowest validation loss. It is stored in `delta_dtype`: float16 halves the file
        and rounds each change to 11 bits; float32 keeps all. Raises BadData, Diverged, ZOError.
        """
        with memory_errors(), _alone(out if self._rank == 0 else None):
            return self._fit(training, validation, out, resume, on_progress, delta_dtype)

    def _fit(
        self,
        training: Sequence[Mapping[str, Any]],
        validation: Sequence[Mapping[str, Any]],
        out: Path | None,
        resume: bool,
        on_progress: Callable[[Progress], None],
        delta_dtype: torch.dtype,
    ) -> Result:
        config = self.config
        if config.batch_size > len(training):
            raise ZOError(f"A batch of {config.batch_size} is more than the {len(training)} examples there are.")
        run = self._begin(out, resume)
        try:
            source = self.source(training)
            held_out = self.source(validation) if validation else None
            began = time.perf_counter()
            start = len(run.gradients)

            def validate(step: int) -> Validation | None:
                if held_out is None:
                    return None
                loss, accuracy = self.evaluate(held_out, len(validation))
                training_loss = sum(run.recent) / len(run.recent) if run.recent else None
                run.recent.clear()
                found = Validation(step, loss, accuracy, training_loss, time.perf_counter() - began)
                self._take(run, found)
                return found

            if held_out is not None and not any(v.step == start for v in run.validations) and self._due(start):
                validate(start)
            step = start
            while step < config.steps and not run.stopped_early(config.patience):
                gradients, loss = self.step(self.batch(source, len(training), step), step)
                step += 1
                run.took(gradients, loss)
                _check_course(run.losses, config)
                found = validate(step) if self._due(step) else None
                left = (time.perf_counter() - began) / (step - start) * (config.steps - step)
                on_progress(Progress(step, config.steps, loss, left, found))
            seconds = time.perf_counter() - began
        finally:
            run.close()
        return self._finish(run, out, step, seconds, delta_dtype)

    def _due(self, step: int) -> bool:
        every = self.config.validate_every
        return step in (0, self.config.steps) or (every > 0 and step % every == 0)

    def _begin(self, out: Path | None, resume: bool) -> _Run:
        log = SeedLog(
            self.base, self.config, self.layers,
            self._noise.version if self._in_place is None or isinstance(self._in_place, InPlace) else baselines.VERSION,
            {name: tuple(tensor.shape) for name, tensor in self.tensors.items()},
            fingerprint({name: tensor.float() for name, tensor in self.tensors.items()}),
            versions={"torch": torch.__version__, "python": platform.python_version()},
        )  # fmt: skip
        run = _Run(log)
        writes = out is not None and self._rank == 0 and self.config.method == "zo"
        path = None if out is None else out / LOG_NAME
        if path is not None and path.exists():
            if not resume:
                raise ZOError(f"{path} is there already. Resume that run, or choose another folder.")
            run = self._resumed(log, path, run)
        elif resume and path is not None and self.config.method == "zo":
            raise ZOError(f"There is no run to resume in {path.parent}.")
        if self._world > 1:
            torch.distributed.barrier()  # all have looked at what is there before one of them writes
        if writes and path is not None:
            run.writer = replace(log, gradients=tuple(run.gradients)).appending(path)
            run.progress = path.with_name(PROGRESS_NAME)
            run.progress.write_text("".join(json.dumps(asdict(v)) + "\n" for v in run.validations))
        return run

    def _resumed(self, log: SeedLog, path: Path, run: _Run) -> _Run:
        before = SeedLog.load(path)
        if before.result is not None:
            raise ZOError(f"The run in {path.parent} is finished; choose another folder for another run.")
        if self.master is None:
            raise ZOError("Only runs with a master copy can be resumed.")
        same = ("base", "config", "layers", "noise", "tensors", "initial")
        different = [name for name in same if getattr(before, name) != getattr(log, name)]
        if different:
            raise ZOError(
                f"The run in {path.parent} was begun with another {', '.join(different)}; it can't be resumed so."
            )
        run.gradients = list(before.gradients)
        run.validations = [v for v in _validations(path.with_name(PROGRESS_NAME)) if v.step <= len(run.gradients)]
        best = run.best_step()
        for step, gradients in enumerate(run.gradients):
            if step == best:
                run.snapshot = self._values()
            self.master.update(step, gradients)
        if best == len(run.gradients):
            run.snapshot = self._values()
        self.restore()
        return run

    def _take(self, run: _Run, found: Validation) -> None:
        run.validations.append(found)
        if run.best_step() == found.step:
            run.snapshot = self._values()
        if run.progress is not None:
            with run.progress.open("a") as file:
                file.write(json.dumps(asdict(found)) + "\n")

    def _finish(self, run: _Run, out: Path | None, steps: int, seconds: float, delta_dtype: torch.dtype) -> Result:
        stopped = "early" if steps < self.config.steps else "done"
        best = run.best_step() if run.validations else steps
        facts = {
            "steps": steps,
            "best_step": best,
            "stopped": stopped,
            "objective": self.objective.name,
            # Without what an interruption changes: the same layer has the same id.
            "validations": [{"step": x.step, "loss": x.loss, "accuracy": x.accuracy} for x in run.validations],
        }
        tuned = log = None
        if self.config.method == "zo":
            log = run.log.finished(facts, run.gradients)
        if not self.config.whole_model:
            values = run.snapshot if best < steps and run.snapshot else self._values()
            changed, before = deltas(values, self.model, self._initial, delta_dtype)
            tuned = TunedLayer(
                self.base, changed, self.layers, "none" if log is None else log.noise, self.config.as_json(), facts,
                base_fingerprint(before),
            )  # fmt: skip
        if out is not None and self._rank == 0:
            if tuned:
                tuned.save(out / DELTA_NAME)
            if log:
                log.save(out / LOG_NAME)
        return Result(steps, best, tuple(run.validations), seconds, stopped, tuned, log)

    def _values(self) -> dict[str, Tensor]:
        """The tuned tensors now, in float32; a copy, except for whole models, of which none is kept."""
        if self.config.whole_model:
            return {}
        values = self.master.values if self.master is not None else self.tensors
        return {name: value.detach().float().cpu().clone() for name, value in values.items()}

    # -- before a run

    def dry_run(
        self, training: Sequence[Mapping[str, Any]], validation: Sequence[Mapping[str, Any]] = (), steps: int = 3
    ) -> Forecast:
        """Time and memory of the whole run, from `steps` real ones; the model is left as it was.

        Raises what `fit` would, out of memory too.
        """
        with memory_errors():
            began = time.perf_counter()
            source = self.source(training)
            prefix = time.perf_counter() - began
            before = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}
            began = time.perf_counter()
            for step in range(steps):
                batch = self.batch(source, len(training), step)
                if self._optimiser is not None:
                    for part, prepared in batch:
                        part.mean_loss(prepared).backward()
                    self._optimiser.zero_grad()
                else:
                    for query in range(self.config.queries):
                        self._probe(batch, step, query, self.config.epsilon)
                        if self._in_place is not None:
                            self._in_place.shift(step, query, self.config.epsilon)
            each = (time.perf_counter() - began) / steps
            with torch.no_grad():
                for name, tensor in self.tensors.items():
                    tensor.copy_(before[name])
            checks = 0.0
            if validation:
                held_out = self.source(validation)
                began = time.perf_counter()
                self.evaluate(held_out, len(validation))
                checks = time.perf_counter() - began
        every = self.config.validate_every
        times = 2 + (self.config.steps // every if every else 0)
        numbers = sum(t.numel() for t in self.tensors.values())
        return Forecast(
            step_seconds=each,
            prefix_seconds=prefix,
            validation_seconds=checks,
            total_seconds=prefix + each * self.config.steps + checks * times,
            peak_bytes=peak_bytes(self.decoder.device),
            master_bytes=4 * numbers if self.master is not None else 0,
            twin_bytes=sum(t.numel() * t.element_size() for t in self._twin_tensors.values()),
            cache_bytes=getattr(source, "cache_bytes", 0),
            log_bytes=4 * self.config.steps * self.config.queries if self.config.method == "zo" else 0,
        )

    # -- construction

    def _resolve(self, dominant: int | None) -> tuple[int, ...]:
        count = len(self.decoder.layers)
        layer = self.config.layer
        if layer == "all":
            return tuple(range(count))
        if layer == "dominant":
            if dominant is None:
                raise ZOError("Which layer is dominant was not said: pass what find_dominant_layer found.")
            layer = dominant
        layers = (layer,) if isinstance(layer, int) else tuple(sorted(set(layer)))
        if max(layers) >= count:
            raise ZOError(f"There is no block {max(layers)}: this model's go from 0 to {count - 1}.")
        return layers

    def _make_twins(self) -> tuple[dict[int, nn.Module], dict[str, Tensor]]:
        """A second copy of each tuned block; what is not tuned is the same memory."""
        twins: dict[int, nn.Module] = {}
        tensors: dict[str, Tensor] = {}
        for index in self.layers:
            shared = {
                id(parameter): parameter
                for name, parameter in self.decoder.layers[index].named_parameters()
                if f"model.layers.{index}.{name}" not in self.tensors
            }
            # What the memo holds is not copied.
            twins[index] = copy.deepcopy(self.decoder.layers[index], dict(shared))
            for name, parameter in twins[index].named_parameters():
                if f"model.layers.{index}.{name}" in self.tensors:
                    tensors[f"model.layers.{index}.{name}"] = parameter
        return twins, tensors


class _Run:
    """What a run has come to, and where it is written."""

    def __init__(self, log: SeedLog) -> None:
        self.log = log
        self.gradients: list[tuple[float, ...]] = []
        self.losses: list[float] = []
        self.recent: list[float] = []
        self.validations: list[Validation] = []
        self.snapshot: dict[str, Tensor] = {}
        self.writer: LogWriter | None = None
        self.progress: Path | None = None

    def took(self, gradients: Sequence[float], loss: float) -> None:
        self.gradients.append(tuple(gradients))
        self.losses.append(loss)
        self.recent.append(loss)
        if self.writer is not None:
            self.writer.append(gradients)

    def best_step(self) -> int:
        return min(self.validations, key=lambda v: v.loss).step if self.validations else len(self.gradients)

    def stopped_early(self, patience: int) -> bool:
        if not patience or not self.validations:
            return False
        best = min(range(len(self.validations)), key=lambda i: self.validations[i].loss)
        return len(self.validations) - 1 - best >= patience

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


@contextmanager
def _alone(out: Path | None) -> Iterator[None]:
    """Two runs in one folder would write over each other. Raises ZOError."""
    if out is None:
        yield
        return
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise ZOError(f"Another run is writing to {out}. Wait for it, or choose another folder.") from error


def _validations(progress: Path) -> Iterator[Validation]:
    for line in progress.read_text().split("\n") if progress.exists() else ():
        try:
            yield Validation(**json.loads(line))
        except (ValueError, TypeError):  # empty, or cut off by a crash
            continue


def peak_bytes(device: torch.device) -> int:
    """Largest memory so far: of the GPU's allocator, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _at(seed: int, position: int, count: int) -> int:
    """Which example stands at a place of the endless stream of shuffled epochs."""
    epoch = position // count
    return _order(seed, epoch, count)[position % count]


@lru_cache(maxsize=8)
def _order(seed: int, epoch: int, count: int) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(noise.mix(seed, 2, epoch) & (2**63 - 1))
    return tuple(torch.randperm(count, generator=generator).tolist())


def _ranks() -> tuple[int, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def _float32(value: float) -> float:
    """Rounded to what the log can hold: the run goes on with the very number that is written."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def _check_loss(plus: float, minus: float, step: int) -> None:
    if not (math.isfinite(plus) and math.isfinite(minus)):
        raise Diverged(
            f"At step {step} the loss is {plus if not math.isfinite(plus) else minus}, so that nothing can be learnt "
            f"from it. {_OVERFLOW} The log up to this step is kept."
        )
    if plus == 0 and minus == 0:
        raise Diverged(
            f"At step {step} the loss is exactly 0 on both sides: it has collapsed. Labels that the prompt gives away, "
            "or an overflow in half precision do that. The log up to this step is kept."
        )


def _check_course(losses: Sequence[float], config: Config) -> None:
    """A rate that is too large shows as a loss that has left its beginning far behind."""
    if len(losses) < 2 * _WINDOW:
        return
    first, last = sum(losses[:_WINDOW]) / _WINDOW, sum(losses[-_WINDOW:]) / _WINDOW
    if last > 3 * first + 1:
        raise Diverged(
            f"The mean loss of the last {_WINDOW} steps is {last:.3g}; it began at {first:.3g}. The rate "
            f"{config.rate:g} is too large for this layer: try a fifth of it. The log up to this step is kept."
        )
