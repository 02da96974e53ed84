"""The search for a layer that the default model writes better with, as docs/tuned-model.md tells it.

    python -m benchmarks.tuning search --name NAME [--layer 29] [--objective response] [--steps 200] …
    python -m benchmarks.tuning runs
    python -m benchmarks.tuning data --out FOLDER     # what `search` learns and checks by, as `zo tune` takes it
    python -m benchmarks.tuning signal [--layer 29]   # gradient and curvature of each tensor of a block
    python -m benchmarks.tuning probe [--layer 29] [--part all]
    python -m benchmarks.tuning samples               # draws of the untuned model, for `search --against marked`
    python -m benchmarks.tuning scores NAME …         # losses and margins on all held-out examples
    python -m benchmarks.tuning loss --of NAME        # of the held-out answers, untuned and tuned

A run goes to data/bench/tuned/NAME and can be stopped and taken up again; what is finished adds a line to
benchmarks/results/tuned-runs.jsonl. What a run's layer writes is read with benchmarks/reading.py. The layer that ships
was learnt from draws graded by reading instead: benchmarks/drawn.py and benchmarks/graded.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from app.axes.scorer import MiniLM
from app.learn import corpus
from app.llm.local import LocalEngine, prompt_ids
from app.llm.store import ModelStore
from app.llm.types import Draw, Prompt
from app.settings import PROJECT_ROOT, Settings
from app.text import claims
from app.writing import candidates
from app.writing.candidates import Ask, Parent
from app.writing.revise import draw_seed
from app.zo import Base, Config, PreferenceMargin, ResponseLoss, ZOTrainer
from app.zo.layer import LOG_NAME, SeedLog, TunedLayer
from app.zo.loading import load
from app.zo.losses import Outcome, Packed
from app.zo.model import Plan
from app.zo.objective import Example, encode_all
from app.zo.rates import PROBE, SHARE
from app.zo.types import Diverged
from benchmarks.graded import Both
from benchmarks.lines import append_line, read_lines
from benchmarks.machine import machine

RESULTS = PROJECT_ROOT / "benchmarks/results"
RUNS = RESULTS / "tuned-runs.jsonl"
WORK = PROJECT_ROOT / "data/bench/tuned"
SAMPLES = WORK / "samples.jsonl"


def _turns() -> dict[str, list[corpus.Example]]:
    """The corpus by split; strategies take turns, so that any beginning of a list holds all of them."""
    turn: Counter[tuple[str, str]] = Counter()
    found: dict[str, list[tuple[int, corpus.Example]]] = {}
    for e in corpus.examples():
        key = (e.row.split, e.row.strategy)
        turn[key] += 1
        found.setdefault(e.row.split, []).append((turn[key], e))
    return {split: [e for _, e in sorted(of, key=lambda pair: pair[0])] for split, of in found.items()}


def examples(tokenizer: Any, split: str, against: str = "", unmarked: bool = False) -> list[dict[str, Any]]:
    """The corpus as objectives take it: the editor's own prompt, token by token, and what follows the prefill.

    `against` names what is to be the less likely: `other`, the answer to another paragraph under the same strategy and,
    where there is one, the same opening; or `marked`, a draw of the untuned model that the claim ledger marks, with
    one that it does not mark as the one to be learnt. With `unmarked` the reference answers that the ledger marks are
    left out. No end-of-text token is learnt: the editor ends an answer after its first sentence whatever the model
    would do.
    """
    turns = _turns()
    if against == "marked":
        return _draws(tokenizer, turns, split)
    ledger = _ledger() if unmarked else {}
    found = []
    for e in turns[split]:
        if not (unmarked and ledger[e.row.id]):
            raw = {"prompt_ids": prompt_ids(tokenizer, e.prompt), "end": False}
            if against:
                raw |= {"chosen": e.completion, "rejected": [_elsewhere(e, turns).completion]}
            else:
                raw["response"] = e.completion
            found.append(raw)
    return found


def _draws(tokenizer: Any, turns: Mapping[str, Sequence[corpus.Example]], split: str) -> list[dict[str, Any]]:
    """Of each example's draws those that the ledger does not mark against those that it does. Held-out topics are not
    drawn for: a quarter of the topics to train on is kept apart instead."""
    ledger, found = _ledger(), []
    for e in turns["train"]:
        if kept_apart(e.row.topic, 4) == (split == "held-out"):
            held, doubted = (
                [after(e.prompt, answer) for answer, bad in ledger.get(f"{e.row.id}/draws", []) if bad is is_bad]
                for is_bad in (False, True)
            )
            for n in range(max(len(held), len(doubted)) if held and doubted else 0):
                found.append({
                    "prompt_ids": prompt_ids(tokenizer, e.prompt), "end": False,
                    "chosen": held[n % len(held)], "rejected": [doubted[n % len(doubted)]],
                })  # fmt: skip
    return found


def kept_apart(topic: str, one_in: int) -> bool:
    """About one in so many of the topics to train on is not trained on, but checked by; always the same ones."""
    return zlib.crc32(topic.encode()) % one_in == 0


def after(prompt: Prompt, answer: str) -> str:
    """What is learnt of an answer: what follows the prefill."""
    return answer[len(prompt.prefill.rstrip()) :]


def _elsewhere(e: corpus.Example, turns: Mapping[str, Sequence[corpus.Example]]) -> corpus.Example:
    """The next example of the strategy on another paragraph; if possible with its opening and of its split."""
    every = [*turns["train"], *turns["held-out"]]
    at = every.index(e)
    alike = [o for o in (*every[at + 1 :], *every[:at]) if o.row.strategy == e.row.strategy]
    return min(
        (o for o in alike if o.row.topic != e.row.topic),
        key=lambda o: (_opening(o) != _opening(e), o.row.split != e.row.split),
    )


def _opening(e: corpus.Example) -> str:
    return corpus.template(e.row.prefill, e.asked.strategy, e.parent)


def _ledger() -> dict[str, Any]:
    """Whether the claim ledger marks an example's answer; and of its draws (`ID/draws`) each that the editor would
    show, with whether it is marked. Kept on disk."""
    path = WORK / "ledger.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    drawn = {line["id"]: line["answers"] for line in read_lines(SAMPLES)}
    every = corpus.examples()
    missing = [e for e in every if e.row.id not in known or (e.row.id in drawn and f"{e.row.id}/draws" not in known)]
    if missing:
        meaning = MiniLM(ModelStore(Settings()).minilm_folder())
        for e in missing:
            known[e.row.id] = marked(e.row.answer, e.asked, e.parent, meaning)
            if e.row.id in drawn:
                shown = dict.fromkeys(answer for answer, reason in drawn[e.row.id] if reason is None)
                known[f"{e.row.id}/draws"] = [[a, marked(a, e.asked, e.parent, meaning)] for a in shown]
        path.write_text(json.dumps(known))
    return known


def marked(answer: str, asked: Ask, parent: Parent, meaning: MiniLM) -> bool:
    """Whether the claim ledger finds something in the answer, spliced in, that the paragraph does not bear out."""
    text = candidates.splice(answer, asked, parent, meaning)
    return bool(claims.unsupported(text, asked.ground(parent).split("\n"), meaning.encode))


class Chosen(PreferenceMargin):
    """The loss of the chosen answer alone, of the same examples: the frozen blocks' output is then the same file."""

    name = "response"

    def loss(self, example: Example, scores: Sequence[torch.Tensor]) -> torch.Tensor:
        return -scores[0].mean()

    def right(self, example: Example, scores: Sequence[torch.Tensor]) -> bool | None:
        return None


