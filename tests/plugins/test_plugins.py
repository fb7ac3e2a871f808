"""Plug-ins as their users have them: files beside a spec, read by processes of their own."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import ClassVar

import pytest

from fuseablate import InputError, load_plugin, register
from fuseablate.commands.program import main
from fuseablate.cost import COSTS, CostKind
from fuseablate.data import DATA_SETS
from fuseablate.data.sets import Count, DataSet
from fuseablate.layers import ACTIVATIONS, Activation
from fuseablate.ops import OPS
from fuseablate.ops.conv import ConvRow
from fuseablate.plugins import content_of, file_of, plugin_of, plugin_sources, run_plugins
from fuseablate.plugins.files import load_named
from fuseablate.plugins.registry import added, remove

OP = '''
from dataclasses import dataclass
from typing import ClassVar
from fuseablate import register
from fuseablate.layers import Conv, seq
from fuseablate.ops.fields import Bool, Int, field
from fuseablate.ops.shared import NL, NORM, Normed

@dataclass(frozen=True, kw_only=True)
class Cross(Normed):
    """A convolution of 1xK behind one of Kx1."""

    op: ClassVar[str] = "cross"
    title: ClassVar[str] = "Cross"
    kernel: int = field(Int(), 3)
    out: int = field(Int(scales=True))
    norm: str = field(NORM, "batch")
    nl: str = field(NL, "relu")
    stride: int = field(Int(), 1)
    wavy: bool = field(Bool(), False)

    def layers(self, shape, settings):
        cin, reach = self.channels_in(shape), self.kernel // 2
        down = Conv(cin, self.out, (self.kernel, 1), (self.stride, 1), (reach, 0))
        across = Conv(self.out, self.out, (1, self.kernel), (1, self.stride), (0, reach))
        return seq(
            down=self.conv_norm(down, settings, self.nl),
            across=self.conv_norm(across, settings, self.nl),
            wave=wave(self.out) if self.wavy else None,
        )

def wave(channels):
    return None

register("ops", "cross", Cross)
'''
WAVE = '''
from fuseablate.layers import Activation, Cost, numel

@dataclass(frozen=True)
class Wave:
    """x + sin(rate * x), with a rate for each channel."""

    tag: ClassVar[str] = "Wave"
    channels: int

    def infer(self, shape):
        count = self.channels
        return shape, Cost(params=count, bytes=4 * count, elementwise=numel(shape))

    def parameters(self):
        return {"rate": (self.channels,)}

    def module(self):
        import torch

        class Module(torch.nn.Module):
            operators = ("aten::sin",)

            def __init__(self, channels):
                super().__init__()
                self.rate = torch.nn.Parameter(torch.empty(channels))

            def initialise(self, generator):
                torch.nn.init.uniform_(self.rate, 0, 1, generator=generator)

            def forward(self, x):
                return x + torch.sin(x * self.rate.view(1, -1, 1, 1))

        return Module(self.channels)

wave = Wave

def softsign():
    import torch

    return torch.nn.Softsign()

register("activations", "softsign", Activation("SoftSg", f"{__name__}:softsign", ("abs", "div")))
'''
DATA = """
from fuseablate.data.sets import Count, DataSet

def load(request):
    import torch
    from fuseablate.data.parts import Part, make_data

    def part(count, seed):
        labels = torch.arange(count) % 4
        noise = torch.randint(0, 64, (count, 3, 16, 16), generator=torch.manual_seed(seed))
        return Part((noise + 40 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels)

    return make_data(
        request, ("a", "b", "c", "d"), train=part(64, 0), val=part(16, 1),
        read_test=lambda: part(16, 2), source={"name": "stripes"},
    )

register("datasets", "stripes", DataSet(
    "stripes", "stripes", f"{__name__}:load", {"size": Count(16, 16, 16)}, classes=4))
"""
SPEC = """
input = 16
classes = 4
plugins = ["mine.py"]
rows = [
    { op = "conv", kernel = 3, out = 8, stride = 2, norm = "batch", nl = "relu" },
    { op = "cross", out = 12, stride = 2 },
    { op = "pool" },
    { op = "conv", kernel = 1, out = "classes", form = "linear" },
]
"""
STUDY = """
title = "t"
question = "q"
spec = "net.toml"
plugins = ["mine.py"]
seeds = [0, 1]
design = "one-factor"
data = "stripes"
recipe = { base = "standard", epochs = 1, batch_size = 16 }
[[factors]]
name = "cross"
levels = [
    { name = "wave", edits = ["cross.wavy=true"] },
    { name = "soft", edits = ["all.nl=softsign"] },
]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(OP + WAVE + DATA)
    (tmp_path / "net.toml").write_text(SPEC)
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )


