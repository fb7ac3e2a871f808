"""`python -m fuseablate` is the command line."""

from __future__ import annotations

import sys

from fuseablate.commands import main

sys.exit(main())
