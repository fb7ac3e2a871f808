"""Cycles of products cross-checked with SCALE-Sim v3, which counts each tile as a whole one."""

from __future__ import annotations

import numpy as np
import pytest
from scalesim.compute.systolic_compute_os import systolic_compute_os
from scalesim.scale_config import scale_config

from fuseablate.cost.systolic import SystolicArray, cycles
from fuseablate.layers import Conv


def simulated(s: int, t: int, m: int, array: SystolicArray) -> int:
    """Return the cycles in which the simulator feeds S x T by T x M to an array."""
    config = scale_config()
    config.array_rows, config.array_cols = array.rows, array.columns
    config.force_valid()
    simulator = systolic_compute_os()
    simulator.set_params(
        config,
        ifmap_op_mat=np.arange(s * t).reshape(s, t),
        filter_op_mat=np.arange(t * m).reshape(t, m),
        ofmap_op_mat=np.arange(s * m).reshape(s, m),
    )
    demands = simulator.get_demand_matrices()
    (count,) = {len(demand) for demand in demands}
    return count


@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (8, 3), (3, 8), (16, 16)], ids=str)
@pytest.mark.parametrize(("s", "t", "m"), [(5, 7, 4), (64, 9, 1), (1, 40, 33), (49, 24, 17)])
def test_whole_tiles_take_what_the_simulator_takes(
    rows: int, columns: int, s: int, t: int, m: int
) -> None:
    whole = SystolicArray(rows=rows, columns=columns, edges="whole")
    assert whole.product(s, t, m) == simulated(s, t, m, whole)
    # Shrunk tiles end as soon as their own last cell does, which the simulator does not know of;
    # and the authors of FuSeConv count one cycle more for each tile.
    tiles = -(-s // rows) * -(-m // columns)
    shrunk = whole.replace(edges="shrunk").product(s, t, m)
    assert shrunk <= simulated(s, t, m, whole) + tiles


def test_a_depthwise_filter_is_a_product_for_each_channel() -> None:
    whole = SystolicArray(rows=8, columns=8, edges="whole", broadcast=True)
    conv = Conv(5, 5, (3, 3), (2, 2), (1, 1), groups=5)  # 7x7 to 4x4
    assert cycles(conv, (5, 7, 7), whole) == 5 * simulated(16, 9, 1, whole)
