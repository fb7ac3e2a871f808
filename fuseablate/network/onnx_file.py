"""A network as an ONNX file, given out only when onnxruntime computes what torch does."""

from __future__ import annotations

import json
import operator
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from fuseablate.errors import InputError
from fuseablate.layers import GlobalPool, walk
from fuseablate.spec import IMAGE_CHANNELS, Size, Spec

OPSET = 17
ONNX_TOLERANCE = 1e-4  # of the largest logit


def require(*modules: str) -> None:
    """Raise an `InputError` that names the extra to install, where a module is missing."""
    for name in modules:
        try:
            import_module(name)
        except ImportError:
            raise InputError(
                f"export needs {name}, which is not installed: pip install 'fuseablate[export]'"
            ) from None


def check_exportable(spec: Spec, size: Size) -> None:
    """Raise an `InputError` where ONNX has no such pooling: to what does not divide the map."""
    for row in spec.infer(size):
        for step in walk(row.layer, row.in_shape):
            sides, wanted = step.before[1:], step.after[1:]
            if isinstance(step.layer, GlobalPool) and any(map(operator.mod, sides, wanted)):
                maps = ("x".join(map(str, pair)) for pair in (sides, wanted))
                raise InputError(
                    f"row {row.row.id}: ONNX has no pooling of a {' map to '.join(maps)}; use an "
                    "input whose map there has multiples of these sides"
                )


def onnx_file(network: nn.Module, size: Size, about: Mapping[str, Any]) -> tuple[bytes, float]:
    """Return `network` in eval mode as an ONNX file, and how far onnxruntime is from torch.

    The file takes images (N, 3, H, W) to logits (N, classes), N free; `about` is in its metadata
    as JSON. The difference is the largest one on random images, as a share of the largest logit.
    Raise `InputError` where it is above 1e-4.
    """
    require("onnx", "onnxruntime")
    network = network.eval()
    content = _labelled(_exported(network, size), about)
    difference = _difference(network, size, content)
    if not difference <= ONNX_TOLERANCE:
        raise InputError(
            f"onnxruntime differs from torch by {difference:.1e} of the largest logit, "
            f"more than {ONNX_TOLERANCE:.0e}; nothing was written"
        )
    return content, difference


def images(count: int, size: Size) -> Tensor:
    """Return random images (N, 3, H, W), always the same."""
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, IMAGE_CHANNELS, *size, generator=generator)


def _exported(network: nn.Module, size: Size) -> bytes:
    free = {"images": {0: "batch"}, "logits": {0: "batch"}}
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        # The newer exporter needs onnxscript; this one is said to go some day, and works.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                network,
                (images(2, size),),
                str(Path(folder) / "net.onnx"),
                dynamo=False,
                opset_version=OPSET,
                input_names=["images"],
                output_names=["logits"],
                dynamic_axes=free,
            )
        except torch.onnx.errors.OnnxExporterError as error:  # of a plug-in's module
            said = str(error).partition("\n")[0]
            raise InputError(f"torch cannot write the network as ONNX: {said}") from None
        return (Path(folder) / "net.onnx").read_bytes()


def _labelled(content: bytes, about: Mapping[str, Any]) -> bytes:
    import onnx

    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, {"fuseablate": json.dumps(about)})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@torch.no_grad()
def _difference(network: nn.Module, size: Size, content: bytes) -> float:
    from onnxruntime import InferenceSession

    session = InferenceSession(content, providers=["CPUExecutionProvider"])
    worst = 0.0
    for count in (1, 3):
        batch = images(count, size)
        expected = network(batch)
        if not expected.isfinite().all():
            raise InputError(
                "torch's own logits on random images are not finite: there is nothing to compare "
                "with, and nothing was written (batch norms that have seen no data let numbers "
                "grow from layer to layer: export a trained run, or use all.norm=group)"
            )
        computed = torch.from_numpy(session.run(None, {"images": batch.numpy()})[0])
        if computed.shape != expected.shape or not computed.isfinite().all():
            return float("inf")
        scale = expected.abs().max().clamp(min=1e-30)
        worst = max(worst, float((computed - expected).abs().max() / scale))
    return worst