OBJECTIVES = {"response": ResponseLoss, "chosen": Chosen, "preference": PreferenceMargin, "both": Both}


class Short(Packed):
    """Probes read the log-probabilities among a shortlist of tokens: of a step through the last block, nine tenths are
    products with the vocabulary. Validation reads all."""

    shortlist: torch.Tensor | None = None

    def both(self, prepared: tuple[Sequence[int], Plan, torch.Tensor]) -> tuple[Outcome, Outcome]:
        if self.shortlist is None:
            return super().both(prepared)
        chosen, plan, hidden = prepared
        wanted = plan.wanted.clone()
        wanted[:, 1] = torch.searchsorted(self.shortlist, wanted[:, 1].contiguous())
        whole, self._decoder.head = self._decoder.head, self._head
        try:
            return super().both((chosen, replace(plan, wanted=wanted), hidden))
        finally:
            self._decoder.head = whole

    @torch.no_grad()
    def shorten(self, likeliest: int) -> None:
        """All tokens to be learnt, and the untuned model's likeliest at each place where one is."""
        decoder = self._decoder
        known = {token for row in self.tree.rows for token in row.targets}
        for start in range(0, len(self._examples), 18):
            _, plan, hidden = self.prepare(range(start, min(start + 18, len(self._examples))))
            last = decoder.run(hidden, plan, self._first, half=self._half)[0]
            logits = decoder.head(decoder.model.model.norm(last))
            known.update(logits.topk(likeliest).indices.flatten().tolist())
        self.shortlist = torch.tensor(sorted(known))
        self._head = torch.nn.Linear(decoder.hidden, len(known), bias=False)
        self._head.weight = torch.nn.Parameter(decoder.head.weight[self.shortlist].clone(), requires_grad=False)


