"""A Llama- or Qwen3-shaped decoder run block by block on packed tokens, so that only what a loss reads is computed.

Rows lie behind one another without padding; norms and linear layers see packed tokens, (copies, tokens, hidden), and
only attention gathers them into rows. Beginnings that rows share are packed once: rows are paths in a tree of tokens.
Several copies of the tuned blocks (one for each sign of a probe) run side by side on the first axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.zo.objective import Row
from app.zo.types import UnknownModel

_VOCABULARY_CHUNK = 2**24
"""Logits held at once where log-probabilities over the whole vocabulary are needed: 64 MB in float32."""
_PADDING = 1.4
"""Rows share one attention call as long as it computes less than this times what they need."""
_CALL, _CALL_ON_GPU = 2**12, 2**22
"""What another attention call costs, in scores (query times key): short rows are not worth a call of their own, and
launching kernels costs a GPU more than computing padding does."""


@dataclass(frozen=True)
class Group:
    """Rows whose attention is computed together. Places are in the packed tokens; padding points to place 0."""

    queries: Tensor
    """(rows, longest)"""
    keys: Tensor
    """(rows, longest)"""
    mask: Tensor | None
    """(rows, 1, queries, keys), true where a query may look; None for plain causal rows."""


@dataclass(frozen=True)
class View:
    """How attention gathers packed tokens. `inverse` finds each packed query's result in the groups' results."""

    groups: tuple[Group, ...]
    inverse: Tensor


@dataclass(frozen=True)
class Plan:
    """One batch, laid out."""

    nodes: Tensor
    """(tokens,) places in the tree; index into a cache of hidden states."""
    ids: Tensor
    cos: Tensor
    sin: Tensor
    everything: View
    ends: View
    """For the last block: queries only where something is read."""
    read: Tensor
    """(reads,) packed places that are read."""
    wanted: Tensor
    """(values, 2): which read, which token; rows' values behind one another."""
    as_logits: bool
    sizes: tuple[int, ...]
    """Values of each row, in the order of the rows as they were given."""


class Tree:
    """The tokens of many rows, each beginning held once (or every row for itself, with `share=False`)."""

    def __init__(self, rows: Sequence[Row], share: bool = True) -> None:
        self.rows = rows
        self.rank = [0] * len(rows)
        self.paths: list[Tensor] = [torch.empty(0, dtype=torch.long)] * len(rows)
        self.size = 0
        before: tuple[int, ...] = ()
        path = torch.empty(0, dtype=torch.long)
        for rank, index in enumerate(sorted(range(len(rows)), key=lambda i: rows[i].ids)):
            ids = rows[index].ids
            shared = _common(before, ids) if share else 0
            own = torch.arange(self.size, self.size + len(ids) - shared)
            self.size += len(own)
            path = torch.cat([path[:shared], own])
            self.paths[index], self.rank[index], before = path, rank, ids


