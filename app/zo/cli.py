"""`spatialbalancing zo …`. How a model's name becomes a folder is the caller's business: `commands(find)`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from app.zo.types import Config, Method, NoiseKind, Part, Schedule, ZOError

if TYPE_CHECKING:
    from torch import nn

    from app.zo.objective import Objective
    from app.zo.outliers import LayerProfile
    from app.zo.trainer import Progress


class Found(NamedTuple):
    """A model on disk: its id, its folder in the layout of transformers, the SHA-256 it is known by."""

    model_id: str
    folder: Path
    sha256: str


Find = Callable[[str], Found]
DType = Literal["float32", "bfloat16", "float16"]
ObjectiveName = Literal["response", "options", "preference"]

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="`default`, a Hugging Face id or a folder.")]
DataArgument = Annotated[Path, typer.Argument(metavar="DATA", help="JSONL, or .tsv of sentence and 0 or 1 (SST-2).")]
LayerFolder = Annotated[Path, typer.Argument(metavar="TUNED", help="The folder that `zo tune` wrote.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DTypeOption = Annotated[DType, typer.Option(help="Of the model's weights.")]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 …")]
ObjectiveOption = Annotated[ObjectiveName, typer.Option(help="What the data's lines hold; a .tsv has options.")]
LayerOption = Annotated[str, typer.Option(help="dominant, all, a block's number, or several: 1,30.")]


def commands(find: Find) -> typer.Typer:  # noqa: PLR0915 (each command is short; all close over `find`)
    """The command group, which finds models by `find`; `find` fails in its own way for a name it doesn't know."""
    app = typer.Typer(
        help="Zeroth-order fine-tuning of the dominant layer: locate, tune, evaluate, replay, merge, sweep, bench.",
        no_args_is_help=True,
        rich_markup_mode="markdown",
    )

    @app.command()
    def locate(
        model: ModelArgument,
        as_json: Json = False,
        texts: Annotated[Path | None, typer.Option(help="A text a line, at least 10; built-in ones otherwise.")] = None,
        report: Annotated[Path | None, typer.Option(help="Write a page with the profile's plot.")] = None,
        dtype: DTypeOption = "float32",
        device: DeviceOption = "cpu",
    ) -> None:
        """Find the first block with massive activations, by inference only.

        Example: `spatialbalancing zo locate default --json`
        """
        with _told():
            found = find(model)
            network, tokenizer = _load(found, dtype, device)
            profile = _profile(network, tokenizer, texts)
            if report:
                from app.zo.report import profile_page

                profile_page(found.model_id, profile, report)
            if as_json:
                _print({"model": found.model_id, **profile.as_json()})
            else:
                typer.echo(profile.explanation)

    @app.command()
    def tune(
        model: ModelArgument,
        data: DataArgument,
        out: Annotated[Path, typer.Option(help="A new folder for seed log, delta and progress.")],
        validation: Annotated[Path | None, typer.Option(help="Held-out data of the same form.")] = None,
        objective: ObjectiveOption = "response",
        layer: LayerOption = "dominant",
        part: Annotated[Part, typer.Option(help="Of the block.")] = "all",
        method: Annotated[Method, typer.Option(help="adamw takes gradients, for comparison.")] = "zo",
        noise: Annotated[NoiseKind, typer.Option(help="Kind of direction.")] = "rademacher",
        steps: int = 1000,
        batch_size: int = 16,
        accumulate: Annotated[int, typer.Option(help="Batches that share a probe.")] = 1,
        queries: Annotated[int, typer.Option(help="Probes a step.")] = 1,
        rate: Annotated[
            float | None, typer.Option(help="Learning rate; without one it is measured on the first batch.")
        ] = None,
        schedule: Annotated[Schedule, typer.Option(help="How the rate goes on.")] = "constant",
        epsilon: Annotated[float, typer.Option(help="Size of a probe.")] = 1e-3,
        seed: int = 0,
        validate_every: Annotated[int, typer.Option(help="Steps; 0 for the end only.")] = 100,
        patience: Annotated[int, typer.Option(help="Validations without gain before it stops; 0 never.")] = 0,
        cache_prefix: Annotated[
            Literal["dataset", "batch", "off"], typer.Option(help="When frozen blocks are computed.")
        ] = "dataset",
        cache_file: Annotated[Path | None, typer.Option(help="Keep the prefix in this file.")] = None,
        both_signs: Annotated[bool, typer.Option(help="Both probes in one pass.")] = True,
        max_tokens: Annotated[int, typer.Option(help="Longest example; longer ones are refused.")] = 2048,
        exact: Annotated[bool, typer.Option(help="Store the delta in float32 instead of float16.")] = False,
        dtype: DTypeOption = "float32",
        device: DeviceOption = "cpu",
        report: Annotated[Path | None, typer.Option(help="Write a page with the validations' plot.")] = None,
        resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure time and memory, train nothing.")] = False,
        as_json: Json = False,
    ) -> None:
        """Tune one layer with forward passes only.

        Example: `spatialbalancing zo tune default docs/examples/analogies.jsonl
        --steps 20 --batch-size 4 --out tuned/first`

        On two processes: `torchrun --nproc-per-node 2 -m app zo tune …`
        """
        with _told():
            config = Config(
                layer=_layer(layer), part=part, method=method, noise=noise, steps=steps, batch_size=batch_size,
                accumulate=accumulate, queries=queries, rate=1.0 if rate is None else rate, schedule=schedule,
                epsilon=epsilon, seed=seed, validate_every=validate_every, patience=patience, cache_prefix=cache_prefix,
                cache_file=str(cache_file) if cache_file else None,
                both_signs=both_signs and not (layer == "all" or method == "adamw"),
                master=not (layer == "all" and part == "all"),
            )  # fmt: skip
            rows, held_out = read(data), read(validation) if validation else []
            leader = _join_processes(device)
            from app.zo.types import Base

            found = find(model)
            network, tokenizer = _load(found, dtype, device)
            dominant, said = None, list[str]()
            if layer == "dominant":
                profile = _profile(network, tokenizer)
                dominant = profile.layer
                said.append(profile.explanation)

            import torch

            from app.zo.rates import with_rate
            from app.zo.trainer import ZOTrainer

            goal = make_objective(data, objective, tokenizer, max_tokens)
            if rate is None:
                config, told = with_rate(network, goal, config, rows, out, resume=resume, dominant=dominant)
                said.append(told)
            for line in said if leader else ():
                typer.echo(line, err=True)
            trainer = ZOTrainer(
                network, goal, config, base=Base(found.model_id, found.sha256), dominant=dominant
            )  # fmt: skip
            if dry_run:
                forecast = asdict(trainer.dry_run(rows, held_out))
                if as_json:
                    _print(forecast)
                else:
                    _tell_forecast(forecast)
                return
            try:
                result = trainer.fit(
                    rows, held_out, out, resume=resume, on_progress=_progress if leader else lambda _: None,
                    delta_dtype=torch.float32 if exact else torch.float16,
                )  # fmt: skip
            except KeyboardInterrupt:
                typer.echo(
                    f"\nStopped. What was done is kept: the same command with --resume goes on ({out}).", err=True
                )
                raise typer.Exit(130) from None
            if leader and report:
                from app.zo.report import run_page

                run_page(f"{found.model_id}, block {trainer.layers}", result.as_json(), report)
            if leader:
                if as_json:
                    _print({"out": str(out), **result.as_json()})
                else:
                    name = result.tuned.tuned_id if result.tuned else "without a delta"
                    typer.echo(f"{result.steps} steps in {result.seconds:.0f} s; the layer {name} is in {out}.")

    @app.command()
    def evaluate(
        model: ModelArgument,
        data: DataArgument,
        tuned: Annotated[Path | None, typer.Option(help="A tuned layer; without one, the base alone.")] = None,
        objective: ObjectiveOption = "response",
        batch_size: int = 16,
        max_tokens: int = 2048,
        dtype: DTypeOption = "float32",
        device: DeviceOption = "cpu",
        as_json: Json = False,
    ) -> None:
        """Loss, and accuracy where there is a choice, of the base and of a tuned layer on it.

        Example: `spatialbalancing zo evaluate default docs/examples/analogies.jsonl --tuned tuned/first --json`
        """
        with _told():
            rows = read(data)
            found = find(model)
            network, tokenizer = _load(found, dtype, device)
            from app.zo.layer import TunedLayer
            from app.zo.trainer import ZOTrainer

            trainer = ZOTrainer(
                network, make_objective(data, objective, tokenizer, max_tokens),
                Config(layer=0, part="attention", batch_size=batch_size, cache_prefix="off", both_signs=False),
            )  # fmt: skip
            source = trainer.source(rows)
            figures: dict[str, Any] = {"examples": len(rows), "base": _figures(trainer.evaluate(source, len(rows)))}
            if tuned:
                layer = TunedLayer.load(tuned)
                layer.verify(found.sha256)
                with layer.on(network):
                    figures["tuned"] = _figures(trainer.evaluate(source, len(rows)))
                figures["tuned_id"] = layer.tuned_id
            if as_json:
                _print(figures)
            else:
                for name in ("base", "tuned"):
                    if name in figures:
                        typer.echo(f"{name}: " + ", ".join(f"{k} {v:.4f}" for k, v in figures[name].items()))

    @app.command()
    def replay(
        model: ModelArgument,
        tuned: LayerFolder,
        out: Annotated[Path | None, typer.Option(help="Write the rebuilt delta there.")] = None,
        dtype: DTypeOption = "float32",
        device: DeviceOption = "cpu",
        as_json: Json = False,
    ) -> None:
        """Rebuild the layer from its seed log and the base, and compare it with the delta bit for bit.

        Example: `spatialbalancing zo replay default tuned/first`
        """
        with _told():
            found = find(model)
            network, _ = _load(found, dtype, device)
            from app.zo.master import rebuilt

            same, again = rebuilt(network, found.sha256, tuned)
            if out:
                again.save(out)
            if as_json:
                _print({"tuned_id": again.tuned_id, "steps": again.result["best_step"], "equal": same})
            elif same is None:
                typer.echo(f"Rebuilt the layer {again.tuned_id}; there was no delta to compare it with.")
            elif same:
                typer.echo(f"The log gives the layer {again.tuned_id}, bit for bit.")
            if same is False:
                raise ZOError(f"The log gives another layer than the delta in {tuned} holds.")

    @app.command()
    def merge(
        model: ModelArgument,
        tuned: LayerFolder,
        out: Annotated[Path, typer.Option(help="A new folder.")],
        dtype: DTypeOption = "float32",
    ) -> None:
        """Write base and tuned layer as one safetensors checkpoint, for transformers and vLLM.

        Example: `spatialbalancing zo merge default tuned/first --out tuned/merged`
        """
        with _told():
            from app.zo.layer import TunedLayer

            layer = TunedLayer.load(tuned)
            found = find(model)
            layer.verify(found.sha256)
            network, tokenizer = _load(found, dtype, "cpu")
            from app.zo.loading import merge as write

            write(network, tokenizer, layer, out)
            name = f"{found.model_id}+{layer.tuned_id}"
            typer.echo(f"The whole model is in {out}. To serve it so that versions record the layer:")
            typer.echo(f"  vllm serve {out} --served-model-name {name}")
            typer.echo(f"  SPATIAL_LLM_URL=http://127.0.0.1:8000/v1 SPATIAL_MODEL={name} spatialbalancing serve")

    @app.command()
    def sweep(
        model: ModelArgument,
        data: DataArgument,
        out: Annotated[Path, typer.Option(help="A folder; a sweep interrupted there goes on.")],
        validation: Annotated[Path, typer.Option(help="Held-out data of the same form.")],
        layers: Annotated[str, typer.Option(help="Blocks, with commas; all by default.")] = "",
        rates: Annotated[str, typer.Option(help="Learning rates, with commas; the best counts.")] = "1e-5",
        steps: int = 100,
        batch_size: int = 16,
        validate_every: int = 50,
        objective: ObjectiveOption = "response",
        part: Annotated[Part, typer.Option(help="Of each block.")] = "all",
        seed: int = 0,
        max_tokens: int = 2048,
        dtype: DTypeOption = "float32",
        device: DeviceOption = "cpu",
        as_json: Json = False,
    ) -> None:
        """Tune each block alone and draw what it reaches beside the activation profile (OUT/sweep.html).

        Example: `spatialbalancing zo sweep default docs/examples/reviews.tsv --validation docs/examples/reviews.tsv
        --layers 2,11 --steps 2 --batch-size 4 --out tuned/sweep`
        """
        with _told():
            rows, held_out = read(data), read(validation)
            found = find(model)
            network, tokenizer = _load(found, dtype, device)
            profile = _profile(network, tokenizer)

            from app.zo import sweep as sweeping
            from app.zo.report import sweep_page
            from app.zo.types import Base

            config = Config(
                layer=0, part=part, steps=steps, batch_size=batch_size, validate_every=validate_every, seed=seed
            )
            chosen = _numbers(layers, int, "--layers") or range(len(profile.blocks))
            runs = sweeping.sweep(
                network, Base(found.model_id, found.sha256), make_objective(data, objective, tokenizer, max_tokens),
                rows, held_out, config, chosen, _numbers(rates, float, "--rates"), out,
                lambda line: typer.echo(line, err=True),
            )  # fmt: skip
            sweep_page(found.model_id, profile, runs, out / "sweep.html")
            if all(run["loss"] is None for run in runs):
                raise ZOError(f"At every rate the loss diverged ({out / sweeping.RUNS_NAME}). Try smaller --rates.")
            if as_json:
                _print({"model": found.model_id, "finder": profile.as_json(), "runs": runs})
            else:
                typer.echo(f"{len(runs)} runs are in {out}, drawn in {out / 'sweep.html'}.")

    @app.command()
    def bench(
        model: Annotated[str, typer.Option(help="`default`, a Hugging Face id or a folder.")],
        data: Annotated[Path, typer.Option(help="JSONL, or .tsv of sentence and 0 or 1 (SST-2).")],
        batch_size: int = 16,
        rounds: Annotated[int, typer.Option(help="Steps of each regime.")] = 5,
        regimes: Annotated[str, typer.Option(help="With commas; all by default.")] = "",
        layer: Annotated[str, typer.Option(help="The tuned block; the finder's by default.")] = "dominant",
        part: Annotated[Part, typer.Option(help="Of the block, in our regime.")] = "all",
        memory: Annotated[bool, typer.Option(help="Measure peak memory too, a process for each regime.")] = True,
        objective: ObjectiveOption = "response",
        dtype: DTypeOption = "float32",
        device: DeviceOption = "cpu",
        report: Annotated[Path | None, typer.Option(help="Write a page with a plot.")] = None,
        as_json: Json = False,
        one: Annotated[str, typer.Option(hidden=True)] = "",
    ) -> None:
        """Measure a step against MeZO as published, the paper's method alone, a tuned MeZO, ZO-LoRA and AdamW.

        Example: `spatialbalancing zo bench --model default --data docs/examples/reviews.tsv --batch-size 16
        --rounds 1 --json`
        """
        with _told():
            rows = read(data)
            found = find(model)
            network, tokenizer = _load(found, dtype, device)
            block = _layer(layer)
            if block == "dominant":
                block = _profile(network, tokenizer).layer
            if not isinstance(block, int):
                raise ZOError(f"--layer {layer}: the bench tunes one block; name its number, or dominant.")

            from app.zo import bench as measuring
            from app.zo.baselines import REGIMES

            config = measuring.bench_config(block, batch_size, part)

            def make(own: Config) -> Objective:
                return make_objective(data, objective, tokenizer, one_pass=own.one_pass_options)

            if one:
                _print({"peak_bytes": measuring.one_peak(one, network, make, rows[: 8 * batch_size], config)})
                return
            names = [name for name in regimes.split(",") if name] or [*REGIMES]
            unknown = set(names) - set(REGIMES)
            if unknown:
                raise ZOError(f"--regimes: there is no {', '.join(sorted(unknown))}; there are {', '.join(REGIMES)}.")
            del network
            used = rows[: batch_size * rounds]

            def say(one: measuring.Round) -> None:
                typer.echo(", ".join(f"{name} {one[name]['total']:.2f} s" for name in names), err=True)

            rounds_done = measuring.step_times(
                lambda: _load(found, dtype, device)[0], make, used, config, rounds, names, say
            )
            times = measuring.medians(rounds_done)
            told: dict[str, Any] = {
                "machine": measuring.machine(), "model": found.model_id, "layer": block, "dtype": dtype,
                "batch_size": batch_size, "rounds": rounds, "regimes": times,
            }  # fmt: skip
            if "ours" in times:
                told.update(measuring.ratios(times))
            if memory:
                again = ["--model", model, "--data", str(data), "--batch-size", str(batch_size), "--layer", str(block),
                         "--part", part, "--dtype", dtype, "--device", device, "--objective", objective]  # fmt: skip
                told["peak_bytes"] = measuring.peaks(measuring.command(again), names)
            if report:
                from app.zo.report import bench_page

                bench_page(told, report)
            if as_json:
                _print(told)
            else:
                for name in names:
                    typer.echo(f"{name}: {times[name]['total']:.2f} s a step")

    return app


