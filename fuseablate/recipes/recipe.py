"""The recipe: how a network is trained, as a frozen, checked table. Without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from fuseablate.errors import InputError
from fuseablate.io.checked import Schema, under
from fuseablate.io.escaping import toml
from fuseablate.recipes.parts import (
    AUGMENTATIONS,
    OPTIMIZER_CLASSES,
    Factory,
    check_options,
    code_of,
    takes_weight_decay,
)
from fuseablate.recipes.schedules import BelowOne, Cosine, Positive, Schedule, check_spans

_RunId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]

# What recipes have keys of their own for, besides the rate and the weight decay, by optimizer, with
# torch's defaults; the rest are `optimizer_options`.
OPTIMIZERS: dict[str, dict[str, object]] = {
    "sgd": {"momentum": 0.0, "nesterov": False},
    "adam": {"betas": [0.9, 0.999]},
    "adamw": {"betas": [0.9, 0.999]},
    "adamax": {"betas": [0.9, 0.999]},
    "rmsprop": {"momentum": 0.0},
    "nadam": {"betas": [0.9, 0.999]},
    "radam": {"betas": [0.9, 0.999]},
}


class EarlyStop(Schema):
    """Stop when the watched loss has not reached a new low for `patience` epochs."""

    monitor: Literal["validation", "training"] = "validation"
    """Whose loss is watched."""
    patience: Annotated[int, Field(ge=1)]
    """Epochs without a new low."""


class Augmentation(Schema):
    """A transform of each image of a batch in training."""

    name: str
    """What it is called, as torchvision's transforms or a plug-in's are."""
    options: Mapping[str, Any] = {}
    """Its own, as its signature has them."""

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        check_options(self.name, AUGMENTATIONS.named(self.name), self.options)
        return self


def _run_id(given: object) -> object:
    if not (isinstance(given, str) and re.fullmatch(r"[0-9a-f]{16}", given)):
        raise ValueError(
            "must be the id of a run, its 16 digits, as 'fuseablate runs show' prints it"
        )
    return given


class Teacher(Schema):
    """A trained run whose outputs are learned from, beside the labels.

    Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.
    """

    run: Annotated[str, BeforeValidator(_run_id, json_schema_input_type=_RunId)]
    """The id of a run of the same store, on the same data; its weights stay as they are."""
    temperature: Positive = 4.0
    """What both networks' logits are divided by before they are compared."""
    weight: Annotated[float, Field(gt=0, le=1)] = 0.9
    """The share of the comparison in the loss; the rest is the labels'."""


_Augmentation = Annotated[
    Augmentation, BeforeValidator(under("name", str), json_schema_input_type=str | Augmentation)
]
_Teacher = Annotated[
    Teacher, BeforeValidator(under("run", str), json_schema_input_type=str | Teacher)
]


