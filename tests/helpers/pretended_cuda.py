"""A CUDA device that is pretended on the CPU, for the code that asks for one.

What is put "on cuda:0" lies on the CPU and is computed there. Streams and events do nothing. A
graph is real in what matters: what is captured is the list of operators with their tensors, which a
replay goes through again, so that whatever Python decided in the capture stays as it was; the
capture itself leaves nothing behind; and what would wait for the device, or draw on the CPU, breaks
it off. Each stand-in is called as what it stands for can be.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Beginnings of the names of operators that wait for a device, or draw on the CPU.
REFUSED = (
    "_local_scalar_dense", "bernoulli", "equal", "is_nonzero", "masked_select", "nonzero", "normal",
    "rand", "uniform", "unique",
)  # fmt: skip


schema_of = attrgetter("_schema")  # of an operator, which torch has no public name for


class _Place(TorchFunctionMode):
    """Puts on the CPU what is to lie on a CUDA device, as long as its memory is not full."""

    is_full = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.device:  # a name is a name
            return func(*args, **kwargs or {})
        placed = {name: self._placed(value) for name, value in (kwargs or {}).items()}
        return func(*map(self._placed, args), **placed)

    def _placed(self, value: object) -> object:
        if isinstance(value, torch.device) or (isinstance(value, str) and value[:4] == "cuda"):
            if torch.device(value).type == "cuda" and self.is_full:
                raise torch.OutOfMemoryError("CUDA out of memory, it is pretended")
            return torch.device("cpu")
        return value


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's own
    """Takes down the operators, and what they write into tensors that were there before."""

    is_on = False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._made: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs, schema = kwargs or {}, schema_of(func)
        if schema.name.removeprefix("aten::").startswith(REFUSED):
            raise RuntimeError(f"{schema.name}: operation not permitted when stream is capturing")
        named = dict(zip((argument.name for argument in schema.arguments), args, strict=False))
        for argument in schema.arguments:
            # The schema of batch norm keeps its writing to itself.
            hidden = argument.name.startswith("running_")
            if hidden or (argument.alias_info and argument.alias_info.is_write):
                for tensor in _tensors({**named, **kwargs}.get(argument.name)):
                    self._keep(tensor.untyped_storage())
        given = {
            tensor.untyped_storage().data_ptr() for tensor in _tensors((args, *kwargs.values()))
        }
        made = func(*args, **kwargs)
        self._made |= {tensor.untyped_storage().data_ptr() for tensor in _tensors(made)} - given
        self.calls.append((func, args, kwargs, made))
        return made

    def _keep(self, storage: torch.UntypedStorage) -> None:
        if storage.data_ptr() not in self._made:
            self._before.setdefault(storage.data_ptr(), (storage, copy.copy(storage)))

    def undo(self) -> None:
        for storage, before in self._before.values():
            storage.copy_(before)


class _Graph:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, made in self.calls:
            pairs = zip(_tensors(made), _tensors(func(*args, **kwargs)), strict=True)
            for tensor, again in pairs:
                if tensor.data_ptr() != again.data_ptr():
                    tensor.copy_(again)


@contextmanager
def _capture(cuda_graph: _Graph, *, stream: object, capture_error_mode: str) -> Iterator[None]:
    recorder = _Recorder()
    with recorder, mock.patch.object(_Recorder, "is_on", True):
        yield
    recorder.undo()
    cuda_graph.calls = recorder.calls


class _Stream:
    """A stream, or an event of one."""

    device = torch.device("cuda:0")

    def __init__(self, device: object = None) -> None: ...

    def wait_stream(self, stream: _Stream) -> None: ...

    def wait_event(self, event: _Stream) -> None: ...

    def record_event(self) -> _Stream:
        return self

    def is_capturing(self) -> bool:
        return _Recorder.is_on


@contextmanager
def _nothing(*args: object) -> Iterator[None]:
    yield


def _tensors(value: object) -> list[Tensor]:
    if isinstance(value, list | tuple):
        return [tensor for inner in value for tensor in _tensors(inner)]
    return [value] if isinstance(value, Tensor) else []


def _checked(real: Callable[..., object], stand_in: Callable[..., object]) -> Callable[..., object]:
    """Return a stand-in that refuses arguments which the real one does not take."""
    signature = inspect.signature(real)

    def called(*args: object, **kwargs: object) -> object:
        signature.bind(*args, **kwargs)
        return stand_in(*args, **kwargs)

    return called


@contextmanager
def pretended_cuda() -> Iterator[None]:
    """Let there be a CUDA device of compute capability 8.0 within the block."""
    place, current = _Place(), _Stream()

    def limit(fraction: float) -> None:
        place.is_full = fraction < 1

    stand_ins: dict[str, Callable[..., object]] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "get_device_capability": lambda device: (8, 0),
        "is_bf16_supported": lambda including_emulation=True: True,
        "get_device_name": lambda device: "pretended",
        "set_device": lambda device: None,
        "synchronize": lambda device=None: None,
        "empty_cache": lambda: None,
        "set_sync_debug_mode": lambda mode: None,
        "set_per_process_memory_fraction": limit,
        "is_current_stream_capturing": current.is_capturing,
        "current_stream": lambda device=None: current,
        "set_stream": lambda stream: None,
        "stream": _nothing,
        "device": _nothing,
        "graph": _capture,
    }
    replaced = {name: _checked(getattr(torch.cuda, name), own) for name, own in stand_ins.items()}
    with ExitStack() as stack:
        for name, own in {**replaced, "Stream": _Stream, "CUDAGraph": _Graph}.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, own))
        stack.enter_context(
            mock.patch.object(torch.accelerator, "current_stream", return_value=current)
        )
        for name in ("adamax", "rmsprop"):  # whose parameters lie on the CPU after all
            stack.enter_context(
                mock.patch(f"torch.optim.{name}._get_capturable_supported_devices", _any_device)
            )
        stack.enter_context(place)
        yield


def _any_device(supports_xla: bool = True) -> list[str]:
    return ["cpu"]
