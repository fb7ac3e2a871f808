"""The figures of the page: their frames, controls and keys; the script draws in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fuseablate.io.escaping import html
from fuseablate.report.comparison import ComparedVariant, Comparison
from fuseablate.report.files.dots import Dot

COSTS = {"macs": "MACs", "params": "Params", "latency": "Latency"}
MEASURES = {
    "val_top1": "Validation top-1",
    "train_top1": "Training top-1",
    "val_loss": "Validation loss",
    "train_loss": "Training loss",
}


def scatter(at: int, metric: str, dots: Sequence[Dot], comparison: Comparison) -> str:
    """Return the frame of the plot of accuracy against cost; `at` is the comparison's number."""
    costs = {
        key: title
        for key, title in COSTS.items()
        if any(getattr(dot, key) is not None for dot in dots)
    }
    drawn = {dot.key for dot in dots}
    keys = [
        f'<span class="key" data-index="{index}"{_equal(variant)}><code>{html(variant.short)}'
        "</code></span>"
        for index, variant in enumerate(comparison.variants)
        if variant.key in drawn
    ]
    return f"""<h2>{html(metric)} against cost</h2>
<figure class="scatter" data-of="{at}">
<div class="controls" role="group" aria-label="Cost on the horizontal axis">
{_buttons("cost", costs)}
</div>
<div class="canvas"></div>
<div class="tip" role="status" hidden></div>
<div class="controls">{"".join(keys)}</div>
<figcaption>Large marks: means; small dots: seeds; bars: the 95 % interval of the difference to
the reference (the dashed line), around the mean; steps: the Pareto front. Hollow marks: rescaled
to the reference&rsquo;s cost. <span class="hint">Point at a mark, or go to it with the tab key, for
its edits.</span></figcaption>
</figure>"""


def curves(at: int, comparison: Comparison) -> str:
    """Return the frame of the training curves."""
    keys = [
        f'<button type="button" class="key" data-variant="{index}" data-index="{index}"'
        f"{_equal(variant)}><code>{html(variant.short)}</code></button>"
        for index, variant in enumerate(comparison.variants)
        if any(len(run.curves) for run in variant.runs)
    ]
    return f"""<h2>Training</h2>
<figure class="curves" data-of="{at}">
<div class="controls" role="group" aria-label="What is drawn">
{_buttons("measure", MEASURES)}
</div>
<div class="canvas"></div>
<div class="controls" role="group" aria-label="Variants that are drawn">{"".join(keys)}</div>
<figcaption>Lines: means over seeds; bands: from the lowest to the highest seed. Training values
are those of the batches as trained on (augmented, with dropout and label smoothing).</figcaption>
</figure>"""


def _buttons(what: str, titles: dict[str, str]) -> str:
    """Return buttons of which one is pressed: the first."""

    def each() -> Iterable[str]:
        for number, (key, title) in enumerate(titles.items()):
            pressed = "true" if number == 0 else "false"
            yield (
                f'<button type="button" data-{what}="{key}" aria-pressed="{pressed}">'
                f"{html(title)}</button>"
            )

    return "\n".join(each())


def _equal(variant: ComparedVariant) -> str:
    return ' data-equal="yes"' if variant.iso_of else ""