class Decoder:
    """The blocks of a model of transformers. Raises UnknownModel for one whose blocks can't be run one by one."""

    def __init__(self, model: nn.Module) -> None:
        core: Any = getattr(model, "model", None)
        lacking = [f"model.{name}" for name in _CORE if not hasattr(core, name)]
        lacking += [] if hasattr(model, "lm_head") else ["lm_head"]
        if not lacking:
            lacking = [f"model.layers.*.{name}" for name in _BLOCK if not _has(core.layers[0], name)]
        config: Any = model.config
        if lacking or "sliding_attention" in (getattr(config, "layer_types", None) or ()):
            raise UnknownModel(
                f"Models of type {getattr(config, 'model_type', '?')} can't be run block by block: "
                + (f"there is no {', '.join(lacking)}. " if lacking else "some blocks attend to a window only. ")
                + "What is needed is a decoder shaped like Llama's or Qwen3's, with full attention."
            )
        self.model = model
        self._core = core
        self.layers: Any = core.layers
        self.head: Any = model.lm_head
        self.head_dim: int = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.hidden: int = config.hidden_size
        self.vocabulary: int = core.embed_tokens.weight.shape[0]
        self.device: torch.device = core.embed_tokens.weight.device
        self.dtype: torch.dtype = core.embed_tokens.weight.dtype

    @torch.no_grad()
    def check(self) -> None:
        """A short text through the blocks and through the model's own forward. Raises UnknownModel if they differ."""
        vocabulary = self.head.weight.shape[0]
        ids = tuple((7 * i + 3) % vocabulary for i in range(6))
        row = Row(ids, tuple(range(5)), targets=ids[1:])
        plan = self.plan(Tree([row]), [0])
        ours = self.read(self.run(self.embed(plan), plan), plan)[0][0]
        inputs: Any = torch.tensor([ids], device=self.device)
        logits = self.model(inputs, use_cache=False).logits[0].float().log_softmax(-1)
        theirs = logits[torch.arange(5), torch.tensor(ids[1:])].cpu()
        tolerance = 1e-3 if self.dtype == torch.float32 else 0.25
        if not torch.allclose(ours, theirs, atol=tolerance, rtol=tolerance):
            raise UnknownModel(
                f"Run block by block, this model ({getattr(self.model.config, 'model_type', '?')}) gives other "
                f"log-probabilities than as a whole (off by {float((ours - theirs).abs().max()):.3g}); it does "
                "something between its blocks that Llama and Qwen3 don't."
            )

    # -- laying out

    def plan(self, tree: Tree, chosen: Sequence[int]) -> Plan:
        """The rows `chosen` of the tree, in that order."""
        nodes: list[Tensor] = []
        places: dict[int, Tensor] = {}
        segments: list[tuple[Tensor, Tensor, int]] = []
        size = 0
        before = path = torch.empty(0, dtype=torch.long)
        for index in sorted(set(chosen), key=lambda i: tree.rank[i]):
            ahead = tree.paths[index]
            common = min(len(before), len(ahead))
            differs = (before[:common] != ahead[:common]).nonzero()
            shared = int(differs[0]) if len(differs) else common
            own = torch.arange(size, size + len(ahead) - shared)
            path = torch.cat([path[:shared], own])
            if len(own):
                segments.append((own, path, shared))
                nodes.append(ahead[shared:])
            size += len(own)
            places[index], before = path, ahead
        ends: list[tuple[Tensor, Tensor, int]] = []
        read: list[Tensor] = []
        wanted: list[Tensor] = []
        sizes: list[int] = []
        count = 0
        for index in chosen:
            row = tree.rows[index]
            first, last = row.reads[0], row.reads[-1]
            ends.append((torch.arange(count, count + last + 1 - first), places[index][: last + 1], first))
            read.append(places[index][first : last + 1])
            at = [row.reads[0]] * len(row.options) if row.options else row.reads
            wanted.append(
                torch.tensor([[count + place - first, token] for place, token in zip(at, row.wanted, strict=True)])
            )
            sizes.append(len(row.wanted))
            count += last + 1 - first
        all_nodes = torch.cat(nodes)
        ids = torch.empty(size, dtype=torch.long)
        positions = torch.empty(size, dtype=torch.long)
        for index, place in places.items():
            ids[place] = torch.tensor(tree.rows[index].ids)
            positions[place] = torch.arange(len(place))
        on = self.device
        cos, sin = self._core.rotary_emb(
            torch.empty(0, dtype=self.dtype, device=on), position_ids=positions[None].to(on)
        )
        return Plan(
            all_nodes.to(on), ids.to(on), cos[0, :, None], sin[0, :, None],
            _view(segments, size, on), _view(ends, count, on), torch.cat(read).to(on), torch.cat(wanted).to(on),
            bool(tree.rows[chosen[0]].options), tuple(sizes),
        )  # fmt: skip

    # -- running

    def embed(self, plan: Plan) -> Tensor:
        """(1, tokens, hidden)"""
        embedded: Tensor = self._core.embed_tokens(plan.ids)[None]
        return embedded

    def run(
        self,
        hidden: Tensor,
        plan: Plan,
        start: int = 0,
        stop: int | None = None,
        *,
        twins: Mapping[int, nn.Module] | None = None,
        half: bool = False,
        whole: bool = False,
    ) -> Tensor:
        """Blocks `start` up to `stop` (all that follow, by default).

        hidden: (copies, tokens, hidden). With `twins` a second copy appears at the first block that has one: the first
        goes through the model's own block, the second through the twin. `half` leaves out the first block's attention:
        it is in `hidden` already. The last block computes only what is read, (copies, reads, hidden), unless `whole`.
        """
        final = len(self.layers) - 1
        stop = final + 1 if stop is None else stop
        for index in range(start, stop):
            ends = index == final and not whole
            layer, twin = self.layers[index], (twins or {}).get(index)
            attend = not (half and index == start)
            if twin is None:
                hidden = self._block(layer, hidden, plan, ends, attend)
            else:
                first, second = hidden[:1], hidden[-1:]
                hidden = torch.cat(
                    [self._block(layer, first, plan, ends, attend), self._block(twin, second, plan, ends, attend)]
                )
        return hidden

    def attend(self, index: int, hidden: Tensor, plan: Plan) -> Tensor:
        """The first half of a block: what `run(half=True)` takes."""
        return self._attention(self.layers[index], hidden, plan, False)

    def read(self, hidden: Tensor, plan: Plan) -> list[list[Tensor]]:
        """From the last block's (copies, reads, hidden): for each copy and row its scores, (values,) float32.

        They are on the CPU unless gradients are wanted.
        """
        hidden = _normed(self._core.norm, hidden)
        at, token = plan.wanted[:, 0], plan.wanted[:, 1]
        if plan.as_logits:
            values = (hidden[:, at].float() * self.head.weight[token].float()).sum(-1)
        else:
            values = self._log_probabilities(hidden[:, at], token)
        values = values if values.requires_grad else values.cpu()
        return [list(torch.split_with_sizes(copy, plan.sizes)) for copy in values]

    def _log_probabilities(self, hidden: Tensor, token: Tensor) -> Tensor:
        copies, count, _ = hidden.shape
        flat, tokens = hidden.flatten(0, 1), token.repeat(copies)
        step = max(1, _VOCABULARY_CHUNK // self.head.weight.shape[0])
        pieces = []
        for start in range(0, len(flat), step):
            logits, wanted = self.head(flat[start : start + step]).float(), tokens[start : start + step]
            pieces.append(logits.gather(1, wanted[:, None])[:, 0] - logits.logsumexp(1))
        return torch.cat(pieces).view(copies, count)

    def _block(self, layer: Any, hidden: Tensor, plan: Plan, ends: bool, attend: bool) -> Tensor:
        if attend:
            hidden = self._attention(layer, hidden, plan, ends)
        elif ends:
            hidden = hidden[:, plan.read]
        out: Tensor = hidden + layer.mlp(_normed(layer.post_attention_layernorm, hidden))
        return out

    def _attention(self, layer: Any, hidden: Tensor, plan: Plan, ends: bool) -> Tensor:
        attention = layer.self_attn
        normed = _normed(layer.input_layernorm, hidden)
        keys = self._heads(attention.k_proj(normed))
        values = self._heads(attention.v_proj(normed))
        view, cos, sin = plan.everything, plan.cos, plan.sin
        if ends:
            view, hidden, normed = plan.ends, hidden[:, plan.read], normed[:, plan.read]
        queries = self._heads(attention.q_proj(normed))
        if hasattr(attention, "q_norm"):
            queries, keys = attention.q_norm(queries), attention.k_norm(keys)
        keys = _rotated(keys, cos, sin)
        queries = _rotated(queries, cos[plan.read], sin[plan.read]) if ends else _rotated(queries, cos, sin)
        out: Tensor = hidden + attention.o_proj(_attend(queries, keys, values, view, attention.scaling))
        return out

    def _heads(self, projected: Tensor) -> Tensor:
        return projected.view(*projected.shape[:-1], -1, self.head_dim)


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest common beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


_CORE = ("embed_tokens", "layers", "norm", "rotary_emb")
_BLOCK = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "self_attn.scaling", "mlp",
    "input_layernorm", "post_attention_layernorm",
)  # fmt: skip


