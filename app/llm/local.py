"""A model of transformers in this process.

Each prompt is computed alone (app/llm/prefix.py); the prompts' keys and values are then stacked, and the
answers are written together, one token for each of them a step. Steps are taken only as the caller asks for
pieces, so a caller who stops asking stops the model. What is not here: who may write and when
(app/llm/gate.py).

There is one base model. A tuned layer is the parameters of one block in its place: before each forward pass the pass's
own layer is put on, by pointing the model's modules to those tensors, under a lock that is held until the pass is done.
So streams with different layers take turns pass by pass and never mix, and rows of one stream are stacked by layer.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from app.llm import layers, sampling
from app.llm.answer import Answer, Thoughts
from app.llm.layers import Layers
from app.llm.prefix import PrefixCache, block_ends
from app.llm.store import ModelStore, hush_transformers
from app.llm.types import Chunk, Draw, Engine, EngineError, EngineInfo, FinishReason, Prompt

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]
DType = Literal["auto", "float32", "bfloat16"]

_BLOCK = {"cpu": 256, "cuda": 512}
"""Tokens of a prompt computed at once: larger is quicker, smaller is cancelled sooner."""


@dataclass
class _Row:
    """One answer on its way."""

    index: int
    draw: Draw
    answer: Answer
    decoder: Any
    generator: torch.Generator
    budget: int
    thoughts: Thoughts = field(default_factory=Thoughts)
    ids: list[int] = field(default_factory=list)
    """The answer's own tokens, the prefill's not among them."""
    pending: int = 0
    pending_logprob: float = 0.0


@dataclass
class _Lane:
    """Rows of one tuned layer that take their steps together. `padding` is how many empty places lie before each row's
    keys."""

    rows: list[_Row]
    cache: Any
    logits: torch.Tensor
    lengths: torch.Tensor
    padding: torch.Tensor

    @property
    def tuned_id(self) -> str | None:
        return self.rows[0].draw.tuned_id


class LocalEngine(Engine):
    """Safe to use from several threads; the model is loaded by `load` or at the first use."""

    def __init__(
        self,
        store: ModelStore,
        model: str = "default",
        device: Device = "auto",
        dtype: DType = "auto",
        prefix_bytes: int = 256 * 1024 * 1024,
        tuned: Path | None = None,
    ) -> None:
        """`prefix_bytes` bounds the memory for prompts' beginnings; 0 keeps none. `tuned` is the layer that is in
        service from the start."""
        self._store, self._name, self._device, self._dtype = store, model, device, dtype
        self._prefix_bytes, self._first_layer = prefix_bytes, tuned
        self._load_lock = threading.Lock()
        self._info: EngineInfo | None = None
        self._model: Any = None
        self._tokenizer: Any = None
        self._layers: Layers | None = None
        self._pass_lock = threading.Lock()
        """Held while a layer is put on and for the forward pass that needs it."""
        self._prefixes = PrefixCache(0)
        self._stackable = self._plain = True
        self._end_tokens: frozenset[int] = frozenset()

    def info(self) -> EngineInfo:
        if self._info is None:
            identity = self._store.identify(self._name)
            device = pick_device(self._device)
            dtype = _pick_dtype(self._dtype, device)
            tuned_id = layers.read(self._first_layer, identity.sha256).tuned_id if self._first_layer else None
            self._info = EngineInfo(identity.model_id, tuned_id, device, dtype, identity.sha256, "local")
        return self._info

    def load(self) -> None:
        with self._load_lock:
            if self._model is None:
                resolved = self._store.resolve(self._name)
                device = pick_device(self._device)
                dtype = _pick_dtype(self._dtype, device)
                with _memory_errors():
                    tokenizer, model = load_model(resolved.folder, device, dtype)
                known = Layers(model, resolved.folder, resolved.sha256)
                first = known.add(self._first_layer) if self._first_layer else None
                self._info = EngineInfo(resolved.model_id, first, device, dtype, resolved.sha256, "local")
                self._stackable, self._plain = _cache_kind(model.config)
                self._end_tokens = _end_tokens(tokenizer, model)
                self._prefixes = PrefixCache(self._prefix_bytes if self._stackable else 0)
                self._tokenizer, self._model, self._layers = tokenizer, model, known

    def add(self, layer: Path) -> str:
        self.load()
        assert self._layers is not None
        with _memory_errors():
            return self._layers.add(layer)

    def serve(self, tuned_id: str | None) -> None:
        self.load()
        assert self._layers is not None
        self._layers.check(tuned_id)
        self._info = replace(self.info(), tuned_id=tuned_id)

    def close(self) -> None:
        with self._load_lock:
            self._model = self._tokenizer = self._layers = None
            self._prefixes.clear()

    def stream(self, draws: Sequence[Draw], cancel: threading.Event) -> Iterator[Chunk]:
        self.load()
        assert self._layers is not None
        for draw in draws:
            self._layers.check(draw.tuned_id)
        prompts = [self._encode(draw.prompt) for draw in draws]
        ends = [self._block_ends(draw.prompt, ids) for draw, ids in zip(draws, prompts, strict=True)]
        rows = [self._row(i, draw, ids) for i, (draw, ids) in enumerate(zip(draws, prompts, strict=True))]
        for row in rows:
            if row.answer.text:
                yield Chunk(row.index, row.answer.text)
        lanes: list[_Lane] = []
        with _memory_errors():
            prefilled = yield from self._prefill_all(draws, prompts, ends, cancel)
            if prefilled is not None:
                groups = _by_layer(draws) if self._stackable else [[i] for i in range(len(rows))]
                lanes = [self._lane([rows[i] for i in g], [prefilled[i] for i in g]) for g in groups]
        while lanes and not cancel.is_set():
            for lane in lanes:
                with _memory_errors():
                    chunks = self._step(lane)
                yield from chunks
                for chunk in chunks:
                    rows = [row for row in rows if not (chunk.finish and row.index == chunk.index)]
            lanes = [lane for lane in lanes if lane.rows]
        for row in rows:
            yield Chunk(row.index, "", "cancelled")

    # -- prompts

    def _encode(self, prompt: Prompt) -> list[int]:
        ids = prompt_ids(self._tokenizer, prompt)
        longest = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if not ids or (longest is not None and len(ids) >= longest):
            raise EngineError(
                "prompt-too-long",
                f"The prompt has {len(ids)} tokens; this model reads between 1 and {longest}.",
                "Split the paragraph into shorter ones.",
            )
        return ids

    def _block_ends(self, prompt: Prompt, ids: list[int]) -> list[int]:
        """Blocks of which one ends where the last message's text begins: what is before is the strategy's."""
        *before, last = prompt.messages
        other = prompt_ids(self._tokenizer, Prompt((*before, replace(last, content="?")), prompt.prefill))
        shared = next((i for i, (a, b) in enumerate(zip(ids, other, strict=False)) if a != b), 0)
        return block_ends(shared, len(ids), _BLOCK[self._model.device.type])

    def _row(self, index: int, draw: Draw, ids: list[int]) -> _Row:
        import torch
        from tokenizers.decoders import DecodeStream

        longest = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        budget = min(draw.sampling.max_tokens, (longest or 2**31) - len(ids))
        return _Row(
            index,
            draw,
            Answer(draw.prompt.prefill, draw.sampling),
            # Given the prompt's end, it knows whether the first piece begins with a space.
            DecodeStream(ids[-8:], skip_special_tokens=True),
            torch.Generator(self._model.device).manual_seed(draw.seed),
            budget,
        )

    # -- the model

    def _prefill_all(
        self, draws: Sequence[Draw], prompts: list[list[int]], ends: list[list[int]], cancel: threading.Event
    ) -> Generator[Chunk, None, list[tuple[Any, torch.Tensor]] | None]:
        """Cache and last logits for each prompt, equal ones computed once; none when cancelled meanwhile.

        Yields a chunk without text after each block, as a sign of life.
        """
        done: list[tuple[Any, torch.Tensor]] = []
        wanted = [(draw.tuned_id, ids) for draw, ids in zip(draws, prompts, strict=True)]
        for i, (stops, (tuned_id, ids)) in enumerate(zip(ends, wanted, strict=True)):
            # Stacking copies; where rows keep a cache each, they can't share one.
            same = wanted.index((tuned_id, ids)) if self._stackable else i
            result = done[same] if same < i else (yield from self._prefill(i, ids, stops, tuned_id, cancel))
            if result is None:
                return None
            done.append(result)
        return done

    def _prefill(
        self, index: int, ids: list[int], ends: list[int], tuned_id: str | None, cancel: threading.Event
    ) -> Generator[Chunk, None, tuple[Any, torch.Tensor] | None]:
        import torch
        from transformers import DynamicCache

        # The last block is computed in any case: its logits begin the answer.
        known = self._prefixes.find(ids, ends[:-1], tuned_id)
        cache: Any = DynamicCache() if self._stackable else DynamicCache(config=self._model.config)
        for layer, parts in enumerate(zip(*known, strict=True)):
            cache.update(torch.cat([p[0] for p in parts], -2), torch.cat([p[1] for p in parts], -2), layer)
        logits = torch.empty(0)
        for i in range(len(known), len(ends)):
            if cancel.is_set():
                return None
            start, end = ends[i - 1] if i else 0, ends[i]
            piece = torch.tensor([ids[start:end]], device=self._model.device)
            logits = self._forward(piece, cache, torch.arange(start, end)[None], None, tuned_id)
            if end < len(ids) and self._prefixes.max_bytes:
                block = [(x.keys[:, :, start:].clone(), x.values[:, :, start:].clone()) for x in cache.layers]
                self._prefixes.keep(ids, ends[: i + 1], block, tuned_id)
            yield Chunk(index, "")
        return cache, logits

    def _lane(self, rows: list[_Row], prefilled: Sequence[tuple[Any, torch.Tensor]]) -> _Lane:
        """Stack prompts of different lengths, each with empty places before it, so that all end together."""
        import torch
        from torch.nn.functional import pad
        from transformers import DynamicCache

        lengths = torch.tensor([cache.get_seq_length() for cache, _ in prefilled], device=self._model.device)
        padding = lengths.max() - lengths
        logits = torch.cat([logits for _, logits in prefilled])
        if len(rows) == 1:
            return _Lane(rows, prefilled[0][0], logits, lengths, padding)
        stacked: Any = DynamicCache()
        for i in range(len(prefilled[0][0].layers)):
            layers = [cache.layers[i] for cache, _ in prefilled]
            empty = padding.tolist()
            keys = torch.cat([pad(x.keys, (0, 0, n, 0)) for x, n in zip(layers, empty, strict=True)])
            values = torch.cat([pad(x.values, (0, 0, n, 0)) for x, n in zip(layers, empty, strict=True)])
            stacked.update(keys, values, i)
        return _Lane(rows, stacked, logits, lengths, padding)

    def _step(self, lane: _Lane) -> list[Chunk]:
        """One token for each row; rows that ended leave the lane."""
        import torch

        tokens, logprobs = sampling.choose(
            lane.logits,
            [row.draw.sampling for row in lane.rows],
            [row.ids for row in lane.rows],
            [row.generator for row in lane.rows],
        )
        chunks: list[Chunk] = []
        going: list[int] = []
        for i, (row, token, logprob) in enumerate(zip(lane.rows, tokens, logprobs, strict=True)):
            chunk = self._take(row, token, logprob)
            if chunk is not None:
                chunks.append(chunk)
            if chunk is None or chunk.finish is None:
                going.append(i)
        if len(going) < len(lane.rows):
            kept = torch.tensor(going, device=lane.logits.device, dtype=torch.long)
            lane.rows = [lane.rows[i] for i in going]
            lane.lengths, lane.padding = lane.lengths[kept], lane.padding[kept]
            if going:
                lane.cache.batch_select_indices(kept)
        if going:
            last = torch.tensor([[tokens[i]] for i in going], device=lane.logits.device)
            lane.logits = self._forward(last, lane.cache, lane.lengths[:, None], self._mask(lane), lane.tuned_id)
            lane.lengths = lane.lengths + 1
        return chunks

    def _mask(self, lane: _Lane) -> torch.Tensor | None:
        """Which places the next token may look at, if not at all of them."""
        import torch

        places = torch.arange(int(lane.lengths[0] + lane.padding[0]) + 1, device=lane.padding.device)
        mask: torch.Tensor = places[None] >= lane.padding[:, None]
        if self._plain and mask.device.type == "cpu":
            # With a mask of this shape, be it all true, transformers takes the way that shares keys among
            # query heads without copying them: decoding is 1.4 times as quick on a CPU.
            return mask[:, None, None]
        return mask if lane.padding.any() else None

    def _forward(
        self, ids: torch.Tensor, cache: Any, positions: torch.Tensor, mask: torch.Tensor | None, tuned_id: str | None
    ) -> torch.Tensor:
        """Logits after the last token, (rows, vocabulary), float32; `cache` grows by `ids`."""
        import torch

        assert self._layers is not None
        with self._pass_lock, torch.inference_mode():
            self._layers.put_on(tuned_id)
            logits: torch.Tensor = self._model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions.to(ids.device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            return logits.float()

    # -- pieces

    def _take(self, row: _Row, token: int, logprob: float | None) -> Chunk | None:
        """The token's text, as far as it can be shown; none while there is nothing to tell."""
        finish: FinishReason | None = None
        text = ""
        if token in self._end_tokens:
            finish = "stop"
        else:
            row.ids.append(token)
            row.pending += 1
            row.pending_logprob += logprob or 0.0
            piece = row.decoder.step(self._tokenizer.backend_tokenizer, token) or ""
            text = row.answer.add(row.thoughts.add(piece))
            if row.answer.ended:
                finish = "stop"
            elif len(row.ids) >= row.budget:
                finish = "length"
        if finish:
            text += row.answer.add(row.thoughts.rest()) + row.answer.finish()
        if not text and not finish:
            return None
        # Tokens that led to no text (white space at the end, a next sentence's word) are not the answer's.
        counted = row.pending if text else 0
        total = row.pending_logprob if text and row.draw.sampling.logprobs else None
        row.pending, row.pending_logprob = 0, 0.0
        return Chunk(row.index, text, finish, total, counted)


