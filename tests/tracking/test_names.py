"""W&B's rules for names, and when it is on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseablate.errors import InputError
from fuseablate.tracking import resolve_mode
from fuseablate.tracking.delivered import Delivered
from fuseablate.tracking.names import check_project, job_type, run_id, run_name, shortened

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(HEX, HEX)
def test_ids_follow_the_rules_and_name_both_digests(study: str, run: str) -> None:
    id = run_id(study, run)
    assert id == study[:8] + "-" + run[:16]
    assert not set(id) & set("/\\#?%:;,'")


@given(st.text(), st.integers(1, 200).map(lambda length: length + 7))
def test_fit_text_is_one_short_line(text: str, length: int) -> None:
    line = shortened(text, length)
    assert len(line) <= length
    assert "\n" not in line
    assert line == line.strip()


def test_long_names_stay_apart_and_keep_the_seed() -> None:
    long = "5.se=off+" * 30
    assert len(job_type(long)) == 64
    assert job_type(f"{long}a") != job_type(f"{long}b")
    assert job_type("se=off") == "se=off"
    assert len(run_name(long, 12345)) == 128
    assert run_name(long, 12345).endswith(" seed 12345")


@pytest.mark.parametrize("name", ["", "a/b", "a" * 129, "50%"])
def test_a_project_that_wandb_would_refuse_is_an_input_error(name: str) -> None:
    with pytest.raises(
        InputError, match=r"^W&B project '.*': needs 1 to 128 characters, none of / "
    ):
        check_project(name)


@pytest.fixture
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "IDENTITY_TOKEN_FILE", "BASE_URL", "MODE"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))


@pytest.mark.usefixtures("_nobody")
def test_without_a_login_wandb_is_off_and_says_how() -> None:
    mode, line = resolve_mode(None)
    assert mode == "off"
    assert "wandb login" in line
    assert "\n" not in line
    assert resolve_mode("off") == ("off", "")
    assert resolve_mode("offline")[0] == "offline"
    with pytest.raises(InputError, match=r"--wandb online: not logged in .* `wandb login`"):
        resolve_mode("online")
    with pytest.raises(InputError, match="did you mean 'online'"):
        resolve_mode("onlin")


@pytest.mark.usefixtures("_nobody")
def test_a_key_or_a_netrc_entry_of_the_server_is_a_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine my.host\n  login user\n  password abc\n")
    (tmp_path / "netrc").chmod(0o600)
    assert resolve_mode(None)[0] == "off"  # logged in to another server
    (tmp_path / "settings").write_text("[default]\nbase_url = https://my.host\n")
    assert resolve_mode(None) == ("online", "W&B: online, at https://my.host")
    monkeypatch.setenv("WANDB_BASE_URL", "https://api.wandb.ai")
    assert resolve_mode(None)[0] == "off"
    monkeypatch.setenv("WANDB_API_KEY", "abc")
    assert resolve_mode(None)[0] == "online"


@pytest.mark.usefixtures("_nobody")
@pytest.mark.parametrize(
    ("asked", "mode"), [("disabled", "off"), ("offline", "offline"), ("dryrun", "offline")]
)
def test_wandb_mode_decides_where_no_flag_does(
    monkeypatch: pytest.MonkeyPatch, asked: str, mode: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "abc")
    monkeypatch.setenv("WANDB_MODE", asked)
    assert resolve_mode(None)[0] == mode
    assert resolve_mode("online")[0] == "online"


def test_the_journal_survives_a_line_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "delivered.jsonl"
    Delivered(path).add("a", "record", "offline")
    with path.open("a") as file:
        file.write('{"key": "b", "wh')
    Delivered(path).add("c", "record", "online")
    read = Delivered(path)
    assert read.has("a", "record", "offline")
    assert not read.has("a", "record", "online")  # a file is not yet on the server
    assert not read.has("a", "another", "offline")
    assert not read.has("b", "record", "offline")
    assert read.has("c", "record", "offline")  # what the server has needs no file
