"""What is wrong is named, with what mends it; nothing is filtered away."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from jinja2 import TemplateError

from app.zo.layer import DELTA_NAME, LOG_NAME, SeedLog, TunedLayer
from app.zo.master import rebuilt
from app.zo.objective import CallableObjective, OptionChoice, ResponseLoss, encode_all, read_jsonl, sst2
from app.zo.sweep import RUNS_NAME, sweep
from app.zo.trainer import ZOTrainer
from app.zo.types import BadData, Base, Config, Diverged, Tampered, WrongBase, ZOError
from tests.zo.conftest import tiny

BASE = Config(layer=1, steps=4, batch_size=8, rate=1e-3, validate_every=2)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        *[({name: value}, name) for name in ("rate", "epsilon") for value in (0, -1e-3, float("nan"), float("inf"))],
        *[({name: value}, "float32") for name in ("rate", "epsilon") for value in (1e-300, 1e300)],
        ({"steps": 0}, "steps"),
        ({"batch_size": -1}, "batch_size"),
        ({"layer": "first"}, "dominant"),
        ({"layer": -1}, "counted from 0"),
        ({"layer": ()}, "counted from 0"),
        ({"part": "head"}, "mlp"),
        ({"layer": "all"}, "both_signs"),
        ({"packed": False}, "cache_prefix"),
        ({"master": False}, "master"),
    ],
    ids=str,
)
def test_a_config_that_cannot_be_right_is_refused_before_a_model_is_loaded(wrong, told):
    with pytest.raises(ZOError, match=told):
        Config(**wrong)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no examples"),
        ('{"prompt": "a", "response": "b"}\n{broken', "line 2"),
        ('{"prompt": "a", "response": "b"}\n\n[1]', "line 3"),
        ('{"prompt": "a", "response": "b"}\n{"prompt": "a"}', 'line 2: "response"'),
        ('{"prompt": "", "response": "b"}', 'line 1: "prompt"'),
        (f'{{"prompt": "a", "response": "{"b" * 300}"}}', "line 1: it has 302 tokens and the limit is 200"),
        ('{"prompt_ids": [1, "x"], "response": "b"}', "line 1"),
        ('{"prompt_ids": [1, true], "response": "b"}', "line 1"),
        ("[" * 100_000, "line 1: .*nested"),
        (f'{{"prompt": "a", "response": "b", "n": {"9" * 5000}}}', "line 1: too long a number"),
        (r'{"prompt": "a \ud800", "response": "b"}', "line 1: half a character"),
        ('{"messages": [], "response": "b"}', 'line 1: "messages" must'),
        ('{"messages": [{"role": "user", "content": "a"}], "response": "b"}', "chat template"),
    ],
)
def test_bad_lines_are_named(tmp_path, letters, text, told):
    path = tmp_path / "data.jsonl"
    path.write_text(text)
    with pytest.raises(BadData, match=told):
        encode_all(ResponseLoss(letters, max_tokens=200), read_jsonl(path))


def test_lines_end_as_files_have_them_and_not_as_texts_may(tmp_path):
    for end in ("\u2028", "\x85"):
        (tmp_path / "x.jsonl").write_text(f'\ufeff{{"prompt": "a{end}b", "response": "c"}}\r\n', "utf-8")
        assert [raw["prompt"] for raw in read_jsonl(tmp_path / "x.jsonl")] == [f"a{end}b"]
        (tmp_path / "x.tsv").write_text(f"a{end}b\t1\n{'long ' * 40_000}\t0\n", "utf-8")
        assert [raw["label"] for raw in sst2(tmp_path / "x.tsv")] == [1, 0]


@pytest.mark.parametrize("name", ["prompt_ids", "response_ids"])
def test_a_token_that_the_model_lacks_is_named(letters, name):
    rows = [{"prompt_ids": [1], "response_ids": [2]}, {"prompt_ids": [1], "response_ids": [2], name: [10**30]}]
    with pytest.raises(BadData, match="Example 2: token 1000000000000000000000000000000 is none of the model's"):
        ZOTrainer(tiny(), ResponseLoss(letters), replace(BASE, batch_size=2)).fit(rows)


def test_messages_that_the_chat_template_refuses_are_named():
    class Refusing:
        chat_template, eos_token_id = "{{ raise_exception('roles must alternate') }}", 0

        def apply_chat_template(self, *_, **__):
            raise TemplateError("roles must alternate")

    raw = {"messages": [{"role": "user", "content": "a"}], "response": "b"}
    with pytest.raises(BadData, match=r"Example 1: .*roles must alternate"):
        encode_all(ResponseLoss(Refusing()), [raw])


def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadData, match="UTF-8"):
        read_jsonl(tmp_path / "x.jsonl")
    with pytest.raises(ZOError, match="No such file"):
        read_jsonl(tmp_path / "nothing.jsonl")
    (tmp_path / "x.tsv").write_text("good film\t1\nbad film\n")
    with pytest.raises(BadData, match="line 2"):
        sst2(tmp_path / "x.tsv")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"options": ["a"]}, "two"),
        ({"label": 2}, "label"),
        ({"label": True}, "label"),
        ({"options": ["a", "a"]}, "same"),
    ],
)
def test_options_that_cannot_be_right(letters, change, told):
    with pytest.raises(BadData, match=f"Example 1.*{told}"):
        encode_all(OptionChoice(letters), [{"prompt": "x", "options": ["a", "b"], "label": 0, **change}])


def test_labels_of_several_tokens_get_a_row_each(letters, choices):
    rows = [{**raw, "options": ["bad", "good"]} for raw in choices]
    assert len(OptionChoice(letters).encode(rows[0]).rows) == 2
    assert ZOTrainer(tiny(), OptionChoice(letters), BASE).fit(rows, rows[:4]).steps == 4


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_log(letters, choices, tmp_path):
    model = tiny()
    trainer = ZOTrainer(model, OptionChoice(letters), BASE)

    def poison(progress):
        if progress.step == 2:
            with torch.no_grad():
                next(iter(trainer.master.values.values())).fill_(float("nan"))

    with pytest.raises(Diverged, match=r"step 2.*nan"):
        trainer.fit(choices, out=tmp_path, on_progress=poison)
    assert len(SeedLog.load(tmp_path).gradients) == 2


def test_a_validation_that_is_no_number_stops_the_run(letters):
    class Unreadable(OptionChoice):
        """The second label's loss overflows."""

        def loss(self, example, scores):
            return super().loss(example, scores) * (torch.inf if example.label else 1)

    rows = [{"prompt": f"abc{i}", "options": ["a", "b"], "label": 0} for i in range(8)]
    with pytest.raises(Diverged, match="validate by the loss is inf"):
        ZOTrainer(tiny(), Unreadable(letters), BASE).fit(rows, [{**rows[0], "label": 1}])


