"""The one way to load a data set. Without torch, until one is loaded."""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fuseablate.data.sets import DATA_SETS, MEMORY_LIMIT, Request, Triple, check_val
from fuseablate.errors import InputError, check_name
from fuseablate.plugins import content_of

if TYPE_CHECKING:
    from fuseablate.data.parts import Data


def load_data(
    name: str,
    root: Path | str | None = None,
    *,
    split_seed: int = 0,
    val: int | None = None,
    mean: Triple | None = None,
    std: Triple | None = None,
    memory_limit: int = MEMORY_LIMIT,
    download: bool = True,
    **arguments: int | None,
) -> Data:
    """Return the data set `name` of `DATA_SETS`, its training set split for validation.

    `root` is where the files lie. `split_seed` chooses the validation images, a tenth of each
    class; `val=0` has none, and all images are trained on: for reproductions only, since nothing
    can be chosen then but by the test set. `mean` and `std` of the channels (255 is 1) are
    otherwise the source's for CIFAR, and measured on the training part for the rest.
    `memory_limit` is in bytes. `download` allows CIFAR to come from the network. `arguments` are
    the data set's own, such as `size`, the height and width in pixels.

    Raise `InputError` for an unknown name or argument, for another `val`, and for whatever is wrong
    with the files.
    """
    check_name("data set", name)
    dataset = DATA_SETS.named(name)
    root = Path(root) if root else dataset.root
    if root is None and dataset.needs_root:
        raise InputError(f"{name} data: root: missing; name the folder of the images (--data-root)")
    filled = dataset.filled(arguments)
    check_val(val)
    request = Request(dataset, filled, root, split_seed, mean, std, memory_limit, download, val)
    data: Data = pkgutil.resolve_name(dataset.load)(request)
    if val is not None and len(data.val) != val:
        raise InputError(
            f"{name} data: val = {val}: {data.title} has {len(data.val):,} validation images of "
            "its own; leave val out"
        )
    code = content_of(dataset)
    return replace(data, identity={**data.identity, "plugin": code}) if code else data
