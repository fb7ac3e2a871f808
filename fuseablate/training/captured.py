"""Work that is done again and again on a device: on CUDA devices one graph, replayed.

All that it reads and writes lies in memory that stays where it is, and what changes from one time
to the next is a row of a table on the device, whose number is a counter there. So nothing of it is
Python's to decide, and nothing waits for the device. Elsewhere, and the first times on CUDA, the
same code runs operator by operator.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

# Times before the capture, so that what they make is there: the optimizers' state, the libraries'
# workspaces. As they are real, none has to be undone.
WARM_UP = 3


class Captured:
    """Work whose first times are real, and which is then captured."""

    def __init__(
        self, work: Callable[[], None], device: torch.device, *, static: bool = True
    ) -> None:
        """Take the work; only that whose memory is `static` can be captured."""
        self._work = work
        self._is_to_be = static and device.type == "cuda"
        self._device = device
        self._graph: torch.cuda.CUDAGraph | None = None
        self._done = 0
        self.refused = ""
        """Why it could not be captured."""

    @property
    def is_captured(self) -> bool:
        return self._graph is not None

    def __call__(self) -> None:
        """Do the work once."""
        if self._graph is not None:
            self._graph.replay()
        elif not self._is_to_be:
            self._work()
        elif self._done < WARM_UP or self.refused:
            self._aside()
        else:
            self._capture()
        self._done += 1

    def _aside(self) -> None:
        """Work on the stream that will be captured: autograd goes by the streams it met."""
        if self._done == 0:
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            self._work()
        torch.cuda.current_stream(self._device).wait_stream(self._stream)

    def _capture(self) -> None:
        """Capture the work, which does none, then do it."""
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads draw masks and write checkpoints meanwhile.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                self._work()
        except RuntimeError as error:
            self.refused = " ".join(str(error).split())[:300]
            self._aside()
        else:
            self._graph = graph
            graph.replay()
