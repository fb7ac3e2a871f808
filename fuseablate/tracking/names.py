r"""Names made fit for W&B's rules.

Ids: none of `/ \ # ? % : ; , '`, no space around; a deleted run's id is never free again
(docs.wandb.ai, Run identifiers; `wandb.Settings.validate_run_id`). A job type has at most 64
characters, which only the server enforces (wandb issue 6402); run names, groups and projects
at most 128; a project none of `/ \ # ? % :` (`wandb.Settings.validate_project`).
"""

from __future__ import annotations

import hashlib
import re

from fuseablate.errors import InputError
from fuseablate.io.escaping import plain

JOB_TYPE_LENGTH = 64
NAME_LENGTH = 128
PROJECT_RESERVED = "/\\#?%:"


def run_id(study_digest: str, run_digest: str) -> str:
    """Return the id of a run in a study, from the digests of both: the run's folder ends it."""
    return f"{study_digest[:8]}-{run_digest[:16]}"


def shortened(text: str, length: int) -> str:
    """Return `text` on one line of at most `length` characters.

    What is too long ends in six digits of its hash, so that two long texts stay two.
    """
    line = re.sub(r"\s+", " ", plain(text)).strip()
    if len(line) <= length:
        return line
    mark = hashlib.sha256(line.encode()).hexdigest()[:6]
    return f"{line[: length - 7].rstrip()}~{mark}"


def job_type(variant: str) -> str:
    """Return the job type of a variant: its name."""
    return shortened(variant, JOB_TYPE_LENGTH)


def run_name(variant: str, seed: int) -> str:
    """Return the name of a run: its variant and its seed, which is never cut off."""
    end = f" seed {seed}"
    return shortened(variant, NAME_LENGTH - len(end)) + end


def artifact_name(study: str, study_digest: str) -> str:
    """Return what the report of a study is called, of the characters that artifacts may have."""
    end = f"-{study_digest[:8]}-report"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", study)[: NAME_LENGTH - len(end)] + end


def check_project(project: str) -> str:
    """Return the name of a project; raise an InputError where W&B would refuse it."""
    if not project or len(project) > NAME_LENGTH or set(project) & set(PROJECT_RESERVED):
        raise InputError(
            f"W&B project '{project}': needs 1 to {NAME_LENGTH} characters, "
            f"none of {' '.join(PROJECT_RESERVED)}"
        )
    return project
