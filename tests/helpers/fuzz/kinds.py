"""Kinds of file: how a good one is made, how its values are spoilt, which commands read it."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from fuseablate.recipes.load import shipped_recipes
from fuseablate.spec.catalog import shipped_specs
from tests.helpers.fuzz.running import run
from tests.helpers.fuzz.spoiling import as_json, as_toml, spoil, spoilt_values
from tests.helpers.paths import REPOSITORY

SE = REPOSITORY / "reports" / "se"
STUDIES = REPOSITORY / "studies"
Make = Callable[[Path, Random], list[str]]
KINDS: dict[str, tuple[int, Make]] = {}  # the weight of each, and what makes a case of it


def kind(weight: int) -> Callable[[Make], Make]:
    """Add a kind of case: `make` fills a folder and returns the command."""

    def add(make: Make) -> Make:
        KINDS[make.__name__] = (weight, make)
        return make

    return add


def of_json(path: Path, draw: Random) -> None:
    path.write_text(as_json(spoilt_values(json.loads(path.read_text()), draw)))


def of_toml(path: Path, draw: Random) -> None:
    path.write_text(as_toml(spoilt_values(tomllib.loads(path.read_text()), draw)))


def spec_file(folder: Path, draw: Random) -> Path:
    small = {name: path for name, path in shipped_specs().items() if path.stat().st_size < 4000}
    path = folder / "mine.toml"
    shutil.copy(small[draw.choice(sorted(small))], path)
    for base in small.values():  # what is another one with edits lies beside it
        if base.stem in path.read_text():
            shutil.copy(base, folder)
    return path


def store(folder: Path, draw: Random, studies: bool = True) -> Path:
    """Return a store of some of the SE study's runs."""
    runs = folder / "runs"
    for folder_of_run in sorted(path for path in SE.iterdir() if (path / "record.json").exists())[
        :6
    ]:
        shutil.copytree(folder_of_run, runs / folder_of_run.name)
    if studies:
        shutil.copytree(SE / "studies", runs / "studies")
    return runs


def report(runs: Path, draw: Random) -> list[str]:
    """Return a report of a store, in any form."""
    names = sorted(path.name for path in runs.iterdir() if path.name != "studies")
    what = draw.choice(([], [], ["se"], ["se-iso"], [names[0]], names[:2], ["0"], ["nothing"]))
    page = ["--format", "html", "--output", str(runs.parent / "page.html")]
    form = draw.choice(
        ([], [], ["--json"], ["--format", "csv"], ["--format", "markdown"], ["--format", "latex"],
         page, ["--metric", "val_top5"], ["--sort", "macs"], ["--all-runs"], ["--cost", "latency"],
         ["--columns", "macs,delta,verdict"])
    )  # fmt: skip
    return ["report", *what, "--runs", str(runs), *form]


@kind(20)
def spec(folder: Path, draw: Random) -> list[str]:
    path = spec_file(folder, draw)
    spoil(path, draw, of_toml)
    return draw.choice(
        (
            ["show", str(path)], ["show", str(path), "--json"], ["show", str(path), "--toml"],
            ["show", str(path), "--params"], ["show", str(path), "--why"], ["cost", str(path)],
            ["show", str(path), "--all", "--input", "32"], ["diff", "fusenet", str(path)],
            ["cost", str(path), "--set", "all.nl=relu", "--iso", "macs", "--json"],
            ["train", str(path), "--data", "bogus"],
        )
    )  # fmt: skip


@kind(8)
def base_chain(folder: Path, draw: Random) -> list[str]:
    """Tables upon tables, to any depth, and in a ring."""
    depth = draw.choice((1, 2, 15, 16, 17, 60, 300))
    for number in range(depth):
        last = draw.choice(("fusenet", "t0.toml", "nothing", f"t{number}.toml"))
        base = f"t{number + 1}.toml" if number + 1 < depth else last
        table = {"base": base, "edits": draw.choice((["classes=10"], ["all.se=false"], [], [3]))}
        (folder / f"t{number}.toml").write_text(as_toml(table))
    return ["show", str(folder / "t0.toml")]


