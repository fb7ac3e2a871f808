"""What each kind of layer makes and holds of memory, forwards and backwards.

A tree of layers is run with blocks of memory in place of tensors (`cost.allocation`). What is
counted outlives the operator that made it: the workspaces that a library's kernels take for
themselves depend on the machine, and are not known here. The modules are those of the shipped
training path: channels-last memory, float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fuseablate.cost.allocation import Block, Pass, Tensor
from fuseablate.layers import (
    ACTIVATIONS,
    Act,
    AuxHead,
    ChannelConv,
    ChannelShuffle,
    Children,
    Concat,
    Conv,
    CoordinateGate,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    GlobalPool,
    Layer,
    LayerNorm,
    LayerScale,
    Linear,
    Norm,
    Pad,
    Pool,
    Residual,
    Scale,
    Seq,
    Shift,
    Split,
    Sum,
    ZeroPadShortcut,
    numel,
)

PLACE_BYTES = 8  # bytes of a place that max pooling remembers


def through(run: Pass, layer: Layer, x: Tensor, apart: bool = True) -> Tensor:
    """Return what comes out of a layer; one that stands `apart` never works in place.

    It is the first of several, or follows a matrix product, which returns a view.
    """
    if isinstance(layer, Act):
        return _act(run, layer, x, apart)
    # A primitive of a plug-in is taken to write a new map, and to need its input backwards.
    return _FORWARD.get(type(layer), _weighted)(run, layer, x)


def _chain(run: Pass, children: Children, x: Tensor) -> Tensor:
    apart = True
    for _, child in children:
        x = through(run, child, x, apart)
        view = LayerNorm | ChannelShuffle
        apart = isinstance(child, view) or (isinstance(child, Conv) and _is_product(child))
    return x


def _residual(run: Pass, layer: Residual, x: Tensor) -> Tensor:
    y = _chain(run, layer.children, x)
    return run.out(run.map(x.shape), x.shape, [x, y], lambda gradient: [gradient, gradient])


def _sum(run: Pass, layer: Sum, x: Tensor) -> Tensor:
    (_, head), *others = layer.children
    total = through(run, head, x)
    for _, child in others:
        y = through(run, child, x)
        both = [total, y]
        del y
        total = run.out(run.map(total.shape), total.shape, both, lambda grad: [grad, grad])
        del both
    return total


def _concat(run: Pass, layer: Concat, x: Tensor) -> Tensor:
    return _joined(
        run, [through(run, child, x, at == 0) for at, (_, child) in enumerate(layer.children)]
    )


def _joined(run: Pass, parts: list[Tensor]) -> Tensor:
    shape, count = (sum(part.shape[0] for part in parts), *parts[0].shape[1:]), len(parts)
    return run.out(run.map(shape), shape, parts, lambda gradient: [gradient] * count)


def _split(run: Pass, layer: Split, x: Tensor) -> Tensor:
    whole, count = x.shape, len(layer.children)
    part = (whole[0] // count, *whole[1:])
    parts = []
    for place, (_, child) in enumerate(layer.children):
        view = run.out(x.block, part, [x], lambda _: [run.map(whole)])
        parts.append(through(run, child, view, place == 0))
    return _joined(run, parts)


def _gate(run: Pass, layer: Gate, x: Tensor) -> Tensor:
    return _times(run, x, _chain(run, layer.children, x))


def _times(run: Pass, x: Tensor, factors: Tensor) -> Tensor:
    shape, fewer = x.shape, factors.shape

    def backward(gradient: Block) -> list[Block]:
        of_map, of_factors = run.map(shape), run.map(shape)
        del of_factors  # summed over the map
        return [of_map, run.map(fewer)]

    return run.out(run.map(shape), shape, [x, factors], backward, x.block, factors.block)


def _coordinate_gate(run: Pass, gate: CoordinateGate, x: Tensor) -> Tensor:
    whole, (both, *strips) = x.shape, gate.parts(x.shape)
    means = [
        run.out(run.map(shape), shape, [x], lambda _: [run.map(whole)])
        for shape in ((whole[0], whole[1], 1), (whole[0], 1, whole[2]))
    ]
    (_, trunk), *gates = gate.children
    inner = through(run, trunk, _joined(run, means)._replace(shape=both))
    del means
    joined = inner.shape
    for (_, child), strip in zip(gates, strips, strict=True):
        part = run.out(inner.block, strip, [inner], lambda _: [run.map(joined)])
        factors = through(run, child, part)
        x = _times(run, x, factors)
    return x


def _aux_head(run: Pass, layer: AuxHead, x: Tensor) -> Tensor:
    if run.training:
        run.add_head(_chain(run, layer.children, x))
    return x


def _weighted(run: Pass, layer: Layer, x: Tensor, *saved: object) -> Tensor:
    """Return what a layer with parameters puts out; the image itself needs no gradient."""
    (shape, cost), before, is_image = layer.infer(x.shape), x.shape, x.node is None

    def backward(gradient: Block) -> list[Block]:
        own = run.block(0) if is_image else run.map(before)
        run.gradient_of(cost.params)
        return [own]

    return run.out(run.map(shape), shape, [x], backward, x.block, *saved)


def _conv(run: Pass, conv: Conv, x: Tensor) -> Tensor:
    if not conv.standardised:
        return _weighted(run, conv, x)
    # The standardised kernels and, where their memory is not in that order, a copy in rows.
    weights = conv.infer(x.shape)[1].params * (1 if conv.kernel == (1, 1) else 2)
    return _weighted(run, conv, x, run.weights(weights))


def _is_product(conv: Conv) -> bool:
    """Whether it is computed as one matrix product (`network.modules.fast`)."""
    plain = conv.groups == 1 and not conv.standardised
    return plain and conv.kernel == conv.stride == (1, 1) and conv.padding == (0, 0)


def _norm(run: Pass, norm: Norm, x: Tensor) -> Tensor:
    statistics = run.map((2 * norm.groups,)) if norm.groups else run.weights(2 * norm.channels)
    return _weighted(run, norm, x, statistics)


def _layer_norm(run: Pass, norm: LayerNorm, x: Tensor) -> Tensor:
    return _weighted(run, norm, x, run.map((2, *x.shape[1:])))  # each position's mean and spread


def _layer_scale(run: Pass, scale: LayerScale, x: Tensor) -> Tensor:
    shape = x.shape

    def backward(gradient: Block) -> list[Block]:
        of_map, of_factors = run.map(shape), run.map(shape)
        run.gradient_of(scale.channels)
        del of_factors
        return [of_map]

    return run.out(run.map(shape), shape, [x], backward, x.block)


def _act(run: Pass, act: Act, x: Tensor, apart: bool) -> Tensor:
    kind, shape = ACTIVATIONS[act.kind], x.shape

    def backward(gradient: Block) -> list[Block]:
        return [run.map(shape)]

    if kind.inplace and not apart:
        # What its backward pass reads, if not the result, is copied before it is overwritten.
        saved = x.block if kind.saves_result or not run.training else run.map(shape)
        return run.out(x.block, shape, [x], backward, saved)
    block = run.map(shape)
    return run.out(block, shape, [x], backward, block if kind.saves_result else x.block)


def _pool(run: Pass, pool: Pool, x: Tensor) -> Tensor:
    places = None
    if pool.kind == "max" and run.training:
        places = run.block(PLACE_BYTES * run.batch * numel(pool.infer(x.shape)[0]))
    return run.fresh(pool, x, x.block, places)


def _global_pool(run: Pass, pool: GlobalPool, x: Tensor) -> Tensor:
    return run.fresh(pool, x, *(() if pool.size == (1, 1) else (x.block,)))  # a mean needs no map


def _zero_pad_shortcut(run: Pass, cut: ZeroPadShortcut, x: Tensor) -> Tensor:
    shape, before = cut.infer(x.shape)[0], x.shape

    def backward(gradient: Block) -> list[Block]:
        unpadded = run.map((before[0], *shape[1:]))
        whole = run.map(before)
        del unpadded
        return [whole]

    return run.out(run.map(shape), shape, [x], backward)


def _shift(run: Pass, shift: Shift, x: Tensor) -> Tensor:
    shape, before = shift.infer(x.shape)[0], x.shape

    def backward(gradient: Block) -> list[Block]:
        unstrided = run.map(before) if shift.stride > 1 else None
        moved = run.map(before)
        del unstrided
        return [moved]

    block = run.map(before)
    if shift.stride > 1 and run.training:
        block = run.map(shape)  # the 1x1 convolution behind it keeps a copy of the pixels it reads
    return run.out(block, shape, [x], backward)


def _flatten(run: Pass, flatten: Flatten, x: Tensor) -> Tensor:
    return run.out(x.block, (numel(x.shape),), [x], lambda gradient: [gradient])


def _drop(run: Pass, drop: Dropout | DropPath, x: Tensor) -> Tensor:
    if not (run.training and drop.p):
        return x
    mask = run.map(x.shape if isinstance(drop, Dropout) else (1,))
    return run.fresh(drop, x, mask)


_FORWARD: Mapping[type[Layer], Callable[[Pass, Any, Tensor], Tensor]] = {
    Seq: lambda run, seq, x: _chain(run, seq.children, x),
    Residual: _residual,
    Sum: _sum,
    Concat: _concat,
    Split: _split,
    Gate: _gate,
    AuxHead: _aux_head,
    Conv: _conv,
    CoordinateGate: _coordinate_gate,
    Linear: _weighted,
    ChannelConv: _weighted,
    ChannelShuffle: Pass.fresh,
    LayerNorm: _layer_norm,
    LayerScale: _layer_scale,
    Norm: _norm,
    Pool: _pool,
    GlobalPool: _global_pool,
    Pad: Pass.fresh,
    ZeroPadShortcut: _zero_pad_shortcut,
    Shift: _shift,
    Scale: Pass.fresh,
    Flatten: _flatten,
    Dropout: _drop,
    DropPath: _drop,
}
