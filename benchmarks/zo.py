"""What docs/zo.md states of tuning: where the layer is, what a step costs, what is learnt, and is it that layer.

    python -m benchmarks.zo locate
    python -m benchmarks.zo speed   --sst2 FOLDER [--rounds 5]
    python -m benchmarks.zo memory  --sst2 FOLDER
    python -m benchmarks.zo rates   --sst2 FOLDER
    python -m benchmarks.zo quality --sst2 FOLDER --work FOLDER [--steps 200] [--seeds 0,1,2]
    python -m benchmarks.zo layers  --sst2 FOLDER
    python -m benchmarks.zo sweep_layers --sst2 FOLDER --work FOLDER [--steps 200]
    python -m benchmarks.zo corpus  --corpus FILE --held-out FILE --work FOLDER   (benchmarks.tuning data makes both)
    python -m benchmarks.zo table   [--steps 600]

FOLDER holds SST-2's train.tsv and dev.tsv (sentence, tab, 0 or 1). Every part can be interrupted and started again:
what is finished is not done twice. Results are written to benchmarks/results/zo-*.json(l) (--results), which `table`
reads; with `--device cuda` to zo-*-cuda.json, but for the runs of `quality`, which all stand in zo-quality.jsonl.

Quality at equal wall time: a method's whole trajectory is validated every few steps, and read at the step it would have
reached in our time. MeZO's is computed by the tuned MeZO (the same estimator on the same batches, faster, with random
signs for the published normals) and charged at the step time that `speed` measured for MeZO as published.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from app.llm.store import ModelStore
from app.settings import PROJECT_ROOT, Settings
from app.zo import Base, Config, OptionChoice, ResponseLoss, ZOTrainer, find_dominant_layer
from app.zo import bench as measuring
from app.zo.baselines import REGIMES, regime
from app.zo.layer import LOG_NAME, SeedLog
from app.zo.loading import load
from app.zo.master import remove_lora, replay, tuned_parameters
from app.zo.objective import encode_all, read_jsonl, sst2
from app.zo.outliers import CALIBRATION, sensitivity
from app.zo.rates import suggest_rate
from app.zo.report import sweep_page
from app.zo.sweep import sweep
from app.zo.types import Diverged
from benchmarks.lines import append_line, read_lines

RESULTS = PROJECT_ROOT / "benchmarks/results"
TRAINING, VALIDATION = 1000, 200
"""Of train.tsv: the first thousand to train on, the next two hundred to choose a step by; dev.tsv is for the report."""
LAYERS = (0, 2, 5, 11, 17, 23, 29)
METHODS: dict[str, tuple[str, float, float]] = {
    # name: regime that computes it, and two rates: about what `rates` measures, or a third of it, and the one beside it
    "dominant": ("ours", 1e-3, 3e-4),
    "mezo": ("tuned-mezo", 1e-4, 3e-5),
    "lora": ("lora", 1e-3, 3e-3),  # the other way round: at 3e-3 it came apart after step 128
    "adamw": ("adamw", 1e-4, 3e-5),  # has no such measure: the usual ones
}


def main() -> None:
    arguments = _arguments()
    arguments.results.mkdir(parents=True, exist_ok=True)
    globals()[arguments.part](arguments)


def locate(arguments: argparse.Namespace) -> None:
    model, tokenizer, base = _default(arguments)
    profile = find_dominant_layer(model, tokenizer, CALIBRATION)
    _write(arguments, "zo-locate", {"machine": measuring.machine(), "model": base.model_id, **profile.as_json()})


def speed(arguments: argparse.Namespace) -> None:
    """Rounds are kept as they are done; the medians are over all that there are."""
    training, _, _ = _sst2(arguments.sst2)
    model, tokenizer, base = _default(arguments)
    block = find_dominant_layer(model, tokenizer, CALIBRATION).layer
    del model
    lines = arguments.results / f"{_named('zo-speed', arguments)}l"
    measuring.step_times(
        lambda: _default(arguments)[0], lambda own: OptionChoice(tokenizer, own.one_pass_options), training[: 16 * 8],
        measuring.bench_config(block, 16), arguments.rounds, arguments.regimes,
        lambda one: _append(lines, {"machine": measuring.machine(), "regimes": one}),
    )  # fmt: skip
    rounds = [line["regimes"] for line in read_lines(lines)]
    times = measuring.medians(rounds)
    facts = {"machine": measuring.machine(), "model": base.model_id, "layer": block, "batch_size": 16}
    _write(arguments, "zo-speed", {**facts, "rounds": len(rounds), "regimes": times, **measuring.ratios(times)})


def memory(arguments: argparse.Namespace) -> None:
    again = ["--model", "default", "--data", str(arguments.sst2 / "train.tsv"), "--batch-size", "16", "--layer", "11"]
    found = measuring.peaks(measuring.command(again), arguments.regimes)
    _write(arguments, "zo-memory", {"machine": measuring.machine(), "peak_bytes": found})


def quality(arguments: argparse.Namespace) -> None:
    """One run a method, rate and seed, smallest useful unit first; one line in the results for each finished run."""
    data = _sst2(arguments.sst2)
    lines = arguments.results / "zo-quality.jsonl"
    runs = [
        (name, rate, seed)
        for which in range(arguments.tried)
        for seed in arguments.seeds
        for name, (_, *rates) in METHODS.items()
        if name in arguments.methods
        for rate in rates[which : which + 1]
    ]
    for name, rate, seed in runs:
        if any((run["method"], run["rate"], run["seed"], run["steps"]) == (name, rate, seed, arguments.steps)
               for run in read_lines(lines)):  # fmt: skip
            continue
        _append(lines, _quality_run(name, rate, seed, arguments, data))


def _quality_run(
    name: str, rate: float, seed: int, arguments: argparse.Namespace, data: tuple[list[Any], list[Any], list[Any]]
) -> dict[str, Any]:
    training, validation, dev = data
    model, tokenizer, base = _default(arguments)
    config = Config(
        layer=find_dominant_layer(model, tokenizer, CALIBRATION).layer, rate=rate, seed=seed, steps=arguments.steps,
        validate_every=arguments.validate_every,
    )  # fmt: skip
    config = regime(METHODS[name][0], config)
    if name == "mezo":
        config = replace(config, master=True)  # so that an interrupted run can go on
    folder = arguments.work / f"quality-{arguments.steps}-{name}-{rate:g}-{seed}"
    trainer = ZOTrainer(model, OptionChoice(tokenizer), config, base=base)
    told: dict[str, Any] = {"method": name, "rate": rate, "seed": seed, "steps": arguments.steps}
    try:
        result = trainer.fit(training, validation, folder, resume=_going(folder), on_progress=_tell(told))
    except Diverged as error:
        return {**told, "diverged": str(error), "machine": measuring.machine()}
    # The step with the lowest validation loss is what a user would get; the model holds the last one.
    fresh, _, _ = _default(arguments)
    if result.tuned is not None:
        result.tuned.apply(fresh)
    else:
        assert result.log is not None
        best = replay(result.log, fresh, upto=result.best_step)
        best.restore(tuned_parameters(fresh, None, "all"))
    plain = Config(layer=0, part="attention", cache_prefix="off", both_signs=False)
    trainer = ZOTrainer(fresh, OptionChoice(tokenizer), plain)
    loss, accuracy = trainer.evaluate(trainer.source(dev), len(dev))
    return {
        **told,
        "validations": [{k: v for k, v in asdict(x).items() if k != "seconds"} for x in result.validations],
        "best_step": result.best_step,
        "dev": {"examples": len(dev), "loss": loss, "accuracy": accuracy},
        "seconds": round(result.seconds, 1),
        "machine": measuring.machine(),
    }


def rates(arguments: argparse.Namespace) -> None:
    """What the curvature of the first batch allows, for each method and for each of LAYERS."""
    training, _, _ = _sst2(arguments.sst2)
    model, tokenizer, _ = _default(arguments)
    objective = OptionChoice(tokenizer)
    found: dict[str, float] = {}
    for name in ("mezo", "lora", *map(str, LAYERS)):
        config = regime(METHODS[name][0], Config(layer=11)) if name in METHODS else Config(layer=int(name))
        found[name] = suggest_rate(model, objective, replace(config, master=True), training)
        remove_lora(model.get_submodule("model.layers"))
    _write(arguments, "zo-rates", {"machine": measuring.machine(), "rates": found})


def layers(arguments: argparse.Namespace) -> None:
    """How much of the squared gradient each of LAYERS holds, as probes see it: the cheap form of the sweep."""
    training, _, _ = _sst2(arguments.sst2)
    model, tokenizer, base = _default(arguments)
    examples = encode_all(OptionChoice(tokenizer, one_pass=False), training[:16])
    rows = [example.rows[raw["label"]] for example, raw in zip(examples, training, strict=False)]
    trainer = ZOTrainer(model, OptionChoice(tokenizer), Config(layer=0))
    found = sensitivity(trainer.decoder, rows, probes=arguments.probes)
    total = sum(found)
    shares = [round(value / total, 4) for value in found]
    _write(arguments, "zo-layers", {"machine": measuring.machine(), "model": base.model_id, "probes": arguments.probes,
                              "squared_gradient": found, "share": shares})  # fmt: skip


def sweep_layers(arguments: argparse.Namespace) -> None:
    """Also a page that draws the losses above the activations: WORK/sweep-STEPS/sweep.html."""
    training, validation, _ = _sst2(arguments.sst2)
    model, tokenizer, base = _default(arguments)
    config = Config(layer=0, steps=arguments.steps, validate_every=max(1, arguments.steps // 4))
    out = arguments.work / f"sweep-{arguments.steps}"
    objective = OptionChoice(tokenizer)
    runs = _swept(arguments, model, base, objective, training, validation, config, out)
    runs.sort(key=lambda run: run["layer"])
    _write(arguments, "zo-sweep", {"machine": measuring.machine(), "model": base.model_id, "steps": arguments.steps,
                             "runs": runs})  # fmt: skip
    profile = find_dominant_layer(model, tokenizer, CALIBRATION)
    sweep_page(base.model_id, profile, runs, out / "sweep.html")


def corpus(arguments: argparse.Namespace) -> None:
    """Dominant against other layers on a corpus of answers to strategies' prompts."""
    training, held_out = read_jsonl(arguments.corpus), read_jsonl(arguments.held_out)
    model, tokenizer, base = _default(arguments)
    config = Config(layer=0, steps=arguments.steps, validate_every=max(1, arguments.steps // 4), batch_size=8)
    out = arguments.work / f"corpus-{arguments.steps}"
    objective = ResponseLoss(tokenizer, 2048)
    runs = _swept(arguments, model, base, objective, training, held_out, config, out)
    _write(arguments, "zo-corpus", {"machine": measuring.machine(), "model": base.model_id, "steps": arguments.steps,
                              "examples": len(training), "held_out": len(held_out), "runs": runs})  # fmt: skip


def _swept(
    arguments: argparse.Namespace, model: Any, base: Base, objective: Any, training: list[Any], held_out: list[Any],
    config: Config, out: Path,
) -> list[dict[str, Any]]:  # fmt: skip
    runs: list[dict[str, Any]] = []
    for layer in arguments.layers:
        tried = arguments.rates or [suggest_rate(model, objective, replace(config, layer=layer), training)]
        runs = sweep(model, base, objective, training, held_out, config, [layer], tried, out, print)
    return runs


def table(arguments: argparse.Namespace) -> None:
    """The quality runs of so many steps, at equal steps and at equal time, as Markdown; a line holds the seeds of one
    method and rate. Time is what a step costs in processor time on a CPU, wherever the run was computed."""
    costs = json.loads((arguments.results / "zo-speed.json").read_text())["regimes"]
    charged = {"dominant": "ours", "mezo": "mezo", "lora": "lora", "adamw": "adamw"}
    runs: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for run in read_lines(arguments.results / "zo-quality.jsonl"):
        if run["steps"] == arguments.steps:
            runs.setdefault((run["method"], run["rate"]), []).append(run)
    print("| | rate | seeds | best steps | validation loss | dev loss | dev accuracy, by seed | mean "
          "| in our time: step | validation loss |\n|---|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for name, rate in sorted(runs, key=lambda key: ([*charged].index(key[0]), -key[1])):
        every = runs[name, rate]
        held = sorted((run for run in every if "diverged" not in run), key=lambda run: run["seed"])
        apart = f"{len(every) - len(held)} came apart" if len(held) < len(every) else ""
        if not held:
            print(f"| {name} | {rate:g} | {apart} | | | | | | | |")
            continue
        allowed = arguments.steps * costs["ours"]["processor"] / costs[charged[name]]["processor"]
        near = allowed + held[0]["validations"][1]["step"] / 2  # the nearest validation counts
        timed = [min(v["loss"] for v in run["validations"] if v["step"] <= near) for run in held]
        best = [min(v["loss"] for v in run["validations"]) for run in held]
        dev = [run["dev"] for run in held]
        print(f"| {name} | {rate:g} | {len(held)}{', ' + apart if apart else ''} "
              f"| {', '.join(str(run['best_step']) for run in held)} | {fmean(best):.3f} "
              f"| {fmean(d['loss'] for d in dev):.3f} | {', '.join(format(d['accuracy'], '.1%') for d in dev)} "
              f"| {fmean(d['accuracy'] for d in dev):.1%} | {min(allowed, arguments.steps):.0f} "
              f"| {fmean(timed):.3f} |")  # fmt: skip


def _default(arguments: argparse.Namespace) -> tuple[Any, Any, Base]:
    found = ModelStore(Settings()).resolve("default")
    model, tokenizer = load(found.folder, device=arguments.device)
    remove_lora(model.get_submodule("model.layers"))
    return model, tokenizer, Base(found.model_id, found.sha256)


def _sst2(folder: Path) -> tuple[list[Any], list[Any], list[Any]]:
    rows = sst2(folder / "train.tsv")
    return rows[:TRAINING], rows[TRAINING : TRAINING + VALIDATION], sst2(folder / "dev.tsv")


def _going(folder: Path) -> bool:
    log = folder / LOG_NAME
    if log.exists() and SeedLog.load(log).result is not None:
        log.unlink()  # finished, its line not written
    return log.exists()


def _tell(told: dict[str, Any]) -> Any:
    def tell(progress: Any) -> None:
        if progress.validation:
            print(told, progress.step, progress.validation, f"{progress.seconds_left / 60:.0f} min left", flush=True)

    return tell


def _append(path: Path, value: Any) -> None:
    append_line(path, value)
    print(json.dumps(value), flush=True)


def _named(name: str, arguments: argparse.Namespace) -> str:
    return f"{name}{'' if arguments.device == 'cpu' else '-cuda'}.json"


def _write(arguments: argparse.Namespace, name: str, value: Any) -> None:
    (arguments.results / _named(name, arguments)).write_text(json.dumps(value, indent=1) + "\n")
    print(json.dumps(value, indent=1))


def _arguments() -> argparse.Namespace:
    def numbers(kind: Any) -> Any:
        return lambda text: [kind(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "part", choices=["locate", "speed", "memory", "rates", "quality", "layers", "sweep_layers", "corpus", "table"]
    )
    parser.add_argument("--sst2", type=Path, default=Path(os.environ.get("SST2", "data/sst2")))
    parser.add_argument("--work", type=Path, default=PROJECT_ROOT / "data/zo")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--validate-every", type=int, default=16)
    parser.add_argument("--probes", type=int, default=8)
    parser.add_argument("--seeds", type=numbers(int), default=[0, 1, 2])
    parser.add_argument("--tried", type=int, choices=(1, 2), default=2, help="rates of each method")
    parser.add_argument("--methods", type=numbers(str), default=[*METHODS])
    parser.add_argument("--layers", type=numbers(int), default=[*LAYERS])
    parser.add_argument("--regimes", type=numbers(str), default=[*REGIMES])
    parser.add_argument("--rates", type=numbers(float), help="of a sweep; what is measured for each block, without")
    return parser.parse_args()


if __name__ == "__main__":
    main()