class Runner(ZOTrainer):
    """Keeps what the frozen blocks give on disk: runs that begin at the same block share it."""

    likeliest = 0
    """Set before `fit`; its first source is the one to train on."""

    def source(self, raws: Sequence[Mapping[str, Any]]) -> Packed:
        encoded = encode_all(self.objective, raws)
        packed = Short(self.decoder, self.objective, encoded, self.config, self._first, self._twins or None)
        rows = hashlib.sha256(repr([row.ids for example in encoded for row in example.rows]).encode()).hexdigest()[:12]
        half, packed._half = packed._half, False
        earlier = [n for n in range(self._first, 0, -1) if (WORK / f"prefix-{n}-{rows}.pt").exists()]
        if earlier:
            packed.cache = torch.load(WORK / f"prefix-{earlier[0]}-{rows}.pt", mmap=True)
            if earlier[0] < self._first:
                self._onwards(packed, earlier[0])
        else:
            packed.fill()
        if not earlier or earlier[0] < self._first:
            torch.save(packed.cache, WORK / f"prefix-{self._first}-{rows}.pt")
        if half:
            self._attend(packed)
        if isinstance(self.objective, Chosen):
            packed._rows_of = [rows_of[:1] for rows_of in packed._rows_of]
            packed._examples = [replace(example, rows=example.rows[:1]) for example in packed._examples]
        if self.likeliest:
            packed.shorten(self.likeliest)
            print(f"shortlist of {len(packed.shortlist)} tokens", flush=True)
            self.likeliest = 0
        return packed

    @torch.no_grad()
    def _onwards(self, packed: Short, block: int) -> None:
        """What is kept for an earlier block, through the frozen blocks from there to the tuned one."""
        assert packed.cache is not None
        onwards = torch.empty_like(packed.cache)
        for rows in packed._pieces():
            plan = self.decoder.plan(packed.tree, rows)
            onwards[plan.nodes] = self.decoder.run(
                packed.cache[plan.nodes][None], plan, block, self._first, whole=True
            )[0]
        packed.cache = onwards

    @torch.no_grad()
    def _attend(self, packed: Short) -> None:
        """From the block's input to what its MLP takes."""
        assert packed.cache is not None
        attended = torch.empty_like(packed.cache)
        for rows in packed._pieces():
            plan = self.decoder.plan(packed.tree, rows)
            attended[plan.nodes] = self.decoder.attend(self._first, packed.cache[plan.nodes][None], plan)[0]
        packed.cache, packed._half = attended, True