def test_a_loss_that_leaves_its_beginning_far_behind_stops_the_run():
    """The functions of ones own see every probe: two calls a step."""
    calls = []

    def growing(model, batch):
        calls.append(1)
        return 1.0 + len(calls) % 2 * 1e-3 + (8.0 if len(calls) > 60 else 0.0)

    config = replace(BASE, steps=300, both_signs=False, packed=False, cache_prefix="off")
    with pytest.raises(Diverged, match=r"rate 0\.001 is too large"):
        ZOTrainer(tiny(), CallableObjective(growing), config).fit([{}] * 8)
    assert len(calls) < 120


def test_a_run_that_gets_no_better_stops_when_patience_ends():
    config = replace(BASE, steps=50, validate_every=1, patience=2, both_signs=False, packed=False, cache_prefix="off")
    result = ZOTrainer(tiny(), CallableObjective(lambda model, batch: 1.0), config).fit([{}] * 8, [{}] * 8)
    assert (result.steps, result.best_step, result.stopped) == (2, 0, "early")


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [1, 1, 1, 1]),
        ("linear", [1, 0.75, 0.5, 0.25]),
        ("cosine", [1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]),
    ],
)
def test_the_rate_goes_as_its_schedule_says(schedule, rates):
    config = Config(steps=4, rate=1.0, schedule=schedule)
    assert [config.learning_rate(step) for step in range(4)] == pytest.approx(rates)


