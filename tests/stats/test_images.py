"""The error that test images add to a difference: by hand, and where all is drawn at random."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

from fuseablate.stats import analyse_scores
from fuseablate.stats.images import image_error, widened

WRONG = [False] * 4
ONE, OTHER = [True, True, False, False], [True, False, True, False]


def test_what_images_add_by_hand() -> None:
    # The images' means are 1, 1/2, 1/2 and 0: their variance is (1/4 + 1/4) / 3, over 4 images
    # 1/24. Seed and image leave 0, 1/2, -1/2, 0 and its negative: squares of 1 over 1 * 3 degrees
    # of freedom, and over the 2 * 4 values 1/24 again: all of it is the seeds' own.
    rights = {"a": {0: WRONG, 1: WRONG}, "b": {0: ONE, 1: OTHER}}
    assert image_error(rights, "b", "a") == 0.0
    # Where both networks do the same nothing is: means of 1, 1, 0 and 0, variance 1/3.
    rights = {"a": {0: WRONG, 1: WRONG}, "b": {0: ONE, 1: ONE}}
    assert image_error(rights, "b", "a") == pytest.approx(100 * math.sqrt(1 / 3 / 4))
    # One seed tells nothing of what networks leave over.
    rights = {"a": {0: WRONG}, "b": {0: ONE}}
    assert image_error(rights, "b", "a") == pytest.approx(100 * math.sqrt(1 / 3 / 4))


def test_networks_of_other_seeds_err_by_themselves() -> None:
    # Means of the variant less the reference's: 1, 1/2, 1/2, 0 less 1/2, 1/2, 0, 0, that is 1/2, 0,
    # 1/2, 0: variance 1/3, over 4 images 1/12. Of both sides' left-overs: 1/24 as above, and of
    # 1/2 -1/2 at the first two images of the reference, rows of mean 1/4: 1/4 -1/4 0 0 and its
    # negative, less their means of 0; squares of 1/4 / 3 / 8.
    base = {2: [True, False, False, False], 3: [False, True, False, False]}
    rights = {"a": base, "b": {0: ONE, 1: OTHER}}
    left = 1 / 24 + 4 * (1 / 2) ** 2 / 3 / 8
    assert image_error(rights, "b", "a") == pytest.approx(
        100 * math.sqrt(max(0.0, 1 / 12 - left)), abs=1e-9
    )


def test_without_results_of_the_same_images_nothing_is_said() -> None:
    assert image_error(None, "b", "a") is None
    assert image_error({"a": {0: ONE}, "b": {}}, "b", "a") is None
    assert image_error({"a": {0: ONE}, "b": {0: ONE[:3]}}, "b", "a") is None


def test_an_interval_of_both_by_hand() -> None:
    base = [True] * 60 + [False] * 40
    other = [True] * 50 + [False] * 10 + [True] * 25 + [False] * 15
    rights = {"a": {0: base, 1: base}, "b": {0: other, 1: other}}
    scores = {"a": {0: 60.0, 1: 60.5}, "b": {0: 75.0, 1: 75.2}}
    seeds = analyse_scores(scores, "a", rights)
    both = widened(seeds)
    # 25 images are gained and 10 lost: variance 0.35 - 0.15^2, over n - 1 = 99.
    error = 100 * math.sqrt((0.35 - 0.0225) / 99)
    assert seeds.deltas[0].robust
    assert both.deltas[0].robust
    reach = (seeds.deltas[0].robust.high - seeds.deltas[0].robust.low) / 2
    wider = math.hypot(reach, float(norm.ppf(0.975)) * error)
    assert both.deltas[0].robust.high == pytest.approx(14.85 + wider)
    assert both.deltas[0].robust.low == pytest.approx(14.85 - wider)
    assert both.deltas[0].p is None
    assert "the error of the test images as well" in both.why
    # Without a result of each image there is no such interval.
    assert widened(analyse_scores(scores, "a")).deltas[0].verdict == "no claim"


@pytest.mark.parametrize(("variants", "seeds"), [(2, 5), (4, 3)])
def test_an_interval_of_both_holds_where_networks_and_images_are_drawn(
    variants: int, seeds: int
) -> None:
    """An image is right where a normal sum exceeds 0, so that the true rates are known.

    Images differ in how hard they are, and in how hard they are to each variant; networks in how
    good they are, alone and with their seed; and in each image's luck.
    """
    rng = np.random.default_rng(3)
    images, repeats = 300, 800
    levels = np.linspace(0, 0.3, variants)
    hard, own, network, seed = 1.5, 0.9, 0.03, 0.05
    spread = math.sqrt(1 + hard**2 + own**2 + network**2 + seed**2)
    truth = 100 * (ndtr(levels / spread) - ndtr(levels[0] / spread))
    missed = {"seeds": 0, "both": 0}
    for _ in range(repeats):
        latent = (
            levels[:, None, None]
            + rng.normal(0, hard, images)
            + rng.normal(0, own, (variants, 1, images))
            + rng.normal(0, network, (variants, seeds, 1))
            + rng.normal(0, seed, (seeds, 1))
            + rng.normal(0, 1, (variants, seeds, images))
        )
        rights = {str(at): dict(enumerate(mine)) for at, mine in enumerate(latent > 0)}
        scores = {name: {run: 100 * float(right.mean()) for run, right in mine.items()}
                  for name, mine in rights.items()}  # fmt: skip
        alone = analyse_scores(scores, "0", rights)
        for name, analysis in (("seeds", alone), ("both", widened(alone))):
            missed[name] += any(
                not interval.low <= truth[int(delta.variant)] <= interval.high
                for delta in analysis.deltas
                if (interval := delta.alike or delta.robust)
            )
    assert missed["seeds"] / repeats > 0.15
    assert missed["both"] / repeats < 0.06