def search(given: argparse.Namespace) -> None:
    if any(run["name"] == given.name for run in read_lines(RUNS)):
        return
    found = ModelStore(Settings()).resolve("default")
    model, tokenizer = load(found.folder)
    config = Config(
        layer=given.layer, part=given.part, method=given.method, noise=given.noise, steps=given.steps,
        batch_size=given.batch, queries=given.queries, rate=given.rate or 1.0, schedule=given.schedule,
        epsilon=given.epsilon, seed=given.seed, validate_every=given.every, patience=given.patience,
        both_signs=given.method == "zo",
    )  # fmt: skip
    folder = WORK / given.name
    WORK.mkdir(parents=True, exist_ok=True)
    objective = OBJECTIVES[given.objective](tokenizer)
    against = "" if given.objective == "response" else given.against
    training = examples(tokenizer, "train", against, given.unmarked)[: given.examples]
    checked = examples(tokenizer, "held-out", against, given.unmarked)
    if given.rate is None:
        runner = Runner(model, objective, config)
        runner.likeliest = given.shortlist
        _, trace = _curvature(runner, runner.batch(runner.source(training), len(training), 0), PROBE, 5)
        config = replace(config, rate=float(f"{SHARE / trace:.2g}"))
        print(f"{given.name}: {len(training)} examples, {len(checked)} to check by; rate {config.rate:g}", flush=True)
    trainer = Runner(model, objective, config, base=Base(found.model_id, found.sha256))
    trainer.likeliest = given.shortlist
    began = time.monotonic()

    def tell(progress: Any) -> None:
        if progress.validation or progress.step % 20 == 0:
            checked = f" held out {progress.validation.loss:.4f}" if progress.validation else ""
            print(f"{given.name} {progress.step} {progress.loss:.4f}{checked} {time.monotonic() - began:.0f} s "
                  f"({progress.seconds_left:.0f} left)", flush=True)  # fmt: skip

    resume = (folder / LOG_NAME).exists() and SeedLog.load(folder).result is None
    told: dict[str, Any] = {
        "name": given.name, "objective": given.objective, "against": against, "unmarked": given.unmarked,
        "examples": len(training), "checked": len(checked), "shortlist": given.shortlist, "config": config.as_json(),
        "machine": machine(),
    }  # fmt: skip
    try:
        result = trainer.fit(
            training,
            checked,
            folder,
            resume=resume,
            on_progress=tell,
        )
    except Diverged as error:
        append_line(RUNS, {**told, "diverged": str(error)})
        return
    gradients = torch.tensor(result.log.gradients if result.log else [])
    append_line(RUNS, {
        **told,
        **result.as_json(),
        "validations": [asdict(v) for v in result.validations],
        "gradient_rms": round(float(gradients.square().mean().sqrt()), 3) if gradients.numel() else None,
        "by_part": {k: round(v, 1) for k, v in trainer.clock.seconds.items()},
    })  # fmt: skip


def loss(given: argparse.Namespace) -> None:
    """Of the held-out answers, base against a run's layer, with a 95 % interval from resampled examples."""
    found = ModelStore(Settings()).resolve("default")
    model, tokenizer = load(found.folder)
    layer = TunedLayer.load(WORK / given.of)
    config = Config(layer=layer.layers[0], part="all", both_signs=False)
    runner = Runner(model, ResponseLoss(tokenizer), config, base=Base(found.model_id, found.sha256))
    held_out = examples(tokenizer, "held-out")
    source = runner.source(held_out)

    def each() -> list[float]:
        with torch.no_grad():
            return [source.outcome(source.prepare([i])).loss for i in range(len(held_out))]

    before = each()
    with layer.on(model):
        after = each()
    gains = np.array(before) - np.array(after)
    drawn = np.random.default_rng(0).choice(gains, (2000, len(gains))).mean(axis=1)
    told = {
        "machine": machine(), "tuned_id": layer.tuned_id, "examples": len(gains), "base": mean(before),
        "tuned": mean(after), "gain": float(gains.mean()), "interval": np.quantile(drawn, (0.025, 0.975)).tolist(),
        "better_of_examples": int((gains > 0).sum()),
    }  # fmt: skip
    (RESULTS / f"tuned-loss-{given.of}.json").write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))


