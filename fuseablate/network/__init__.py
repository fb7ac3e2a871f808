"""The network as torch runs it: a spec's tree of layers made into modules.

In comes a `Spec`; out come an `nn.Module` with its first weights (`build`), one with weights that
torchvision or timm publish (`pretrained`), an ONNX file (`onnx_file`), and what fvcore counts of it
beside our own arithmetic (`check`).
"""

from __future__ import annotations

from fuseablate.network.builder import PRIMITIVE_MODULES, build, initialise, to_module

__all__ = [
    "PRIMITIVE_MODULES",
    "build",
    "initialise",
    "to_module",
]