def _by_layer(draws: Sequence[Draw]) -> list[list[int]]:
    """Indices of the draws of each tuned layer."""
    groups: dict[str | None, list[int]] = {}
    for i, draw in enumerate(draws):
        groups.setdefault(draw.tuned_id, []).append(i)
    return list(groups.values())


def prompt_ids(tokenizer: Any, prompt: Prompt) -> list[int]:
    """A prompt as the model reads it: chat template, prefill, and nothing in it that counts as a control token.

    Raises EngineError where the template refuses the conversation.
    """
    from jinja2 import TemplateError

    # A draft may hold what the tokenizer reads as a control token ("</s>"); it must not end a message.
    messages = [{"role": m.role, "content": _defused(tokenizer, m.content)} for m in prompt.messages]
    prefill = _defused(tokenizer, prompt.prefill.rstrip())
    ids: list[int]
    if not tokenizer.chat_template:
        ids = tokenizer("\n\n".join([m["content"] for m in messages] + [prefill])).input_ids
        return ids
    try:
        # Templates of models that think before they answer (Qwen3) know the last argument; others pass it by.
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
    except TemplateError as error:
        raise EngineError(
            "model-template",
            f"The model's chat template refuses the conversation: {error}.",
            "Choose an instruction-tuned model that takes a system message (SPATIAL_MODEL).",
        ) from error
    if text.rstrip().endswith("<think>"):
        # A template that opens the thoughts whatever it is told: they are closed before they begin.
        text = f"{text.rstrip()}\n\n</think>\n\n"
    ids = tokenizer(text + prefill, add_special_tokens=False).input_ids
    return ids


