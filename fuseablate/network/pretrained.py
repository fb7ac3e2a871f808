"""Weights that torchvision or timm publish, brought over to the table of the same network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from itertools import accumulate
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn

from fuseablate.errors import InputError, unknown
from fuseablate.network.builder import build
from fuseablate.spec import Spec, load_spec, shipped_specs

LIBRARIES = ("torchvision", "timm")
AGREEMENT = 1e-4  # of the largest logit
# Modules that the library registers elsewhere than an image meets them, or that our table does.
LAST: dict[str, tuple[str, ...]] = {
    "torchvision:googlenet": ("aux1.", "aux2.", "rows.10.", "rows.14."),
    "torchvision:inception_v3": ("AuxLogits.", "rows.14."),
    "torchvision:regnet_*": ("proj",),
    "timm:resnetv2_*": ("downsample",),
}
# Heads at the side, for training only, which torchvision removes once it has loaded the weights.
HEADS: dict[str, tuple[str, ...]] = {
    "torchvision:googlenet": ("aux1.", "aux2."),
    "torchvision:inception_v3": ("AuxLogits.",),
}
# Networks that go by another name there.
TABLES = {"timm:mobilenetv1_100": "mobilenet_v1"}


@dataclass(frozen=True)
class Published:
    """A network of a library, as `torchvision:resnet18` names it."""

    package: str
    name: str

    @classmethod
    def read(cls, text: str) -> Published:
        """Return what `LIBRARY:NAME` names; raise `InputError` where it is no such name."""
        library, _, name = text.partition(":")
        if library not in LIBRARIES or not name:
            raise InputError(f"'{text}' names no library's network, as torchvision:resnet18 does")
        _library(library, name)
        return cls(library, name)

    @property
    def last(self) -> tuple[str, ...]:
        """Return the modules to pair up last; see `name_map`."""
        full = f"{self.package}:{self.name}"
        return next((last for names, last in LAST.items() if fnmatchcase(full, names)), ())

    def spec(self) -> Spec:
        """Return the shipped table of the same network, or say that there is none."""
        name = self.name.partition(".")[0]  # timm writes where the weights are from after a dot
        name = TABLES.get(f"{self.package}:{name}", name)
        if self.package == "timm" and fnmatchcase(name, "resnetv2_*x*_bit"):
            name = f"bit_r{name.removeprefix('resnetv2_').removesuffix('_bit')}"
        if name not in shipped_specs():
            raise InputError(
                f"{self.package}:{self.name} has no shipped table; name yours with --spec"
            )
        return load_spec(name)

    def make(self, classes: int) -> nn.Module:
        """Return the library's own network, its weights not yet those that it publishes."""
        library = _library(self.package, self.name)
        if self.package == "timm":
            made = library.create_model(self.name, num_classes=classes)
            return cast("nn.Module", made)
        # These two warn that their first weights take long to draw; they are not used here.
        quiet = {"init_weights": False} if self.name in ("googlenet", "inception_v3") else {}
        made = library.models.get_model(self.name, num_classes=classes, **quiet)
        return cast("nn.Module", made)

    def state(self) -> Mapping[str, Tensor]:
        """Return the weights that the library publishes; they are downloaded, and kept by torch."""
        library = _library(self.package, self.name)
        try:
            if self.package == "timm":
                model = library.create_model(self.name, pretrained=True)
                return cast("Mapping[str, Tensor]", model.state_dict())
            weights = library.models.get_model_weights(self.name).DEFAULT
            return cast("Mapping[str, Tensor]", weights.get_state_dict(check_hash=True))
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"the weights of {self.package}:{self.name} could not be downloaded ({error}); "
                "--state FILE takes a state dict from a file"
            ) from None


def _library(library: str, name: str) -> ModuleType:
    """Return the library, in which the network is known."""
    try:
        module = import_module(library)
    except ImportError:
        raise InputError(f"{library} is not installed: pip install {library}") from None
    if library == "timm":
        names, known = module.list_models(), module.is_model(name.partition(".")[0])
    else:
        names = module.models.list_models(module=module.models)
        known = name in names
    if not known:
        raise unknown(f"network of {library}", name, names)
    return module


@dataclass(frozen=True)
class BroughtOver:
    """Published weights under the names of a spec, and how exact they are there."""

    spec: Spec
    """With as many classes as the weights."""
    weights: Mapping[str, Tensor]
    difference: float
    """The largest one between the library's logits and ours on one random image, as a share of
    the largest logit."""
    initial: tuple[str, ...]
    """Our rows that are not in the state dict, heads for training, whose weights are those that
    the network begins with."""