def read(path: Path) -> list[dict[str, Any]]:
    """Raises BadData, ZOError."""
    from app.zo.objective import read_jsonl, sst2

    return sst2(path) if path.suffix == ".tsv" else read_jsonl(path)


def make_objective(
    data: Path, name: ObjectiveName, tokenizer: Any, max_tokens: int = 2048, one_pass: bool = True
) -> Objective:
    """Of the name that was asked for; a .tsv holds options, whatever that is."""
    from app.zo.objective import OptionChoice, PreferenceMargin, ResponseLoss

    if name == "options" or data.suffix == ".tsv":
        return OptionChoice(tokenizer, one_pass, max_tokens)
    if name == "preference":
        return PreferenceMargin(tokenizer, max_tokens=max_tokens)
    return ResponseLoss(tokenizer, max_tokens)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ZOError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        reason = error.strerror or error
        typer.echo(f"{error.filename} can't be used: {reason}." if error.filename else f"{reason}.", err=True)
        raise typer.Exit(1) from error


def _load(found: Found, dtype: DType, device: str) -> tuple[nn.Module, Any]:
    from app.zo.loading import load

    return load(found.folder, dtype, device)


def _profile(network: nn.Module, tokenizer: Any, texts: Path | None = None) -> LayerProfile:
    from app.zo.outliers import CALIBRATION, find_dominant_layer

    lines: tuple[str, ...] | list[str] = CALIBRATION
    if texts:
        try:
            lines = [line for line in texts.read_text("utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeError) as error:
            raise ZOError(f"{texts} can't be read as text: {error}.") from error
    return find_dominant_layer(network, tokenizer, lines)


def _layer(value: str) -> Any:
    if value in ("dominant", "all"):
        return value
    numbers = _numbers(value, int, "--layer")
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def _numbers(value: str, kind: Callable[[str], Any], option: str) -> list[Any]:
    try:
        return [kind(part) for part in value.split(",") if part.strip()]
    except ValueError as error:
        raise ZOError(f"{option} {value}: expected numbers with commas between them.") from error


def _join_processes(device: str) -> bool:
    """Join the others that torchrun started; whether this process is the one that talks."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return True
    import torch

    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return torch.distributed.get_rank() == 0


def _progress(progress: Progress) -> None:
    every = max(1, progress.steps // 50)
    if progress.validation:
        accuracy = progress.validation.accuracy
        told = "" if accuracy is None else f", accuracy {accuracy:.3f}"
        typer.echo(f"step {progress.step}: validation loss {progress.validation.loss:.4f}{told}", err=True)
    elif progress.step % every == 0 or progress.step == 1:
        left = f"{progress.seconds_left / 60:.0f} min left" if progress.seconds_left > 90 else "under two minutes left"
        typer.echo(f"step {progress.step} of {progress.steps}: loss {progress.loss:.4f}, {left}", err=True)


def _tell_forecast(forecast: dict[str, Any]) -> None:
    typer.echo(
        f"{forecast['step_seconds']:.2f} s a step; {forecast['prefix_seconds']:.0f} s before the first; "
        f"{forecast['validation_seconds']:.0f} s a validation: about {forecast['total_seconds'] / 60:.0f} min in all."
    )
    parts = {name: forecast[f"{name}_bytes"] / 2**20 for name in ("master", "twin", "cache")}
    typer.echo(
        f"Peak memory {forecast['peak_bytes'] / 2**20:.0f} MiB, of which "
        + ", ".join(f"{name} {size:.0f}" for name, size in parts.items())
        + f"; the log will have {forecast['log_bytes'] / 1000:.0f} KB."
    )


def _figures(found: tuple[float, float | None]) -> dict[str, float]:
    return {"loss": found[0]} if found[1] is None else {"loss": found[0], "accuracy": found[1]}


def _print(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