@kind(8)
def study(folder: Path, draw: Random) -> list[str]:
    source = draw.choice(sorted(STUDIES.glob("*.toml")))
    path = folder / source.name
    shutil.copy(source, path)
    spoil(path, draw, of_toml)
    return ["explore", "fusenet", "--space", str(path), "--samples", "30", "--top", "1"]


@kind(8)
def study_plan(folder: Path, draw: Random) -> list[str]:
    path = folder / "small.toml"
    path.write_text(
        'title = "Small"\nquestion = "Does it work?"\n'
        'spec = "fusenet"\ndata = { name = "generated", classes = 4, size = 16 }\n'
        "seeds = [0, 1]\n"
        'recipe = { base = "quick", epochs = 1, batch_size = 24 }\n'
        + draw.choice(
            (
                'design = "one-factor"\n[[factors]]\nname = "se"\n'
                'levels = [{ name = "off", edits = ["all.se=false"] }]\n',
                'design = "per-row"\nrows = "fuse"\nedit = "se=false"\n',
                'design = "one-factor"\niso = "macs"\n[[factors]]\nname = "k"\n'
                'levels = [{ name = "3", edits = ["fuse.kernel=3"] }]\n',
            )
        )
    )
    spoil(path, draw, of_toml)
    return ["study", "run", str(path), "--dry-run", "--runs", str(folder / "runs")]


@kind(8)
def recipe(folder: Path, draw: Random) -> list[str]:
    path = folder / "mine.toml"
    shutil.copy(draw.choice(sorted(shipped_recipes().values())), path)
    spoil(path, draw, of_toml)
    return ["train", "fusenet", "--recipe", str(path), "--data", "bogus"]


@kind(25)
def record(folder: Path, draw: Random) -> list[str]:
    runs = store(folder, draw, studies=draw.random() < 0.5)
    for path in draw.sample(sorted(runs.glob("*/record.json")), draw.choice((1, 1, 2, 6))):
        spoil(path, draw, of_json)
    return report(runs, draw)


@kind(15)
def manifest(folder: Path, draw: Random) -> list[str]:
    runs = store(folder, draw)
    for name in ("se-", "se-iso-"):
        path = next(file for file in runs.glob("studies/*/study.json") if name in str(file))
        spoil(path, draw, of_json)
    return report(runs, draw)


@kind(8)
def status(folder: Path, draw: Random) -> list[str]:
    runs = store(folder, draw)
    for path in runs.glob("studies/*/status.json"):
        spoil(path, draw, of_json)
    command = draw.choice((["list"], ["status"], ["status", "se"], ["rm", "se", "--yes"]))
    return ["study", *command, "--runs", str(runs)]


@kind(6)
def run_folders(folder: Path, draw: Random) -> list[str]:
    """Things in a store that are no runs."""
    runs = store(folder, draw)
    for name in ("a" * 255, "0" * 16, "\udcff\udcfe", "[red]", "-", "a\nb"):
        draw.choice((Path.mkdir, Path.touch, _dangling))(runs / name)
        if (runs / name).is_dir() and draw.random() < 0.5:
            (runs / name / "record.json").mkdir(exist_ok=True)
    if draw.random() < 0.3:
        spoil(next(runs.glob("*/record.json")), draw)
    return draw.choice((report(runs, draw), ["study", "list", "--runs", str(runs)]))


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@kind(4)
def runs_of_a_store(folder: Path, draw: Random) -> list[str]:
    runs = store(folder, draw)
    path = draw.choice(sorted(runs.glob("*/record.json")))
    if draw.random() < 0.8:
        spoil(path, draw, of_json)
    file = str(folder / draw.choice(("out.tar", "out", "a" * 300, "runs")))
    command = draw.choice(
        (["list"], ["list", "--json"], ["list", "se"], ["show", path.parent.name],
         ["show", path.parent.name, "--json"], ["rm", path.parent.name, "--yes"],
         ["export", file], ["export", file, "--weights", "--checkpoints"])
    )  # fmt: skip
    return ["runs", *command, "--runs", str(runs)]


