"""What is to become better: which places of which rows are read, and how a loss comes of what stands there.

An objective turns one example into rows of tokens and, after a forward pass, the rows' scores into a loss. It never
sees the model, so that the same objective runs on the fast path and on every baseline.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from jinja2 import TemplateError
from torch import Tensor, nn

from app.zo.types import BadData, ZOError

_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Row:
    """`ids` go in. At place `reads[i]` the log-probability of the token `targets[i]` is read; or, where there are
    `options`, these tokens' logits at the only place read."""

    ids: tuple[int, ...]
    reads: tuple[int, ...]
    targets: tuple[int, ...] = ()
    options: tuple[int, ...] = ()

    @property
    def wanted(self) -> tuple[int, ...]:
        return self.options or self.targets


@dataclass(frozen=True)
class Example:
    """Rows, and which of them (or of the first one's options) is the right one, where that has a meaning."""

    rows: tuple[Row, ...]
    label: int = 0


class Objective(Protocol):
    """`name` goes into the log's config. Losses are per example; a batch's loss is their mean."""

    name: str

    def encode(self, raw: Mapping[str, Any]) -> Example:
        """Raises BadData, without the line: the reader knows it."""
        ...

    def loss(self, example: Example, scores: Sequence[Tensor]) -> Tensor:
        """From each row's scores, (reads or options,) float32, a scalar."""
        ...

    def right(self, example: Example, scores: Sequence[Tensor]) -> bool | None:
        """Whether the model chose right; None where there is nothing to choose."""
        ...


class ResponseLoss:
    """Mean negative log-likelihood of a response's tokens, given its prompt.

    Examples: `{"prompt": text, "response": text}`; or `messages` (through the chat template) for `prompt`; or
    `prompt_ids` and `response_ids`, exact to the token. A prompt as text gets the tokenizer's own special tokens (BOS
    where the model has one); messages get those of the template alone. The response ends with the tokenizer's EOS
    unless `"end": false`.
    """

    name = "response"

    def __init__(self, tokenizer: Any, max_tokens: int = 2**31) -> None:
        self._tokenizer, self._max_tokens = tokenizer, max_tokens

    def encode(self, raw: Mapping[str, Any]) -> Example:
        prompt = prompt_ids(self._tokenizer, raw)
        response = response_ids(self._tokenizer, raw)
        return Example((continuation(prompt, response, self._max_tokens),))

    def loss(self, example: Example, scores: Sequence[Tensor]) -> Tensor:
        return -scores[0].mean()

    def right(self, example: Example, scores: Sequence[Tensor]) -> bool | None:
        return None


class OptionChoice:
    """Cross-entropy over a few answers: softmax of their mean token log-probabilities, as MeZO scores them.

    Examples: `{"prompt": text, "options": [" terrible", " great"], "label": 1}`, prompts as for ResponseLoss.
    """

    name = "options"

    def __init__(self, tokenizer: Any, one_pass: bool = True, max_tokens: int = 2**31) -> None:
        """With `one_pass`, options of one token each are read from one row: the softmax over the vocabulary that a row
        for each would go through cancels."""
        self._tokenizer, self._one_pass, self._max_tokens = tokenizer, one_pass, max_tokens

    def encode(self, raw: Mapping[str, Any]) -> Example:
        options, label = raw.get("options"), raw.get("label")
        if not isinstance(options, list) or len(options) < 2 or not all(isinstance(o, str) and o for o in options):
            raise BadData('"options" must be a list of at least two texts')
        if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < len(options):
            raise BadData(
                f'"label" is {label!r}; it must be the place of the right option, from 0 to {len(options) - 1}'
            )
        prompt = prompt_ids(self._tokenizer, raw)
        tokens = [tuple(self._tokenizer(option, add_special_tokens=False).input_ids) for option in options]
        if len(set(tokens)) < len(tokens):
            raise BadData("two options have the same tokens")
        if self._one_pass and all(len(ids) == 1 for ids in tokens):
            checked = continuation(prompt, tokens[0], self._max_tokens)
            return Example((Row(checked.ids, checked.reads, options=tuple(ids[0] for ids in tokens)),), label)
        return Example(tuple(continuation(prompt, ids, self._max_tokens) for ids in tokens), label)

    def loss(self, example: Example, scores: Sequence[Tensor]) -> Tensor:
        of_options = _option_scores(scores)
        return of_options.logsumexp(0) - of_options[example.label]

    def right(self, example: Example, scores: Sequence[Tensor]) -> bool | None:
        return int(_option_scores(scores).argmax()) == example.label


