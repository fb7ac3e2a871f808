"""Networks of other libraries against tables: the same function, not only the same size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fuseablate import measure
from fuseablate.network.builder import to_module
from fuseablate.network.check import verify
from fuseablate.network.pretrained import name_map
from fuseablate.spec.spec import Spec


@torch.no_grad()
def randomise(network: nn.Module, seed: int = 0) -> None:
    """Draw every weight, bias and running statistic, so that no part of a network is idle."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            noise = 0.5 + noise.abs()
        elif tensor.dim() > 1:
            noise.mul_((2 / tensor[0].numel()) ** 0.5)
        elif name.endswith("weight"):
            noise = 1 + 0.2 * noise
        else:
            noise.mul_(0.2)
        tensor.copy_(noise)


def same_function(
    spec: Spec,
    make: Callable[[], nn.Module],
    size: tuple[int, int],
    last: Iterable[str] = (),
    *,
    gradients: bool = False,
) -> None:
    """Assert that table and reference compute the same in eval mode, to 1e-4 (relative).

    In double precision, so that a difference is one of function and not of rounding. Neither is
    initialised: the reference's weights are drawn here, and then taken over. `last` is that of
    `fuseablate.network.pretrained`.
    """
    with torch.device("meta"):
        reference, ours = make().double().eval(), to_module(spec.layers(size)).eval()
    reference = reference.to_empty(device="cpu").requires_grad_(False)
    randomise(reference)
    ours.load_state_dict(converted(ours, reference.state_dict(), last), assign=True)
    ours.requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64)
    mine, theirs = images.clone().requires_grad_(), images.clone().requires_grad_()
    y, expected = ours(mine), reference(theirs)
    assert expected.shape == y.shape == (2, spec.classes)
    assert expected.std(dim=0).max() > 1e-6 * expected.abs().max()  # no constant function
    assert torch.allclose(y, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    if gradients:
        weights = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
        (y * weights).sum().backward()
        (expected * weights).sum().backward()
        assert mine.grad is not None
        assert theirs.grad is not None
        scale = theirs.grad.abs().max().item()
        assert scale > 0
        assert torch.allclose(mine.grad, theirs.grad, rtol=1e-4, atol=1e-4 * scale)


def same_size(
    spec: Spec, make: Callable[[], nn.Module], size: tuple[int, int] | None = None
) -> None:
    """Assert equal params and MACs, the reference's counted by torch on its meta device."""
    size = size or spec.input
    with torch.device("meta"):
        reference = make().eval()
        image = torch.empty(1, 3, *size)
    cost = measure(spec, size)
    assert cost.params == sum(parameter.numel() for parameter in reference.parameters())
    assert cost.macs == reference_macs(reference, image)


@torch.no_grad()
def reference_macs(reference: nn.Module, image: torch.Tensor) -> int:
    """Return the multiply-accumulates of convolutions and linear layers, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        reference(image)
    return int(counter.get_total_flops()) // 2


def check_costs(spec: Spec, size: tuple[int, int] | None = None) -> None:
    """Assert that the built network has the shapes, params and MACs of each row."""
    assert verify(spec, size) == []


def converted(
    network: nn.Module, theirs: Mapping[str, Tensor], last: Iterable[str] = ()
) -> dict[str, Tensor]:
    """Return another network's state under our names and in our shapes; see `name_map`."""
    ours = network.state_dict()
    pairs = name_map(network, theirs, last)
    return {our: theirs[their].reshape(ours[our].shape) for their, our in pairs.items()}