def _defused(tokenizer: Any, text: str) -> str:
    for token in tokenizer.all_special_tokens:
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def load_model(folder: Path, device: str, dtype: str) -> tuple[Any, Any]:
    """Tokenizer and model. Raises EngineError; what tells of too little memory comes as it is."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    hush_transformers()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), use_safetensors=True)
    except Exception as error:  # of many kinds, from several libraries
        if _is_memory(error):
            raise
        raise EngineError(
            "model-load",
            f"The model in {folder} can't be loaded: {str(error).splitlines()[0]}",
            "Choose another by SPATIAL_MODEL, or pull it again with `spatialbalancing model pull`.",
        ) from error
    return tokenizer, model.to(device).eval()


def _end_tokens(tokenizer: Any, model: Any) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    return frozenset(
        i for i in (*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id) if i is not None
    )


def _cache_kind(config: Any) -> tuple[bool, bool]:
    """Whether prompts' caches can be cut and stacked (not with recurrent layers), and whether each token looks at
    all before it (not with sliding windows)."""
    from transformers.cache_utils import DynamicCache, DynamicLayer, LinearAttentionCacheLayerMixin

    layers = DynamicCache(config=config).layers
    recurrent = any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in layers)
    return not recurrent, all(type(layer) is DynamicLayer for layer in layers)


def pick_device(wish: Device) -> str:
    import torch

    if wish == "cuda" and not torch.cuda.is_available():
        raise EngineError(
            "model-load",
            "SPATIAL_DEVICE is `cuda`, but PyTorch finds no CUDA GPU.",
            "Set SPATIAL_DEVICE=auto, or install a CUDA build of PyTorch (TORCH_INDEX_URL, see the README).",
        )
    return wish if wish != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def _pick_dtype(wish: DType, device: str) -> str:
    """bfloat16 wherever the processor computes in it; elsewhere it would be emulated, and slower."""
    import torch

    if wish != "auto":
        return wish
    native = device == "cuda" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"


def _is_memory(error: BaseException) -> bool:
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


@contextmanager
def _memory_errors() -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        raise EngineError(
            "model-memory",
            "There is not enough memory for the model.",
            "Choose a smaller model (SPATIAL_MODEL), or fewer candidates at once (SPATIAL_CANDIDATES).",
        ) from error