def said(folder: Path, *words: str) -> str:
    done = python(folder, "-m", "fuseablate", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(folder: Path, *words: str) -> str:
    done = python(folder, "-m", "fuseablate", *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr.strip()


@pytest.mark.slow
def test_a_study_of_ones_own_parts_from_the_file_to_the_report(folder: Path) -> None:
    checked = said(folder, "show", "net.toml", "--check", "--set", "cross.wavy=true")
    # 8 x 3 x 12 and 12 x 3 x 12, two norms of 12, and 12 rates.
    assert f"{8 * 3 * 12 + 12 * 3 * 12 + 2 * 24 + 12:,}" in checked
    assert "traced with fvcore" in checked
    out = said(folder, "study", "run", "study.toml", "--workers", "1", "--stack", "2")
    assert "cross.wavy=true" in "".join(out.split())  # folded, where intervals are wide
    records = [json.loads(path.read_text()) for path in (folder / "runs").glob("*/record.json")]
    assert len(records) == 6
    assert {tuple(record["plugins"]) for record in records} == {("mine.py",)}
    table = said(folder, "report", "study", "--format", "csv")
    assert said(folder, "study", "run", "study.toml").count("trained") <= 1  # all are there
    (folder / "mine.py").unlink()
    assert said(folder, "report", "study", "--format", "csv") == table
    name = records[0]["digest"][:12]
    assert "mine.py" in refused(folder, "export", name, "--onnx", "net.onnx")


def test_a_table_that_was_written_out_names_its_plug_ins(folder: Path) -> None:
    written = said(folder, "show", "net.toml", "--toml", "--set", "cross.out=16")
    assert tomllib.loads(written)["plugins"] == [str((folder / "mine.py").resolve())]
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "again.toml").write_text(written)
    again = json.loads(said(folder, "show", "elsewhere/again.toml", "--json"))
    edited = json.loads(said(folder, "show", "net.toml", "--set", "cross.out=16", "--json"))
    assert again["rows"] == edited["rows"]


def test_what_the_tree_expresses_changes_no_digest_and_what_it_does_not_does(folder: Path) -> None:
    program = """
from pathlib import Path
from fuseablate import load_plugin, load_spec
mine = Path("mine.py")
def digests():
    spec = load_spec("net.toml")
    edits = ("cross.wavy=true",), ("all.nl=softsign",)
    return [spec.digest(), *(spec.edit(*some).digest() for some in edits)]
before = digests()
mine.write_text(mine.read_text() + "\\n# another line\\n")
after = digests()
print([a == b for a, b in zip(before, after)])
"""
    done = python(folder, "-c", program)
    assert (done.stderr, done.stdout) == ("", "[True, False, False]\n")


def test_an_op_of_ones_own_needs_no_torch(folder: Path) -> None:
    (folder / "mine.py").write_text(OP)
    program = """
import sys
from fuseablate.commands.program import main
for words in (["show", "net.toml"], ["cost", "resnet20", "--plugin", "mine.py", "--set",
              "1.op=cross"], ["diff", "net.toml", "net.toml", "--set-b", "cross.kernel=5"]):
    assert main(words) == 0
assert "torch" not in sys.modules
"""
    done = python(folder, "-c", program)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = (", "mine.py:1: '(' was never closed"),
        ("\n1 / 0", "mine.py:2: ZeroDivisionError: division by zero"),
        ("import nothing_of_the_kind", "mine.py:1: ModuleNotFoundError: No module named"),
        ("x = 1", "mine.py: registers nothing; it is to call fuseablate.register"),
        ("raise SystemExit(3)", "mine.py:1: SystemExit: 3"),
        (OP.replace('"cross"', '"conv"'), "op 'conv' ships with fuseablate; give yours another na"),
        (OP.replace('("ops"', '("op"'), "unknown kind of part 'op'; did you mean 'ops'?"),
        (
            'from fuseablate import register\nregister("ops", "x", 1)',
            "mine.py:2: op 'x': must be",
        ),
        (
            "from fuseablate import register\nfrom fuseablate.layers import Activation\n"
            'register("activations", "x", Activation("X", "torch.nn.Softsign", "abs"))',
            "mine.py:3: activation 'x': operators = 'abs': must be a tuple",
        ),
    ],
)
def test_a_broken_plug_in_is_one_line(
    folder: Path,
    source: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "mine.py").write_text(source)
    monkeypatch.chdir(folder)
    assert main(["cost", "resnet20", "--plugin", "mine.py"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    with pytest.raises(InputError, match=r"mine\.py"):
        load_plugin(folder / "mine.py")


def test_a_file_that_was_mended_is_loaded_again(tmp_path: Path) -> None:
    file = tmp_path / "mended.py"
    for _ in range(2):
        file.write_text(OP.replace('"cross"', '"mended"'))
        load_plugin(file)
        assert "mended" in OPS
        file.write_text("1 / 0\n")
        with pytest.raises(InputError, match="division by zero"):
            load_plugin(file)
        assert "mended" not in OPS


def test_a_plug_in_that_is_not_there(folder: Path) -> None:
    (folder / "mine.py").unlink()
    line = refused(folder, "show", "net.toml")
    assert line.startswith("fuseablate: error: net.toml: plugins: mine.py: cannot be read")


@pytest.mark.parametrize("name", ["my op", "", "3x", 3])
def test_a_name_is_an_identifier(name: str) -> None:
    said = f"{name!r} is no name of a part; use letters, digits and _"
    with pytest.raises(InputError, match=f"^{said}$"):
        register("ops", name, object())


@pytest.mark.parametrize("name", ["all", "scale", "regnet"])
def test_an_op_has_no_name_that_selectors_or_tables_mean_otherwise(name: str) -> None:
    part = type("Mine", (ConvRow,), {"op": name, "title": "Mine"})
    with pytest.raises(InputError, match=f"^op '{name}': means something else in edits or tables"):
        register("ops", name, part)


class Untitled(ConvRow):
    op: ClassVar[str] = "x"
    title: ClassVar[str] = ""


@pytest.mark.parametrize(
    ("kind", "part", "said"),
    [
        ("ops", 3, "op 'x': must be a class of rows, a fuseablate.ops.Row"),
        ("ops", str, "op 'x': must be a class of rows, a fuseablate.ops.Row"),
        ("ops", OPS["conv"], "op 'x': its class needs op = \"x\" and a title"),
        ("ops", Untitled, "op 'x': its class needs op = \"x\" and a title"),
        ("activations", 3, "activation 'x': is a int, and not an Activation"),
        (
            "activations",
            Activation("X", "mine:X", ("abs", 3)),  # type: ignore[arg-type]
            "activation 'x': operators = ('abs', 3): must be a tuple of what torch calls it, such "
            'as ("softsign",)',
        ),
        ("datasets", 3, "data set 'x': is a int, and not a DataSet"),
        (
            "datasets",
            DataSet("y", "Y", "mine:y", {"size": Count(8, 8, 8)}),
            "data set 'x': its own name is 'y'; write one",
        ),
        (
            "datasets",
            DataSet("x", "X", "mine:x", {}),
            "data set 'x': its arguments lack 'size', the height and width of its images in pixels",
        ),
        ("costs", 3, "cost 'x': is a int, and not a CostKind"),
        (
            "costs",
            CostKind(name="y", title="Y", unit="y", source=""),
            "cost 'x': its own name is 'y'; write one",
        ),
        ("engines", 3, "engine 'x': is a int, and not an EngineRow"),
    ],
)
def test_a_part_that_is_of_no_use_is_refused(kind: str, part: object, said: str) -> None:
    before = added()
    with pytest.raises(InputError) as error:
        register(kind, "x", part)
    assert str(error.value) == said
    assert added() == before


def test_a_part_is_refused_before_anything_else_is_imported() -> None:
    """By the table of its kind, which `register` has to make for that."""
    program = """
from fuseablate import InputError, register
shipped = {"ops": "conv", "activations": "relu", "datasets": "cifar10", "optimizers": "sgd",
           "augmentations": "AugMix", "costs": "macs", "engines": "local"}
for kind, name in shipped.items():
    try:
        register(kind, name, object())
    except InputError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        f"{part} ships with fuseablate; give yours another name"
        for part in (
            "op 'conv'", "activation 'relu'", "data set 'cifar10'", "optimizer 'sgd'",
            "augmentation 'AugMix'", "cost 'macs'", "engine 'local'",
        )
    ]  # fmt: skip


ACT = """from fuseablate import register
from fuseablate.layers import Activation
register("activations", "{}", Activation("A", "{}", ("abs",)))
"""


def test_what_a_broken_plug_in_had_registered_is_taken_back(tmp_path: Path) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text(ACT.format("kept", "first:a"))
    load_plugin(first)
    kept, modules = ACTIVATIONS["kept"], set(sys.modules)
    second.write_text(ACT.format("kept", "second:a") + ACT.format("more", "second:b") + "1 / 0\n")
    with pytest.raises(InputError, match=r"^.*second\.py:7: ZeroDivisionError: division by zero$"):
        load_plugin(second)
    assert ACTIVATIONS["kept"] is kept
    assert "more" not in ACTIVATIONS
    assert set(sys.modules) == modules
    second.write_text("\nx = (\n")
    with pytest.raises(InputError, match=rf"^{second}:2: '\(' was never closed$"):
        load_plugin(second)
    assert set(sys.modules) == modules
    remove("activations", "kept")


def test_a_file_is_run_once_as_long_as_it_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "once.py"
    file.write_text(ACT.format("once", "once:a"))
    load_plugin(file)
    part = ACTIVATIONS["once"]
    load_plugin(str(file))
    assert ACTIVATIONS["once"] is part
    mine = [source for source in plugin_sources() if source["path"] == str(file)]
    assert mine == [{"path": str(file), "source": file.read_text()}]
    file.unlink()  # another process needs no file
    run_plugins(mine)
    assert ACTIVATIONS["once"] is part
    run_plugins([{**mine[0], "source": ACT.format("twice", "once:a")}])
    assert "once" not in ACTIVATIONS
    remove("activations", "twice")


def test_two_files_of_one_name_are_two_plug_ins(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(ACT.format(folder, "mine:a"))
        load_plugin(tmp_path / folder / "mine.py")
    assert {"one", "two"} <= set(ACTIVATIONS)
    for folder in ("one", "two"):
        remove("activations", folder)


def test_a_part_says_where_it_comes_from(tmp_path: Path) -> None:
    for shipped in (OPS["conv"], ACTIVATIONS["relu"], DATA_SETS["cifar10"], COSTS["macs"]):
        assert (content_of(shipped), plugin_of(shipped), file_of(shipped)) == ("", "", "")
    here = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert (content_of(Untitled), plugin_of(Untitled), file_of(Untitled)) == (here, "tests", "")
    file = tmp_path / "own.py"
    file.write_text("class Own:\n    pass\n" + ACT.format("own", "own:Own"))
    load_plugin(file)
    (module,) = (m for m in sys.modules.values() if getattr(m, "__file__", "") == str(file))
    own = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (content_of(module.Own), plugin_of(module.Own)) == (own, "own.py")
    assert file_of(module.Own) == str(file)
    remove("activations", "own")
    nowhere = type("Typed", (), {"__module__": "typed_in"})
    with pytest.raises(InputError) as error:
        content_of(nowhere)
    assert str(error.value) == (
        "Typed: is defined in no file, so that nothing says what its runs were; put it into one, "
        "and load that"
    )


def test_files_that_are_no_plug_ins(tmp_path: Path) -> None:
    (tmp_path / "bytes.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(InputError, match=r"bytes\.py: not UTF-8 text \(byte 5\)$"):
        load_plugin(tmp_path / "bytes.py")
    where = tmp_path / "net.toml"
    for names in ("mine.py", ["mine.py", 3], 3):
        said = f'{where}: plugins = {names!r}: write a list of files, as ["mine.py"]'
        with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
            load_named(names, where)
    with pytest.raises(InputError, match=rf"^{where}: plugins: {tmp_path}/none\.py: cannot be"):
        load_named(["none.py"], where)


def test_an_installed_package_brings_parts_by_its_entry_points(folder: Path) -> None:
    package = folder / "site"
    (package / "crosses-1.0.dist-info").mkdir(parents=True)
    (package / "crosses.py").write_text(OP.replace('register("ops", "cross", Cross)', ""))
    (package / "crosses-1.0.dist-info/METADATA").write_text("Name: crosses\nVersion: 1.0\n")
    points = "[fuseablate.ops]\ncross = crosses:Cross\nbroken = crosses:Nothing\n"
    (package / "crosses-1.0.dist-info/entry_points.txt").write_text(points)
    (folder / "net.toml").write_text(SPEC.replace('plugins = ["mine.py"]\n', ""))
    program = f"""
import sys
sys.path.insert(0, {str(package)!r})
from fuseablate.commands.program import main
sys.exit(main(sys.argv[1:]))
"""
    done = python(folder, "-c", program, "show", "net.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Cross" in done.stdout
    broken = (folder / "net.toml").read_text().replace("cross", "broken")
    (folder / "net.toml").write_text(broken)
    done = python(folder, "-c", program, "show", "net.toml")
    assert done.returncode == 2
    assert "plug-in crosses: crosses:Nothing: AttributeError" in done.stderr


def test_the_shipped_tables_are_as_they_were() -> None:
    """What a refused plug-in registered is taken back, in this process too."""
    from fuseablate.ops import OPS

    assert set(OPS) == set(OPS.shipped)