def _has(module: Any, path: str) -> bool:
    for name in path.split("."):
        if not hasattr(module, name):
            return False
        module = getattr(module, name)
    return True


def _normed(norm: Any, x: Tensor) -> Tensor:
    """RMS normalisation in one call where the module is one; transformers' own takes six passes over the tensor."""
    epsilon = getattr(norm, "variance_epsilon", None)
    if epsilon is None or x.dtype != norm.weight.dtype:
        out: Tensor = norm(x)
        return out
    return functional.rms_norm(x, norm.weight.shape, norm.weight, epsilon)


def _gathered(packed: Tensor, places: Tensor) -> Tensor:
    """(copies, tokens, heads, dim) to (copies * rows, heads, longest, dim)."""
    copies, _, heads, dim = packed.shape
    # By whole tokens: indexing with two axes of places is six times as slow on a CPU.
    rows = packed.flatten(2).index_select(1, places.view(-1)).view(copies * len(places), -1, heads, dim)
    return rows.transpose(1, 2)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su et al., arXiv 2104.09864), halves paired as transformers pairs them."""
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def _attend(queries: Tensor, keys: Tensor, values: Tensor, view: View, scale: float) -> Tensor:
    """(copies, queries, heads, dim) against packed keys and values; gives (copies, queries, heads * dim)."""
    copies = len(queries)
    results = []
    for group in view.groups:
        q, k, v = (
            _gathered(packed, places)
            for packed, places in ((queries, group.queries), (keys, group.keys), (values, group.keys))
        )
        result = functional.scaled_dot_product_attention(
            q, k, v,
            attn_mask=None if group.mask is None else group.mask.repeat(copies, 1, 1, 1),
            is_causal=group.mask is None, scale=scale, enable_gqa=q.shape[1] != k.shape[1],
        )  # fmt: skip
        results.append(result.transpose(1, 2).reshape(copies, -1, queries.shape[2] * queries.shape[3]))
    return (results[0] if len(results) == 1 else torch.cat(results, 1))[:, view.inverse]


def _view(segments: Sequence[tuple[Tensor, Tensor, int]], count: int, device: torch.device) -> View:
    """segments: packed places of a row's queries, of its keys, and the position of the first query."""
    groups: list[Group] = []
    inverse = torch.empty(count, dtype=torch.long)
    offset = 0
    for members in _alike(segments, _CALL if device.type == "cpu" else _CALL_ON_GPU):
        longest = max(len(q) for q, _, _ in members)
        widest = max(len(k) for _, k, _ in members)
        queries = torch.zeros(len(members), longest, dtype=torch.long)
        keys = torch.zeros(len(members), widest, dtype=torch.long)
        first = torch.tensor([start for _, _, start in members])
        for i, (q, k, _) in enumerate(members):
            queries[i, : len(q)], keys[i, : len(k)] = q, k
            inverse[q] = torch.arange(offset + i * longest, offset + i * longest + len(q))
        mask = None
        if int(first.max()) > 0 or longest != widest:
            # Keys lie in the order of positions, so that a query sees those up to its own; padding lies behind.
            mask = torch.arange(widest) <= (first[:, None] + torch.arange(longest))[..., None]
            mask = mask[:, None].to(device)
        groups.append(Group(queries.to(device), keys.to(device), mask))
        offset += len(members) * longest
    return View(tuple(groups), inverse.to(device))


def _alike(segments: Sequence[tuple[Tensor, Tensor, int]], call: int) -> list[list[tuple[Tensor, Tensor, int]]]:
    """Rows of like lengths together, so that little padding is computed; `call` is what another group costs."""
    groups: list[list[tuple[Tensor, Tensor, int]]] = []
    needed = 0
    for segment in sorted(segments, key=lambda s: (len(s[0]), len(s[1]))):
        size = len(segment[0]) * len(segment[1])
        if groups:
            widest = max(len(k) for _, k, _ in groups[-1] + [segment])
            padded = (len(groups[-1]) + 1) * len(segment[0]) * widest
            if padded <= _PADDING * (needed + size) + call:
                groups[-1].append(segment)
                needed += size
                continue
        groups.append([segment])
        needed = size
    return groups
