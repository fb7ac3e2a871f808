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


# The allocator asks a graph whose capture failed about each allocation to come, for good.
_failed: list[torch.cuda.CUDAGraph] = []


class Captured:
    """Work whose first times are real, and which is then captured."""

    def __init__(self, device: torch.device, *, static: bool = True) -> None:
        """Expect work on a device; only that whose memory is `static` can be captured."""
        self._is_to_be = static and device.type == "cuda"
        self._device = device
        self._graph: torch.cuda.CUDAGraph | None = None
        self._done = 0
        self.refused = ""
        """Why it could not be captured."""

    @property
    def is_captured(self) -> bool:
        return self._graph is not None

    def __call__(self, work: Callable[[], None]) -> None:
        """Do the work, the same each time, once.

        It is not kept: whoever owns both would be freed, with the graph's memory, by and by only.
        """
        if self._graph is not None:
            self._graph.replay()
        elif not self._is_to_be:
            work()
        else:
            # Where it is not the current one, leaving a stream would open a context on GPU 0.
            with torch.cuda.device(self._device):
                if self._done < WARM_UP or self.refused:
                    self._aside(work)
                else:
                    self._capture(work)
        self._done += 1

    def _aside(self, work: Callable[[], None]) -> None:
        """Work on the stream that will be captured: autograd goes by the streams it met."""
        if self._done == 0:
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            work()
        torch.cuda.current_stream(self._device).wait_stream(self._stream)

    def _capture(self, work: Callable[[], None]) -> None:
        """Capture the work, which does none, then do it."""
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self._device)
        try:
            # Other threads draw masks and write checkpoints meanwhile.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                work()
        except RuntimeError as error:
            torch.cuda.set_stream(current)  # torch 2.11 stays on the other where a capture fails
            _failed.append(graph)
            self.refused = " ".join(str(error).split())[:300]
            self._aside(work)
        else:
            self._graph = graph
            graph.replay()