class Recipe(Schema):
    """How to train: optimizer, rate, schedule, length, regularisation, precision."""

    name: str = ""
    """What reports call it; by default the file's name."""
    title: str = ""
    """What it is, in a few words."""
    epochs: Annotated[int, Field(ge=1)]
    """Passes over the training images."""
    batch_size: Annotated[int, Field(ge=1)]
    """Images of one step."""
    optimizer: str
    """One of torch's, or a plug-in's."""
    optimizer_options: Mapping[str, Any] = {}
    """Its own, as its signature has them, where they are not torch's defaults."""
    lr: Positive
    """The learning rate, of which the schedule takes shares."""
    momentum: BelowOne | None = None
    """Of SGD and RMSprop."""
    nesterov: bool | None = None
    """Whether SGD's momentum is Nesterov's."""
    betas: Annotated[tuple[BelowOne, BelowOne], Field(strict=False)] | None = None
    """The two decays of Adam's averages."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """The factor of the weights that is added to their gradients (decoupled in AdamW)."""
    weight_decay_norm: bool = True
    """Whether parameters of one dimension (norms, biases) decay too."""
    schedule: Schedule = Cosine()
    """How the rate changes over the run."""
    label_smoothing: BelowOne = 0.0
    """The share of each label that is spread evenly over all classes."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """The alpha of MixUp's Beta distribution; 0 mixes nothing."""
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    """The alpha of CutMix's Beta distribution; 0 pastes nothing."""
    orthonormal: Annotated[float, Field(ge=0)] = 0.0
    """The weight of BSConv-S's penalty, the Frobenius norm of W W^T - 1 of each linear 1x1
    convolution, of one group and to no more channels than come in, that an op names `project` (at
    a branch's end, as in an inverted bottleneck) or `subspace` (first in a `bsconv`); 0.1 as
    published."""
    augment: Annotated[tuple[_Augmentation, ...], Field(strict=False)] = ()
    """Behind the crop and the flip, in this order, image by image."""
    teacher: _Teacher | None = None
    """A run to learn from: its id, or a table with temperature and weight, too."""
    clip_norm: Positive | None = None
    """The norm to which larger gradients are clipped."""
    early_stop: EarlyStop | None = None
    """Ends a run whose loss no longer falls."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The decay of the average of the weights that is tested in their place."""
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    """What is multiplied, on GPUs: float32 itself, float32 whose products are rounded to TF32, or
    autocast to bf16. Weights, sums and statistics are float32 in each."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        self._optimizer_fits()
        if self.mixup and self.cutmix:
            raise ValueError("cutmix: mixup mixes the same batches; set one of them to 0")
        for key in ("momentum", "nesterov", "betas"):
            takers = [name for name, keys in OPTIMIZERS.items() if key in keys]
            own = getattr(self, key) is not None
            if own and self.optimizer not in takers:
                raise ValueError(
                    f"{key}: {self.optimizer} takes none (those that do: {', '.join(takers)})"
                )
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov = true: needs a momentum above 0")
        check_spans(self.schedule, self.epochs)
        return self

    def _optimizer_fits(self) -> None:
        name = self.optimizer
        factory = OPTIMIZER_CLASSES.named(name)
        for key in self.optimizer_options:
            if key in OPTIMIZERS.get(name, {}):
                raise ValueError(f"optimizer_options.{key}: is a key of the recipe; write {key}")
        check_options(name, factory, self.optimizer_options)
        if self.weight_decay and not takes_weight_decay(factory):
            raise ValueError(f"weight_decay = {self.weight_decay}: {name} takes none; use 0")

    def check_images(self, count: int, title: str) -> None:
        """Raise `InputError` where the `count` training images of a data set fill no batch."""
        if self.batch_size > count:
            raise InputError(
                f"recipe {self.name}: batch_size = {self.batch_size}: must be at most the "
                f"{count} training images of {title}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return what determines the training, in one form: no name, no title, nothing unset."""
        settings = self.model_dump(mode="json", exclude={"name", "title"}, exclude_none=True)
        # These came later than the first records: where they are off, those digests stay.
        for key in ("mixup", "cutmix", "orthonormal", "augment", "optimizer_options"):
            if not settings[key]:
                del settings[key]
        code = {name: digest for name, part in self.parts().items() if (digest := code_of(part))}
        if code:
            settings["plugins"] = code
        return {**OPTIMIZERS.get(self.optimizer, {}), **settings}

    def parts(self) -> dict[str, Factory]:
        """Return the optimizer and the augmentations by their names."""
        parts = {
            augmentation.name: AUGMENTATIONS[augmentation.name] for augmentation in self.augment
        }
        return {self.optimizer: OPTIMIZER_CLASSES[self.optimizer], **parts}

    def with_epochs(self, epochs: int) -> Recipe:
        """Return the recipe at another length, which stands in its name, and no other one."""
        named = self.replace(name=re.sub(r" epochs=\d+\b", "", self.name))
        return changed(named, {"epochs": epochs})


def changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe with some fields changed, and the changes in its name.

    Another optimizer starts from its own defaults: momentum, Nesterov, betas and options of the
    one before fall away. Raise `InputError` for a change that the recipe refuses.
    """
    if not changes:
        return recipe
    fresh: dict[str, Any] = {}
    if changes.get("optimizer", recipe.optimizer) != recipe.optimizer:
        fresh = {key: None for keys in OPTIMIZERS.values() for key in keys}
        fresh["optimizer_options"] = {}
    label = " ".join(f"{key}={_written(value)}" for key, value in changes.items())
    return recipe.replace(**{"name": f"{recipe.name} {label}", **fresh, **changes})


def _written(value: Any) -> str:
    """Return a value in words: tables and lists, such as a schedule, as TOML has them."""
    return toml(value) if isinstance(value, Mapping | list | tuple) else str(value)


def changes_of(recipe: Recipe, base: Recipe) -> str:
    """Return what a recipe that `changed` made of `base` changes, in words; empty for the same."""
    return "" if recipe == base else recipe.name.removeprefix(f"{base.name} ")
