"""Whether W&B is on: the flag, the environment, or else the login. Without wandb or network."""

from __future__ import annotations

import configparser
import netrc
import os
from pathlib import Path
from typing import Literal, TypeAlias, cast
from urllib.parse import urlsplit

from fuseablate.errors import InputError, unknown

Mode: TypeAlias = Literal["online", "offline", "off"]
MODES = ("online", "offline", "off")
WANDB_MODES = {"online": "online", "run": "online", "offline": "offline", "dryrun": "offline"}
SERVER = "https://api.wandb.ai"
HOW = "`wandb login` or WANDB_API_KEY logs in, `--wandb offline` needs no account"


def resolve_mode(flag: str | None) -> tuple[Mode, str]:
    """Return the mode, and a line that says what it means ("" where the user asked for none).

    Without a flag WANDB_MODE decides, then whether the user is logged in. An InputError says
    that the flag is unknown, or that `online` was asked for without a login. Never prompts.
    """
    if flag is not None and flag not in MODES:
        raise unknown("--wandb", flag, MODES)
    wandb_mode = os.environ.get("WANDB_MODE")
    asked = flag or (WANDB_MODES.get(wandb_mode, "off") if wandb_mode else None)
    if asked == "off":
        return "off", ""
    if asked is None and not logged_in():
        return "off", f"W&B: off, not logged in; {HOW}"
    if asked == "online" and not logged_in():
        place = "--wandb online" if flag else f"WANDB_MODE={wandb_mode}"
        raise InputError(f"{place}: not logged in to {server()}; {HOW}")
    mode = cast("Mode", asked or "online")
    if mode == "offline":
        return mode, "W&B: offline, written to files that `wandb sync` sends"
    return mode, f"W&B: online, at {server()}"


def server() -> str:
    """Return the address of the W&B server: WANDB_BASE_URL, or that of `wandb login --host`."""
    settings = configparser.ConfigParser(interpolation=None)
    folder = os.environ.get("WANDB_CONFIG_DIR") or Path.home() / ".config" / "wandb"
    try:
        settings.read(Path(folder) / "settings")
    except (configparser.Error, UnicodeDecodeError):
        settings.clear()
    saved = settings.get("default", "base_url", fallback="")
    return (os.environ.get("WANDB_BASE_URL") or saved or SERVER).rstrip("/")


def logged_in() -> bool:
    """Say whether a key for the server lies where wandb looks for one.

    These are the places of wandb's own `authenticate_session`, which prompts where they are
    empty: two variables of the environment, and the netrc file that `wandb login` writes.
    """
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        entry = netrc.netrc(_netrc_file()).authenticators(urlsplit(server()).netloc)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return False
    return bool(entry and entry[2])


def _netrc_file() -> Path:
    if named := os.environ.get("NETRC"):
        return Path(named).expanduser()
    usual = Path.home() / ".netrc"
    return usual if usual.exists() else Path.home() / "_netrc"