@torch.no_grad()
def brought_over(published: Published, state: Mapping[str, Tensor], spec: Spec) -> BroughtOver:
    """Return published weights for a spec; `InputError` where the two are not the same network."""
    what = f"{published.package}:{published.name}"
    if not state:
        raise InputError(f"{what}: the state dict is empty")
    last = list(state.values())[-1]  # the classifier's bias
    if last.ndim == 0:
        raise InputError(f"the state dict is not that of {what}: it ends in a single number")
    classes = len(last)
    try:
        spec = spec.with_classes(classes)
    except InputError as error:
        raise error.within(f"the state dict of {what}") from None
    theirs, ours = published.make(classes).eval(), build(spec).eval()
    known = theirs.state_dict()
    absent = {name for name in known if name not in state and name.startswith(HEADS.get(what, ()))}
    try:
        theirs.load_state_dict({**{name: known[name] for name in absent}, **state})
    except RuntimeError:
        lacking = sorted((set(known) - absent) ^ set(state))
        named = f"only one of them has {lacking[0]}" if lacking else "a shape differs"
        raise InputError(f"the state dict is not that of {what}: {named}") from None
    if bad := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise InputError(f"the state dict holds numbers in {bad[0]} that are not finite")
    taken = theirs.state_dict()  # in float32, whatever the file has
    weights, initial = ours.state_dict(), []
    for their, our in name_map(ours, taken, published.last).items():
        if their in absent:
            initial.append(our.split(".")[1])  # rows.ROW.rest
        else:
            weights[our] = taken[their].reshape(weights[our].shape)
    ours.load_state_dict(weights)
    image = torch.randn(1, 3, *spec.input, generator=torch.Generator().manual_seed(0))
    expected: Any = theirs(image)
    if not expected.isfinite().all():
        raise InputError(f"{what}: with this state dict its logits are not finite")
    if not expected.any():
        raise InputError(f"{what}: with this state dict its logits are all 0, and tell nothing")
    difference = (ours(image) - expected).abs().max() / expected.abs().max()
    if not difference <= AGREEMENT:
        raise InputError(
            f"{what} and {spec.name} differ by {difference:.1e} of the largest logit: "
            "their tensors pair up, and they are not the same network"
        )
    return BroughtOver(spec, weights, difference.item(), tuple(dict.fromkeys(initial)))


def name_map(
    network: nn.Module, theirs: Mapping[str, Tensor], last: Iterable[str] = ()
) -> dict[str, str]:
    """Return our name of each tensor of another network's state: theirs to ours.

    Both networks name their tensors in the order in which an image meets them, so that they pair
    up one by one; each pair must have one shape, but for sides of 1 (a 1x1 convolution is a
    linear layer on vectors). `last` are modules, theirs or ours, that the other one registers
    elsewhere: prefixes of names, such as `aux`, or the modules of a name at any depth, such as
    `downsample` in each block. Their tensors are put at the end of what the module is in.
    Raise `InputError` for the first pair that differs.
    """
    modules = [name.rstrip(".") for name in last]
    state = network.state_dict()
    ours = {name: state[name] for name in _moved(list(state), modules)}
    pairs = dict(zip(_moved(list(theirs), modules), ours, strict=False))
    for their, our in pairs.items():
        if _core(theirs[their]) != _core(ours[our]):
            raise InputError(
                f"tensor {their} has the shape {tuple(theirs[their].shape)}, and {our}, which "
                f"stands in its place, {tuple(ours[our].shape)}; the networks are not the same"
            )
    if len(theirs) != len(ours):
        raise InputError(
            f"there are {len(theirs)} tensors, and the network has {len(ours)}; "
            "the networks are not the same"
        )
    return pairs


def _moved(names: list[str], last: list[str]) -> list[str]:
    """Return the names with those of the modules `last` at the end of the module they are in."""
    modules = {name: list(accumulate(name.split("."), "{}.{}".format)) for name in names}
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        for module in modules[name]:
            first.setdefault(module, place)

    def is_last(module: str) -> bool:
        return module.startswith(tuple(last)) or module.rpartition(".")[2] in last

    return sorted(names, key=lambda name: [(is_last(m), first[m]) for m in modules[name]])


def _core(tensor: Tensor) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape
