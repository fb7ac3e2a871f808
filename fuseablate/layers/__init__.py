"""The layer algebra: what a network is made of, as plain frozen data.

Every row of a spec means one tree of these layers. From that tree alone come the shapes, the
params and the MACs (here, without torch), the `nn.Module` (`network.builder`) and the check that
the two agree (`network.check`). Shapes are those of one image: `(C, H, W)` for a map, `(C,)` once
it is flattened. MACs are the multiply-accumulates of convolutions and linear layers, for one image.
"""

from fuseablate.layers.activations import ACTIVATIONS, Activation
from fuseablate.layers.combinators import (
    AuxHead,
    Children,
    Concat,
    CoordinateGate,
    Gate,
    Residual,
    Seq,
    Split,
    Sum,
    named,
    seq,
)
from fuseablate.layers.primitives import (
    Act,
    ChannelConv,
    ChannelShuffle,
    Conv,
    Dropout,
    DropPath,
    Flatten,
    GlobalPool,
    LayerNorm,
    LayerScale,
    Linear,
    Norm,
    Pad,
    Pool,
    Scale,
    Shift,
    ZeroPadShortcut,
)
from fuseablate.layers.shapes import Cost, Layer, OwnLayer, Pair, Shape, as_map, numel
from fuseablate.layers.trees import Step, canonical, contains, definitions, placed, walk

__all__ = [
    "ACTIVATIONS",
    "Act",
    "Activation",
    "AuxHead",
    "ChannelConv",
    "ChannelShuffle",
    "Children",
    "Concat",
    "Conv",
    "CoordinateGate",
    "Cost",
    "DropPath",
    "Dropout",
    "Flatten",
    "Gate",
    "GlobalPool",
    "Layer",
    "LayerNorm",
    "LayerScale",
    "Linear",
    "Norm",
    "OwnLayer",
    "Pad",
    "Pair",
    "Pool",
    "Residual",
    "Scale",
    "Seq",
    "Shape",
    "Shift",
    "Split",
    "Step",
    "Sum",
    "ZeroPadShortcut",
    "as_map",
    "canonical",
    "contains",
    "definitions",
    "named",
    "numel",
    "placed",
    "seq",
    "walk",
]
