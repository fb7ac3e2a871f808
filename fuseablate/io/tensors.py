"""Files of tensors as `torch.save` writes them: checked, and nothing but tensors read from them."""

from __future__ import annotations

import io
import os
import pickle
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from fuseablate.io.reading import opened

ZIPPED, PICKLED = b"PK", b"\x80\x02"  # how the files of torch.save begin, and those before 1.6
END, TAIL = b"PK\x05\x06", 2**16 + 22  # what ends a zip file, and how far from the end at most


class SpoiltError(ValueError):
    """A file that certainly does not hold what was saved; it says why."""


def load_tensors(path: Path) -> Any:
    """Return the tensors and plain values in a file, on the CPU.

    Raise `SpoiltError` for a file that is none of `torch.save`, that was altered since (by the
    sums in it), or that holds anything else. Raise `InputError` for one that cannot be read now,
    which says nothing about what it holds.
    """
    with opened(path) as file:
        content = _loaded(file)
    if not all(map(_is_plain, _tensors(content))):
        raise SpoiltError("it holds tensors whose numbers are not all in the file")
    return content


def _loaded(file: IO[bytes]) -> Any:
    try:
        head = file.read(2)
        if head not in (ZIPPED, PICKLED):
            raise SpoiltError("it was not written by torch.save")
        file.seek(-min(TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
        if head == ZIPPED and END not in file.read():
            raise SpoiltError("it is truncated: its end is missing")
        # In memory, so that what goes wrong from here on is the content's, not the disk's.
        file.seek(0)
        content = io.BytesIO(file.read())
        if head == ZIPPED:
            _check_sums(content)  # torch.load does not
            content.seek(0)
        with warnings.catch_warnings(action="ignore"):
            return torch.load(content, map_location="cpu", weights_only=True)
    except (SpoiltError, OSError, MemoryError):
        raise
    except pickle.UnpicklingError:  # torch's own text advises to load it without the check
        raise SpoiltError("it was not written by torch.save, or holds more than tensors") from None
    except RuntimeError as error:
        # Torch has no other type for a full memory, nor for a file that lacks a part.
        if "PytorchStreamReader" in str(error):
            raise SpoiltError("it was not written by torch.save") from None
        raise OSError(_first_line(error)) from None
    except Exception as error:  # the unpickler raises what its bytes lead it to
        raise SpoiltError(f"it was not written by torch.save ({type(error).__name__})") from None


def _check_sums(content: io.BytesIO) -> None:
    try:
        with zipfile.ZipFile(content) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise SpoiltError("it is compressed, which torch.save never does")
            spoilt = archive.testzip()
    except (SpoiltError, MemoryError):
        raise
    except Exception as error:  # zipfile raises what the bytes lead it to
        raise SpoiltError(f"it is truncated or altered ({type(error).__name__})") from None
    if spoilt is not None:
        raise SpoiltError(f"{spoilt} in it has a wrong checksum")


def _tensors(value: object) -> Iterable[Tensor]:
    """Yield all tensors in lists and tables."""
    rest, seen = [value], set()
    while rest:
        item = rest.pop()
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, Mapping | list | tuple) and id(item) not in seen:
            seen.add(id(item))  # one that holds itself ends
            rest += item.values() if isinstance(item, Mapping) else item


def _is_plain(tensor: Tensor) -> bool:
    """Whether it holds its numbers, one by one: no view of fewer, which could be of any size."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