def test_a_collapsed_loss_stops_the_run(letters):
    config = replace(BASE, both_signs=False, packed=False, cache_prefix="off")
    with pytest.raises(Diverged, match="collapsed"):
        ZOTrainer(tiny(), CallableObjective(lambda model, batch: 0.0), config).fit([{}] * 8)


def test_the_wrong_base_and_a_tampered_file_are_refused(letters, choices, tmp_path):
    base = Base("tiny", "a" * 64)
    ZOTrainer(tiny(), OptionChoice(letters), BASE, base=base).fit(choices, out=tmp_path)
    tuned = TunedLayer.load(tmp_path)
    with pytest.raises(WrongBase, match="tiny"):
        tuned.verify("b" * 64)
    with pytest.raises(WrongBase):
        tuned.apply(tiny(seed=1))  # the same shape, other values
    with pytest.raises(WrongBase, match="shape"):
        tuned.apply(tiny(intermediate_size=48))
    model = tiny()
    tuned.apply(model)
    with pytest.raises(WrongBase):
        tuned.apply(model)  # on already
    with pytest.raises(WrongBase):
        rebuilt(tiny(), "b" * 64, tmp_path)
    with pytest.raises(WrongBase):
        rebuilt(tiny(seed=1), base.sha256, tmp_path)
    for name, at in ((DELTA_NAME, -5), (LOG_NAME, -3), (LOG_NAME, 60), (DELTA_NAME, 300)):
        data = bytearray((tmp_path / name).read_bytes())
        data[at] ^= 1
        changed = tmp_path / f"changed{at}" / name
        changed.parent.mkdir()
        changed.write_bytes(data)
        with pytest.raises(Tampered):
            (TunedLayer if name == DELTA_NAME else SeedLog).load(changed)
    with pytest.raises(ZOError, match="can't be read"):
        TunedLayer.load(tmp_path / "nothing")


def test_a_finished_or_another_run_is_not_written_over(letters, choices, tmp_path):
    def trainer(config=BASE):
        return ZOTrainer(tiny(), OptionChoice(letters), config)

    trainer().fit(choices, out=tmp_path)
    with pytest.raises(ZOError, match="there already"):
        trainer().fit(choices, out=tmp_path)
    with pytest.raises(ZOError, match="finished"):
        trainer().fit(choices, out=tmp_path, resume=True)
    with pytest.raises(ZOError, match="no run to resume"):
        trainer().fit(choices, out=tmp_path / "new", resume=True)
    log = SeedLog.load(tmp_path)
    replace(log, result=None).save(tmp_path / LOG_NAME)
    with pytest.raises(ZOError, match="another config"):
        trainer(replace(BASE, rate=1e-4)).fit(choices, out=tmp_path, resume=True)


def test_memory_errors_say_how_much_and_what_helps():
    from app.zo.losses import memory_errors

    with pytest.raises(ZOError, match=r"76,293,945,312 MiB more.*--cache-prefix batch"), memory_errors():
        torch.empty(20_000_000_000_000_000)
    with pytest.raises(RuntimeError, match="other"), memory_errors():
        raise RuntimeError("other")


