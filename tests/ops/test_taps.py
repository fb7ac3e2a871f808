"""A head at the side in training: its loss counts with its weight, and not at all in a score."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fuseablate.data.batches import TrainBatches
from fuseablate.spec.spec import Spec
from fuseablate.streams import stream
from fuseablate.training import SilentProgress
from fuseablate.training.epoch import Trained, train_epoch
from fuseablate.training.evaluate import evaluate
from fuseablate.training.stack import Stack
from fuseablate.training.state import TrainingState
from fuseablate.training.steps import Steps
from tests.helpers.small_run import CLASSES, small_data, small_recipe

WEIGHT = 0.3


def tapped() -> Spec:
    conv = {"op": "conv", "kernel": 3, "out": 8, "norm": "batch", "nl": "relu", "stride": 2}
    rows = [
        {"id": "1", **conv},
        {"id": "2", "op": "aux", "weight": WEIGHT, "size": 2, "kernel": 1, "out": 8, "hidden": 12},
        {"id": "3", **conv},
        {"id": "4", "op": "pool"},
        {"id": "5", "op": "conv", "kernel": 1, "out": "classes", "bias": True, "form": "linear"},
    ]
    return Spec.from_dict({"name": "tapped", "input": 16, "classes": CLASSES, "rows": rows})


def logits_by_hand(weights: dict[str, Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits and those of the head at the side, while training."""

    def conv(x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        x = F.conv2d(x, weights[f"{name}.conv.weight"], stride=stride, padding=padding)
        scale, shift = weights[f"{name}.norm.weight"], weights[f"{name}.norm.bias"]
        return F.relu(F.batch_norm(x, None, None, scale, shift, training=True))

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    x = conv(images, "rows.1", stride=2, padding=1)
    # A map of 8x8 in windows of 4x4 is a map of 2x2.
    side = conv(F.avg_pool2d(x, 4), "rows.2.head.conv1").flatten(1)
    side = linear(F.relu(linear(side, "rows.2.head.hidden")), "rows.2.head.linear")
    x = conv(x, "rows.3", stride=2, padding=1).mean(dim=(2, 3))
    return linear(x, "rows.5.conv"), side


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> Tensor:
    right = logits[torch.arange(len(labels)), labels]
    return (logits.exp().sum(dim=1).log() - right).mean()


def test_a_step_trains_on_the_weighted_losses() -> None:
    data = small_data()
    recipe = small_recipe(
        batch_size=216, momentum=0.0, nesterov=False, weight_decay=0.0, schedule={"kind": "cosine"}
    )
    state = TrainingState(tapped(), recipe, 5, (16, 16), torch.device("cpu"))
    # The optimizer changes the weights in place, and a linear layer's first ones are small.
    with torch.no_grad():
        for name, tensor in state.network.named_parameters():
            if "linear" in name or "hidden" in name or "rows.5" in name:
                tensor.add_(torch.randn(tensor.shape, generator=stream(5, name)) * 0.3)
    before = {
        name: tensor.detach().clone().requires_grad_()
        for name, tensor in state.network.named_parameters()
    }

    def batches() -> TrainBatches:
        order, augment = [stream(5, "order")], [stream(5, "augment")]
        return TrainBatches(data.train, data, 216, "cpu", order=order, augment=augment)

    ((images, labels),) = batches()
    logits, side = logits_by_hand(before, images)
    losses = [negative_log_likelihood(output, labels) for output in (logits, side)]
    expected = losses[0] + WEIGHT * losses[1]
    expected.backward()  # type: ignore[no-untyped-call]

    stack = Stack(tapped().layers((16, 16)), [state])
    (epoch,) = train_epoch(Steps(stack, batches()), [SilentProgress()])
    assert isinstance(epoch, Trained)
    assert abs(epoch.loss - expected.item()) < 1e-5
    assert abs(losses[1].item() - losses[0].item()) > 0.01
    for name, after in state.network.named_parameters():
        start = before[name]
        assert start.grad is not None
        moved = start.detach() - 0.1 * start.grad
        torch.testing.assert_close(after.detach(), moved, rtol=1e-4, atol=1e-6, msg=name)
        if name.startswith("rows.2.") and name.endswith("weight"):
            assert start.grad.abs().max() > 0


def test_a_score_leaves_the_head_out() -> None:
    data, recipe, cpu = small_data(), small_recipe(), torch.device("cpu")
    with_head = TrainingState(tapped(), recipe, 5, (16, 16), cpu).network
    without = TrainingState(tapped().edit("2.weight=0"), recipe, 5, (16, 16), cpu).network
    state = with_head.state_dict()
    without.load_state_dict({name: state[name] for name in without.state_dict()})
    assert len(without.state_dict()) < len(state)
    scores = [evaluate(network, data.val, data, cpu) for network in (with_head, without)]
    assert scores[0] == scores[1]