def data(given: argparse.Namespace) -> None:
    """The corpus, train.jsonl and held-out.jsonl."""
    _, tokenizer = load(ModelStore(Settings()).resolve("default").folder)
    given.out.mkdir(parents=True, exist_ok=True)
    for split in ("train", "held-out"):
        lines = [json.dumps(one) + "\n" for one in examples(tokenizer, split)]
        (given.out / f"{split}.jsonl").write_text("".join(lines))


def signal(given: argparse.Namespace) -> None:
    """What a zeroth-order step has to go by in each tensor of a block: the squared gradient that two halves of the
    training examples share (their inner product), what one half has alone, and tr H by second differences."""
    found = ModelStore(Settings()).resolve("default")
    model, tokenizer = load(found.folder)
    training, held_out = examples(tokenizer, "train")[: given.examples], examples(tokenizer, "held-out")
    objective = ResponseLoss(tokenizer)
    exact = Runner(model, objective, Config(layer=given.layer, method="adamw", both_signs=False))
    source, other = exact.source(training), exact.source(held_out)
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(len(training), generator=generator).tolist()
    halves = [_gradients(exact, source, order[i::2]) for i in (0, 1)]
    unseen = _gradients(exact, other, range(len(held_out)))
    for tensor in exact.tensors.values():
        tensor.requires_grad_(False)
    probing = Runner(model, objective, Config(layer=given.layer, batch_size=16))
    source = probing.source(training)
    batch = source.prepare(order[:16])
    assert probing.master is not None
    every, size = probing.master.values, 1e-2
    with torch.no_grad():
        here = source.outcome(batch).loss / 16
        for name in every:
            probing.master.values = {name: every[name]}
            curvatures = []
            for query in range(3):
                probing.master.probe(probing.tensors, 0, query, size)
                probing.master.probe(probing._twin_tensors, 0, query, -size)
                sides = sum(outcome.loss / 16 for outcome in source.both(batch))
                curvatures.append((sides - 2 * here) / size**2)
            for tensors in (probing.tensors, probing._twin_tensors):
                tensors[name].copy_(every[name])
            a, b, c = (gradients[name] for gradients in (*halves, unseen))
            append_line(RESULTS / "tuned-signal.jsonl", {
                "tensor": name, "numbers": a.numel(), "examples": len(training),
                "half": float((a * a).sum() + (b * b).sum()) / 2, "shared": float((a * b).sum()),
                "shared_with_held_out": float(((a + b) / 2 * c).sum()), "trace": mean(curvatures),
            })  # fmt: skip


def probe(given: argparse.Namespace) -> None:
    """Squared projected gradient and curvature of one batch along random directions, for a block's part."""
    model, tokenizer = load(ModelStore(Settings()).resolve("default").folder)
    training = examples(tokenizer, "train")[: given.examples]
    runner = Runner(model, ResponseLoss(tokenizer), Config(layer=given.layer, part=given.part, batch_size=16))
    batch = runner.batch(runner.source(training), len(training), 0)
    for size in (1e-3, PROBE):
        began = time.process_time()
        squares, trace = _curvature(runner, batch, size, given.probes)
        spent = (time.process_time() - began) / (given.probes + 1)
        print(f"block {given.layer}, {given.part}, probes of {size:g}: g2 {squares:.3g}, tr H {trace:.4g}, "
              f"gain a step {squares / 2 / trace:.3g}, processor {spent:.2f} s")  # fmt: skip


