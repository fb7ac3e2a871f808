"""A Ray cluster of several nodes on this machine, for tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.helpers.paths import REPOSITORY

ENVIRONMENT = {
    # The nodes import what the tests do, wherever those were started.
    "PYTHONPATH": os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH")))),
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # all ports on the loopback interface
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",  # the nodes end so soon after their head
    "RAY_AUTH_MODE": "disabled",
}


os.environ.update(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0")  # read when Ray is first imported


@contextmanager
def cluster(*nodes: dict[str, Any]) -> Iterator[Any]:
    """Run a cluster of such nodes, the head first, in whose environment workers start."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    from ray.cluster_utils import Cluster

    head, *others = nodes
    made = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **head})
    try:
        for node in others:
            made.add_node(**node)
        yield made
    finally:
        os.environ.clear()
        os.environ.update(before)
        made.shutdown()  # type: ignore[no-untyped-call]  # Ray's