def test_dry_run_tells_time_and_memory_and_changes_nothing(letters, choices, build):
    model = build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trainer = ZOTrainer(model, OptionChoice(letters), BASE)
    forecast = trainer.dry_run(choices, choices[:4])
    assert forecast.step_seconds > 0
    assert forecast.total_seconds >= 4 * forecast.step_seconds
    assert forecast.master_bytes == forecast.twin_bytes == 4 * sum(t.numel() for t in trainer.tensors.values())
    assert forecast.log_bytes == 16
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_files_hold_no_code(letters, choices, tmp_path):
    ZOTrainer(tiny(), OptionChoice(letters), BASE).fit(choices, out=tmp_path)
    head, _, body = (tmp_path / LOG_NAME).read_bytes().partition(b"\n")
    assert json.loads(head)["format"] == "zo-seed-log/1"
    assert len(body) == 4 * BASE.steps
    delta = (tmp_path / DELTA_NAME).read_bytes()
    start = 8 + int.from_bytes(delta[:8], "little")  # safetensors: a length, JSON of that length, numbers
    tensors = {name: facts for name, facts in json.loads(delta[8:start]).items() if name != "__metadata__"}
    assert {facts["dtype"] for facts in tensors.values()} == {"F16"}
    assert len(delta) - start == 2 * sum(math.prod(facts["shape"]) for facts in tensors.values()), "and nothing else"


def test_two_runs_never_write_to_one_folder(letters, choices, tmp_path):
    def second(progress):
        with pytest.raises(ZOError, match="Another run is writing"):
            ZOTrainer(tiny(), OptionChoice(letters), BASE).fit(choices, out=tmp_path, resume=True)

    ZOTrainer(tiny(), OptionChoice(letters), BASE).fit(choices, out=tmp_path, on_progress=second)
    assert len(SeedLog.load(tmp_path).gradients) == BASE.steps


def test_a_run_goes_on_from_files_that_were_cut_in_the_midst_of_a_line(letters, choices, tmp_path):
    def stop(progress):
        if progress.step == 3:
            raise KeyboardInterrupt

    def trainer():
        return ZOTrainer(tiny(), OptionChoice(letters), BASE)

    with pytest.raises(KeyboardInterrupt):
        trainer().fit(choices, choices[:4], tmp_path / "cut", on_progress=stop)
    for name in (LOG_NAME, "progress.jsonl"):
        with (tmp_path / "cut" / name).open("ab") as file:
            file.write(b'{"')
    resumed = trainer().fit(choices, choices[:4], tmp_path / "cut", resume=True)
    assert resumed.log.gradients == trainer().fit(choices, choices[:4], tmp_path / "whole").log.gradients


def test_a_sweep_goes_on_from_a_list_that_was_cut(letters, choices, tmp_path):
    def run(layers=(0, 1), rates=(1e-3,)):
        data = (OptionChoice(letters), choices, choices[:4])
        return sweep(tiny(), Base("tiny", ""), *data, replace(BASE, steps=2), layers, rates, tmp_path)

    whole = run()
    runs = tmp_path / RUNS_NAME
    runs.write_text(runs.read_text()[:-20] + '\n{"layer": 1}\n[]')
    again = run()
    assert [one["loss"] for one in again] == [one["loss"] for one in whole]
    assert len(runs.read_text().splitlines()) == 2
    with pytest.raises(ZOError, match="at the least"):
        run(rates=())


def test_a_disk_that_is_full_at_the_end_keeps_the_log_and_nothing_half_written(letters, choices, tmp_path, monkeypatch):
    import os

    def trainer():
        return ZOTrainer(tiny(), OptionChoice(letters), BASE)

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        last = lambda progress: patch.setattr(os, "fsync", full) if progress.step == BASE.steps else None  # noqa: E731
        with pytest.raises(OSError, match="No space"):
            trainer().fit(choices, out=tmp_path, on_progress=last)
    assert {file.name for file in tmp_path.iterdir()} <= {LOG_NAME, "progress.jsonl", ".lock"}
    assert trainer().fit(choices, out=tmp_path, resume=True).steps == BASE.steps
    assert (tmp_path / DELTA_NAME).exists()