@kind(4)
def export_file(folder: Path, draw: Random) -> list[str]:
    """What another machine sent, as a file or as a folder, spoilt on the way."""
    out = folder / draw.choice(("out.tar", "out"))
    run(["runs", "export", str(out), "--runs", str(store(folder, draw))])
    inside = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else [out]
    path = draw.choice(sorted(inside))
    spoil(path, draw, of_json if path.suffix == ".json" else None)
    return ["runs", "import", str(out), "--runs", str(folder / "other")]


WORDS = (
    "fusenet", "resnet20", "resnet18:cifar", "all.se=false", "fuse.kernel=3", "1", "32", "0", "-1",
    "224x160", "9" * 30, "9" * 5000, "", " ", "x" * 300, "x" * 300 + ".toml", "\udcff.toml", "a\nb",
    "\x00", "/", ".", "..", "/dev/null", "/dev/zero", "/dev/full", "é", "[/b]", "=", "--", "-h",
    "nan", "inf", "1e400", "0-10000000000", "0,1,2", "0,0", "3-1", "4.2M", "2G", "1e9G", "-3M",
    "all.exp=x1e300", "1.out=" + "9" * 400, "fuse.exp=x0.0001", "5.depth=1000000000",
    "scale.phi=1000", "scale.width=x1e9", "scale.resolution=x1e9", "all.kernel=99999999",
    "1-99999999999.se=false", "12.se", "a.toml", "torchvision:resnet18", "timm:x", ":", "a:b",
    "cifar100", "folder", "generated", "bogus", "macs", "params", "test_top1", "se", "se.toml",
)  # fmt: skip
FLAGS = {
    "show": "--set --input --json --toml --params --why --all --svg --weights",
    "cost": "--set --input --iso --json",
    "diff": "--set-a --set-b --input --json",
    "explore": "--space --budget --samples --seed --top --json --input",
    "list": "--json --names",
    "report": "--runs --metric --sort --filter --cost --columns --format --json --output --plot "
    "--svg",
    "train": "--set --recipe --epochs --seeds --device --threads --input",
    "study list": "--runs --json",
    "study status": "--runs --json",
    "study rm": "--runs --yes",
    "study run": "--dry-run --workers --gpus --per-gpu --stack --retries",
    "runs list": "--runs --json --status",
    "runs show": "--runs --json",
    "runs rm": "--runs --unfinished --yes",
    "runs import": "--runs",
    "export": "--onnx --set --input --runs",
    "convert": "--output --spec --state",
}


@kind(30)
def words(folder: Path, draw: Random) -> list[str]:
    """Any words after any command; nothing is trained, as no data are found."""
    command = draw.choice(sorted(FLAGS))
    words = command.split()
    usual = {"show": "fusenet", "cost": "fusenet", "train": "fusenet", "export": "resnet20"}
    if command in usual and draw.random() < 0.7:
        words.append(usual[command])
    elif command == "diff":
        words += ["fusenet", draw.choice(("fusenet", draw.choice(WORDS)))]
    elif command == "explore":
        words += ["fusenet", "--space", str(STUDIES / "search.toml"), "--samples", "10"]
    for _ in range(draw.choice((1, 1, 2, 3))):
        if draw.random() < 0.75:
            words.append(draw.choice(FLAGS[command].split()))
        words.append(draw.choice(WORDS))
    return [*words, *_bounds(command)]


def _bounds(command: str) -> Iterator[str]:
    if command == "train":
        yield from ("--data", "bogus")
    if command == "explore":
        yield from ("--samples", "10")