class PreferenceMargin:
    """Logistic loss on how much likelier, per token, a confirmed version is than its discarded siblings.

    `softplus(-beta * (mean log p(chosen) - mean log p(rejected)))`, averaged over the rejected: SimPO's loss (arXiv
    2405.14734) with a margin of 0; no reference model.

    Examples: `{"prompt": text, "chosen": text, "rejected": [text, …]}`, prompts as for ResponseLoss.
    """

    name = "preference"

    def __init__(self, tokenizer: Any, beta: float = 2.0, max_tokens: int = 2**31) -> None:
        self._tokenizer, self._beta, self._max_tokens = tokenizer, beta, max_tokens

    def encode(self, raw: Mapping[str, Any]) -> Example:
        chosen, rejected = raw.get("chosen"), raw.get("rejected")
        if not isinstance(rejected, list) or not rejected:
            raise BadData('"rejected" must be a list of at least one text')
        prompt = prompt_ids(self._tokenizer, raw)
        answers = [response_ids(self._tokenizer, {**raw, "response": text}) for text in (chosen, *rejected)]
        return Example(tuple(continuation(prompt, ids, self._max_tokens) for ids in answers))

    def loss(self, example: Example, scores: Sequence[Tensor]) -> Tensor:
        return nn.functional.softplus(-self._beta * self._margins(scores)).mean()

    def right(self, example: Example, scores: Sequence[Tensor]) -> bool | None:
        return bool((self._margins(scores) > 0).all())

    def _margins(self, scores: Sequence[Tensor]) -> Tensor:
        means = _option_scores(scores)
        return means[0] - means[1:]


@dataclass(frozen=True)
class CallableObjective:
    """Anything that forward passes can tell: `evaluate(model, examples)` gives a float, lower is better.

    It is called with the model as it is after a probe, for one sign after the other; no fast path applies.
    """

    evaluate: Callable[[nn.Module, Sequence[Mapping[str, Any]]], float]
    name: str = "callable"


def continuation(prompt: Sequence[int], response: Sequence[int], max_tokens: int) -> Row:
    """The row in which every token of `response` is read at the place before it; its last token need not go in."""
    if not prompt:
        raise BadData("the prompt has no tokens, so that there is no place to read the first answer from")
    if not response:
        raise BadData("the response has no tokens")
    ids = (*prompt, *response[:-1])
    if len(ids) + 1 > max_tokens:
        raise BadData(f"it has {len(ids) + 1} tokens and the limit is {max_tokens}; shorten or remove it")
    return Row(ids, tuple(range(len(prompt) - 1, len(ids))), tuple(response))


def prompt_ids(tokenizer: Any, raw: Mapping[str, Any]) -> list[int]:
    if "prompt_ids" in raw:
        return _ids(raw, "prompt_ids")
    if "messages" in raw:
        messages = raw["messages"]
        if (
            not isinstance(messages, list)
            or not messages
            or not all(
                isinstance(m, dict) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str)
                for m in messages
            )
        ):
            raise BadData('"messages" must be a list of {"role": …, "content": …}')
        if not getattr(tokenizer, "chat_template", None):
            raise BadData('"messages" need a chat template, and this model has none; give "prompt" instead')
        try:
            text = tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        except (TemplateError, ValueError, TypeError) as error:
            raise BadData(f"the model's chat template refuses these messages ({error})") from error
        found: list[int] = tokenizer(text + str(raw.get("prefill", "")), add_special_tokens=False).input_ids
        return found
    return list(tokenizer(_text(raw, "prompt")).input_ids)


