"""Parts of one's own: ops, activations, data sets, optimizers, augmentations, costs, engines.

In come a Python file (`load_plugin`) that names its parts with `register`, or the entry points of
an installed package (`fuseablate.ops` and so on); out come rows of the tables that are there, each
a `Registry`. Without torch.
"""

from __future__ import annotations

from fuseablate.plugins.content import content_of, file_of, plugin_of
from fuseablate.plugins.files import load_named, load_plugin, plugin_sources, run_plugins
from fuseablate.plugins.registry import Registry, added, register

__all__ = [
    "Registry",
    "added",
    "content_of",
    "file_of",
    "load_named",
    "load_plugin",
    "plugin_of",
    "plugin_sources",
    "register",
    "run_plugins",
]