def _curvature(runner: Runner, batch: Any, size: float, probes: int) -> tuple[float, float]:
    """Mean squared projected gradient and mean z'Hz, as app/zo/rates.py measures them; the model is left as it was."""
    here, _ = runner._probe(batch, 0, 0, 0.0)
    sides = [runner._probe(batch, query, 0, size) for query in range(probes)]
    runner.restore()
    squares = mean(((plus - minus) / 2 / size) ** 2 for plus, minus in sides)
    return squares, mean(abs(plus + minus - 2 * here) / size**2 for plus, minus in sides)


def scores(given: argparse.Namespace) -> None:
    """Of runs' layers, on what `search --unmarked --against other` and `--against marked` check by: loss of the chosen
    and of the rejected, their margin, and the share above 0. To results/tuned-scores.jsonl."""
    model, tokenizer = load(ModelStore(Settings()).resolve("default").folder)
    layers = [(name, TunedLayer.load(WORK / name)) for name in given.names]
    first = min(layer.layers[0] for _, layer in layers)
    runner = Runner(model, PreferenceMargin(tokenizer), Config(layer=first, both_signs=False))
    sources = {kind: runner.source(examples(tokenizer, "held-out", kind, True)) for kind in ("other", "marked")}

    def each(source: Packed) -> np.ndarray:
        """(examples, 2): mean log-probability of the chosen and of the rejected."""
        count, values = len(source._examples), []
        with torch.no_grad():
            for start in range(0, count, 9):
                _, plan, hidden = source.prepare(range(start, min(start + 9, count)))
                values += [float(row.mean()) for row in source._scores(plan, hidden, None)[0]]
        return np.array(values).reshape(count, 2)

    def told(name: str) -> None:
        line: dict[str, Any] = {"name": name}
        for kind, source in sources.items():
            both = each(source)
            margins = both[:, 0] - both[:, 1]
            line[kind] = {
                "count": len(both), "loss": round(-float(both[:, 0].mean()), 4),
                "rejected": round(-float(both[:, 1].mean()), 4), "margin": round(float(margins.mean()), 4),
                "above": round(float((margins > 0).mean()), 4),
            }  # fmt: skip
        append_line(RESULTS / "tuned-scores.jsonl", line)
        print(line, flush=True)

    told("base")
    for name, layer in layers:
        with layer.on(model):
            told(name)


def _gradients(trainer: ZOTrainer, source: Packed, chosen: Sequence[int]) -> dict[str, torch.Tensor]:
    for tensor in trainer.tensors.values():
        tensor.grad = None
    for start in range(0, len(chosen), 9):
        piece = chosen[start : start + 9]
        loss = source.mean_loss(source.prepare(piece)) * (len(piece) / len(chosen))
        loss.backward()  # type: ignore[no-untyped-call]
    return {name: tensor.grad.clone() for name, tensor in trainer.tensors.items() if tensor.grad is not None}


