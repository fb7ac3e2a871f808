"""The optimizers and the augmentations by their names, and their options by their signatures.

Without torch, which is imported when an option is checked.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

from fuseablate.errors import InputError, unknown
from fuseablate.plugins import Registry, content_of

Factory = str | Callable[..., Any]
"""A class or a function that makes one, or where it is: `module:name`."""

# Of torch's optimizers those that take dense gradients of parameters of any shape and no closure:
# not LBFGS, SparseAdam and Muon.
OPTIMIZER_CLASSES: Registry[Factory] = Registry(
    "optimizers",
    {
        "sgd": "torch.optim:SGD",
        "adam": "torch.optim:Adam",
        "adamw": "torch.optim:AdamW",
        "adamax": "torch.optim:Adamax",
        "rmsprop": "torch.optim:RMSprop",
        "nadam": "torch.optim:NAdam",
        "radam": "torch.optim:RAdam",
        "adagrad": "torch.optim:Adagrad",
        "adadelta": "torch.optim:Adadelta",
        "adafactor": "torch.optim:Adafactor",
        "asgd": "torch.optim:ASGD",
        "rprop": "torch.optim:Rprop",
    },
)
_V2 = (
    "AugMix", "AutoAugment", "ColorJitter", "ElasticTransform", "GaussianBlur",
    "RandAugment", "RandomAdjustSharpness", "RandomAffine", "RandomAutocontrast",
    "RandomChannelPermutation", "RandomEqualize", "RandomErasing", "RandomGrayscale",
    "RandomInvert", "RandomPerspective", "RandomPhotometricDistort", "RandomPosterize",
    "RandomRotation", "RandomSolarize", "RandomVerticalFlip", "TrivialAugmentWide",
)  # fmt: skip
AUGMENTATIONS: Registry[Factory] = Registry(
    "augmentations", {name: f"torchvision.transforms.v2:{name}" for name in _V2}
)
# What is no option: it is a key of the recipe, or how the work is done.
_NOT_OPTIONS = {
    "params", "lr", "weight_decay", "foreach", "fused", "maximize", "capturable", "differentiable",
}  # fmt: skip


def resolved(factory: Factory) -> Callable[..., Any]:
    """Return the class or function; torch is imported where it is torch's."""
    made: Callable[..., Any] = (
        pkgutil.resolve_name(factory) if isinstance(factory, str) else factory
    )
    return made


def options_of(factory: Factory) -> tuple[str, ...]:
    """Return the names of the options that a factory takes."""
    parameters = inspect.signature(resolved(factory)).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(p.name for p in parameters if p.kind in named and p.name not in _NOT_OPTIONS)


def takes_weight_decay(factory: Factory) -> bool:
    """Return whether an optimizer does."""
    if isinstance(factory, str):  # torch's own: torch is not imported to look
        return factory != "torch.optim:Rprop"
    return "weight_decay" in inspect.signature(factory).parameters


def check_options(name: str, factory: Factory, options: Mapping[str, Any]) -> None:
    """Raise an `InputError` for an option that the factory does not take."""
    if options:
        known = options_of(factory)
        for key in options:
            if key not in known:
                raise unknown(f"option of {name}", key, known)


def made(name: str, factory: Factory, *arguments: Any, **options: Any) -> Any:
    """Return what a factory makes; an `InputError` says why it makes nothing of these options."""
    try:
        return resolved(factory)(*arguments, **options)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {' '.join(str(error).split())}") from None


def code_of(factory: Factory) -> str:
    """Return the digest of the file that defines a factory of a plug-in, "" for what ships."""
    if isinstance(factory, str) and factory.startswith("torch"):
        return ""
    return content_of(resolved(factory))
