"""`fuseablate cost` and `measure`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuseablate import InputError, load_spec, measure
from fuseablate.commands.program import main
from tests.helpers.golden import Golden


def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> str:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["cost", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return str(out)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cost-100", ("fusenet",)),
        ("cost-set-100", ("fusenet", "--set", "all.se=false", "--input", "32")),
        ("cost-mbconv-100", ("fusenet", "--set", "fuse.op=mbconv", "--set", "classes=10")),
    ],
)
def test_golden(
    name: str,
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
) -> None:
    golden(f"{name}.txt", printed(capsys, monkeypatch, *words))


# What SE costs, by hand: 2 e^2 params a Fuse row, 2 x 576 x 144 in row 13, as many MACs.
SE = 2 * (16**2 + 96**2 + 2 * 240**2 + 120**2 + 144**2 + 288**2 + 2 * 576**2) + 2 * 576 * 144


def test_json_has_the_keys_that_machines_are_promised(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (entry,) = json.loads(printed(capsys, monkeypatch, "fusenet", "--json"))
    assert entry["spec"] == "fusenet"
    assert (entry["edits"], entry["input"]) == ([], 224)
    assert (entry["params"], entry["macs"]) == (3_284_608, 73_851_648)
    words = ("fusenet", "--json", "--set", "all.se=false", "--input", "32")
    (entry,) = json.loads(printed(capsys, monkeypatch, *words))
    assert (entry["edits"], entry["input"]) == (["all.se=false"], 32)
    assert (entry["params"], entry["macs"]) == (3_284_608 - SE, 4_123_392 - SE)
    assert (entry["unedited"]["params"], entry["unedited"]["macs"]) == (3_284_608, 4_123_392)


def test_specs_stand_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(
        "input = 8\nclasses = 10\n"
        '[[rows]]\nop = "pool"\n[[rows]]\nop = "conv"\nkernel = 1\nout = "classes"\n',
        encoding="utf-8",
    )
    words = ("fusenet", str(path), "--json")
    big, tiny = json.loads(printed(capsys, monkeypatch, *words))
    assert (big["spec"], big["params"], big["input"]) == ("fusenet", 3_284_608, 224)
    assert (tiny["spec"], tiny["params"], tiny["macs"], tiny["input"]) == ("tiny", 30, 30, 8)
    lines = printed(capsys, monkeypatch, "fusenet", str(path)).splitlines()
    assert [line.split()[0] for line in lines] == ["Spec", "fusenet", "tiny"]


def test_check_traces(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cost", "fusenet", "--check", "--json", "--input", "32", "--set", "fuse.op=mbconv"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["edits"] == ["fuse.op=mbconv"]
    assert "verified fusenet fuse.op=mbconv" in err


def test_measure_of_a_size_that_does_not_fit() -> None:
    spec = load_spec("fusenet").edit("4.kernel=4", "4.stride=2")
    assert measure(spec, (224, 224)).params > 0
    with pytest.raises(InputError, match="row 4: branches end in maps of different sizes"):
        measure(spec, (33, 33))


def test_of_several_specs_the_one_that_does_not_fit_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["cost", "resnet18", "vgg16", "--input", "3x1"]) == 2
    err = capsys.readouterr().err
    # the pool behind two convolutions is VGG-16's row 3
    assert "vgg16 at 3x1: row 3: kernel 2 with stride 2 leaves nothing of a 3x1 map" in err


def test_macs_follow_the_image() -> None:
    spec = load_spec("fusenet")
    # an oblong image: the stem's 432 weights at 16 x 32 places
    assert spec.infer((32, 64))[0].cost.macs == 432 * 16 * 32
    assert measure(spec, (32, 64)).params == 3_284_608
    assert measure(spec) == measure(spec, (224, 224))


def test_cycles_and_memory_stand_beside_the_other_costs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("fusenet", "--set", "fuse.op=mbconv", "--hardware", "systolic64", "--batch", "8")
    (entry,) = json.loads(printed(capsys, monkeypatch, *words, "--json"))
    # The last layer, 1024 to 100 classes, is two tiles: 1024 + 1 + 64 - 1 and 1024 + 1 + 36 - 1.
    head = json.loads(printed(capsys, monkeypatch, "fusenet", "--hardware", "systolic64", "--json"))
    wider = ("fusenet", "--set", "classes=101", "--hardware", "systolic64", "--json")
    assert (
        json.loads(printed(capsys, monkeypatch, *wider))[0]["cycles@systolic64"]
        == head[0]["cycles@systolic64"] + 1
    )
    assert entry["unedited"]["cycles@systolic64"] == head[0]["cycles@systolic64"]
    assert (
        entry["unedited"]["cycles@systolic64"] < entry["cycles@systolic64"]
    )  # what the pair was invented for
    # Weights, their gradients and SGD's momentum, and eight images.
    params = 4 * entry["params"]
    assert entry["training_memory@8"] > 3 * params + 4 * 8 * 3 * 224 * 224
    assert entry["inference_memory@8"] < entry["training_memory@8"]
    out = printed(capsys, monkeypatch, *words)
    assert f"{entry['cycles@systolic64']:,}" in out
    assert f"{entry['training_memory@8'] / 1e6:,.1f}" in out


def test_an_unknown_array_names_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "fusenet", "--hardware", "systolic46"]) == 2
    assert "did you mean 'systolic64'" in capsys.readouterr().err


def test_machines_in_files_of_one_name_keep_their_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two columns with one heading: each has its own cycles, in the order asked for."""
    columns = []
    for rows in (1, 2):
        path = tmp_path / str(rows) / "array.toml"
        path.parent.mkdir()
        path.write_text(f'kind = "systolic"\nrows = {rows}\ncolumns = 1\n', encoding="utf-8")
        columns.append(f"cycles@{path}")
    assert main(["cost", "fusenet", "--input", "32", "--columns", ",".join(columns), "--json"]) == 0
    [entry] = json.loads(capsys.readouterr().out)
    assert main(["cost", "fusenet", "--input", "32", "--columns", ",".join(columns)]) == 0
    row = capsys.readouterr().out.splitlines()[-1].split()
    assert row[-2:] == [f"{entry[name]:,}" for name in columns]
    assert entry[columns[0]] > entry[columns[1]]


def test_a_spoilt_machine_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "array.toml"
    path.write_text("rows = ", encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["cost", "fusenet", "--columns", f"cycles@{path}"])
    assert capsys.readouterr().err.count(f"{path}: ") == 1