def runs(given: argparse.Namespace) -> None:
    print("| run | learnt | block, part | rate | batch | steps | loss before | best (step) | last | s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for run in read_lines(RUNS):
        c, checks = run["config"], run.get("validations")
        learnt = f"{run.get('objective', 'response')}, {run['examples']}{' unmarked' if run.get('unmarked') else ''}"
        rate = f"{'AdamW ' if c['method'] == 'adamw' else ''}{c['rate']:g} {c['schedule']}"
        head = f"| {run['name']} | {learnt} | {c['layer']}, {c['part']} | {rate} | {c['batch_size']} "
        if not checks:
            print(f"{head}| | | diverged | | |")
            continue
        best = min(checks, key=lambda v: v["loss"])
        steps = f"{run['steps']} of {c['steps']}" if run["steps"] < c["steps"] else run["steps"]
        print(f"{head}| {steps} | {checks[0]['loss']:.4f} | {best['loss']:.4f} ({best['step']}) "
              f"| {checks[-1]['loss']:.4f} | {run['seconds']:.0f} |")  # fmt: skip


def written(engine: LocalEngine, draws: Sequence[Draw]) -> list[tuple[str, Any]]:
    """For each draw the answer, as the editor tidies it, and why it ended."""
    texts: list[str] = [""] * len(draws)
    finishes: list[Any] = [None] * len(draws)
    for chunk in engine.stream(draws, threading.Event()) if draws else ():
        texts[chunk.index] += chunk.text
        finishes[chunk.index] = chunk.finish
    return [(candidates.tidy(text), finish) for text, finish in zip(texts, finishes, strict=True)]


def samples(given: argparse.Namespace) -> None:
    """Four draws of the untuned model for each of the first training examples, to SAMPLES, each with
    the reason for which the editor would drop it, if any."""
    engine = LocalEngine(ModelStore(Settings()), dtype="float32")
    done = {line["id"] for line in read_lines(SAMPLES)}
    order = sorted(_turns()["train"][: given.first], key=lambda e: e.row.strategy)
    left = [(n, e) for n, e in enumerate(order) if e.row.id not in done]
    for start in range(0, len(left), 4):
        batch = [(n, e, turn) for n, e in left[start : start + 4] for turn in range(4)]
        draws = [Draw(e.prompt, draw_seed(n, 1, turn), e.asked.sampling, None) for n, e, turn in batch]
        answers = written(engine, draws)
        for _, e in left[start : start + 4]:
            found = []
            for (_, other, _), (answer, finish) in zip(batch, answers, strict=True):
                if other is e:
                    found.append([answer, candidates.degenerate(answer, e.asked, e.parent, finish)])
            append_line(SAMPLES, {"id": e.row.id, "answers": found})
        print(start, len(left), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    one = parts.add_parser("search")
    one.set_defaults(run=search)
    one.add_argument("--name", required=True)
    one.add_argument("--layer", type=int, default=29)
    one.add_argument("--part", default="all")
    one.add_argument("--shortlist", type=int, default=0, help="probes read so many likeliest tokens a place; 0: all")
    one.add_argument("--examples", type=int, help="the first so many; all without")
    one.add_argument("--method", default="zo")
    one.add_argument("--noise", default="rademacher")
    one.add_argument("--steps", type=int, default=200)
    one.add_argument("--batch", type=int, default=16)
    one.add_argument("--queries", type=int, default=1)
    one.add_argument("--rate", type=float, help="a sixth of what the curvature of the first batch allows, without")
    one.add_argument("--objective", choices=OBJECTIVES, default="response")
    one.add_argument("--against", choices=("other", "marked"), default="other")
    one.add_argument("--unmarked", action="store_true", help="only answers that the claim ledger does not mark")
    one.add_argument("--schedule", default="constant")
    one.add_argument("--epsilon", type=float, default=1e-3)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--every", type=int, default=50)
    one.add_argument("--patience", type=int, default=0)
    parts.add_parser("runs").set_defaults(run=runs)
    one = parts.add_parser("data")
    one.set_defaults(run=data)
    one.add_argument("--out", type=Path, required=True)
    one = parts.add_parser("loss")
    one.set_defaults(run=loss)
    one.add_argument("--of", required=True, help="a run's name")
    for part in (signal, probe):
        one = parts.add_parser(part.__name__)
        one.set_defaults(run=part)
        one.add_argument("--layer", type=int, default=29)
        one.add_argument("--examples", type=int, default=162)
        if part is probe:
            one.add_argument("--part", default="all")
            one.add_argument("--probes", type=int, default=5)
    one = parts.add_parser("samples")
    one.set_defaults(run=samples)
    one.add_argument("--first", type=int, default=108)
    one = parts.add_parser("scores")
    one.set_defaults(run=scores)
    one.add_argument("names", nargs="+", help="of runs")
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
