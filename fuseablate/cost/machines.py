"""Hardware files: machines in numbers, shipped by name or a user's own by path. Without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar, get_args

from fuseablate.errors import InputError, unknown
from fuseablate.io.checked import Schema, checked
from fuseablate.io.reading import read_toml, toml_files

MachineType = TypeVar("MachineType", bound=Schema)


def shipped_hardware() -> dict[str, Path]:
    """Return the hardware files that come with the package, by name."""
    return toml_files(Path(__file__).with_name("hardware"))


def load_hardware(name: str | Path, kind: type[MachineType]) -> MachineType:
    """Return a shipped machine by its name, or one from a TOML file by its path.

    `kind` is what the cost needs to know of it. Raise `InputError` where the file is of another.
    """
    path, needed = Path(name), get_args(kind.model_fields["kind"].annotation)[0]
    if path.suffix != ".toml":
        shipped = shipped_hardware()
        if str(name) not in shipped:
            fitting = [one for one, file in shipped.items() if read_toml(file)["kind"] == needed]
            raise unknown("hardware", name, fitting).within(
                "hardware is a name or a path to a .toml"
            )
        path = shipped[str(name)]
    table = read_toml(path)
    try:
        if (given := table.get("kind", needed)) != needed:
            raise InputError(f'kind = "{given}": must be "{needed}"')
        return checked(kind, table)
    except InputError as error:
        raise error.within(str(path)) from None