def response_ids(tokenizer: Any, raw: Mapping[str, Any]) -> list[int]:
    if "response_ids" in raw:
        return _ids(raw, "response_ids")
    ids: list[int] = tokenizer(_text(raw, "response"), add_special_tokens=False).input_ids
    end = tokenizer.eos_token_id
    return [*ids, end] if raw.get("end", True) and end is not None else ids


def sst2(path: Path) -> list[dict[str, Any]]:
    """Lines of sentence, tab, 0 or 1, in MeZO's prompt: "{sentence} It was terrible/great". Raises BadData."""
    examples = []
    for number, line in enumerate(_lines(path), start=1):
        fields = line.split("\t")
        if len(fields) != 2 or fields[1] not in ("0", "1") or not fields[0].strip():
            raise BadData(f"{path}, line {number}: expected a sentence, a tab and 0 or 1.")
        prompt = f"{fields[0].strip()} It was"
        examples.append({"prompt": prompt, "options": [" terrible", " great"], "label": int(fields[1])})
    if not examples:
        raise BadData(f"{path} is empty.")
    return examples


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """One JSON object a line; empty lines are passed by. Raises BadData, which names the line."""
    examples: list[dict[str, Any]] = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadData(f"{path}, line {number}: no JSON ({error}).") from error
        except (ValueError, RecursionError) as error:
            raise BadData(f"{path}, line {number}: too long a number, or nested too deeply.") from error
        if _HALF.search(json.dumps(found, ensure_ascii=False)):
            raise BadData(f"{path}, line {number}: half a character (a lone surrogate) is in it.")
        if not isinstance(found, dict):
            raise BadData(f"{path}, line {number}: expected an object, {{…}}.")
        examples.append({**found, "_at": f"{path}, line {number}"})
    if not examples:
        raise BadData(f"{path} has no examples.")
    return examples


def encode_all(objective: Objective, raws: Iterable[Mapping[str, Any]], vocabulary: int | None = None) -> list[Example]:
    """Raises BadData, which names the example's line or number; also for a token that a `vocabulary` of this size
    lacks."""
    examples = []
    for number, raw in enumerate(raws, start=1):
        try:
            examples.append(_known(objective.encode(raw), vocabulary))
        except BadData as error:
            raise BadData(f"{raw.get('_at', f'Example {number}')}: {error}.") from error
    if not examples:
        raise BadData("There are no examples.")
    return examples


def _known(example: Example, vocabulary: int | None) -> Example:
    highest = max(max((*row.ids, *row.wanted)) for row in example.rows)
    if vocabulary is not None and highest >= vocabulary:
        raise BadData(f"token {highest} is none of the model's, which go from 0 to {vocabulary - 1}")
    return example


def _option_scores(scores: Sequence[Tensor]) -> Tensor:
    return scores[0] if len(scores) == 1 else torch.stack([row.mean() for row in scores])


def _lines(path: Path) -> list[str]:
    """Not by `splitlines`: a text inside JSON may hold U+2028 and the like, which end no line of a file."""
    try:
        text = path.read_text("utf-8-sig").removesuffix("\n")
        return text.split("\n") if text else []
    except OSError as error:
        raise ZOError(f"{path} can't be read: {error.strerror or error}.") from error
    except UnicodeError as error:
        raise BadData(f"{path} is not UTF-8 text ({error}).") from error


def _text(raw: Mapping[str, Any], name: str) -> str:
    text = raw.get(name)
    if not isinstance(text, str) or not text:
        raise BadData(f'"{name}" must be a text that is not empty')
    return text


def _ids(raw: Mapping[str, Any], name: str) -> list[int]:
    ids = raw[name]
    if not isinstance(ids, list) or not all(type(i) is int and i >= 0 for i in ids):
        raise BadData(f'"{name}" must be a list of token numbers')
    return ids
