"""The smallest row of each op."""

from __future__ import annotations

from typing import Any

# What a row of each op must name, in the smallest way; of the rest, the defaults.
NEEDED: dict[str, dict[str, Any]] = {
    "conv": {"kernel": 3, "out": 24, "norm": "batch", "nl": "relu"},
    "fuse": {"kernel": 3, "exp": 24, "out": 16, "se": False, "nl": "relu"},
    "mbconv": {"kernel": 3, "exp": 24, "out": 16, "se": False, "nl": "relu"},
    "shift": {"kernel": 3, "exp": 24, "out": 16, "se": False, "nl": "relu"},
    "basic": {"out": 16},
    "bottle": {"inner": 8, "out": 16},
    "preact": {"inner": 8, "out": 16},
    "inception": {
        "b1": {"kernel": "1x1", "out": 8},
        "b2": {"kernel": "1x1,3x3,1x3+3x1", "out": "4,6,8"},
        "b3": {"pool": "max", "kernel": "1x1", "out": 4},
    },
    "reduction": {"b1": {"kernel": "1x1,3x3", "out": 8}, "b2": {"pool": "max"}},
    "inception_res": {"b1": {"kernel": "1x1", "out": 8}, "b2": {"kernel": "3x3", "out": 8}},
    "aux": {"weight": 0.3, "out": 8},
    "fire": {"squeeze": 8, "expand1": 8, "expand3": 8},
    "mlpconv": {"kernel": 3, "out": "8,12"},
    "dense": {"growth": 8},
    "transition": {},
    "norm": {},
    "ghost": {"out": 24},
    "bsconv": {"out": 24},
    "shuffle": {"out": 24},
    "convnext": {},
    "eca": {},
    "coordinate": {},
    "pool": {},
    "maxpool": {"kernel": 2},
    "avgpool": {"kernel": 2},
}
