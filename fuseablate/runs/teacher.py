"""The teacher of a run: another run of its store, whose outputs it learns from. Without torch."""

from __future__ import annotations

from fuseablate.errors import InputError
from fuseablate.recipes import Recipe
from fuseablate.runs.lookup import record_named
from fuseablate.runs.record import Record, TeacherCost
from fuseablate.runs.store import WEIGHTS, Identified, Store


def teacher_of(store: Store, recipe: Recipe, data: Identified) -> Record | None:
    """Return the record of the run that a recipe names as its teacher; None where it names none.

    Raise `InputError` where the store has no such run, where it failed or its weights are gone, and
    where it has seen other data: other images, other classes, or another split, by which it may
    have been trained on images that validate here.
    """
    if recipe.teacher is None:
        return None
    place = f"recipe {recipe.name}: teacher.run = {recipe.teacher.run}"
    try:
        record = record_named(store, recipe.teacher.run)
    except InputError as error:
        raise error.within(place) from None
    if record.status != "finished":
        raise InputError(f"{place}: the run failed; name one that finished")
    path = store.folder(record.digest) / WEIGHTS
    if not path.exists():
        raise InputError(f"{place}: {path} is gone; put it back, or name another run")
    mine, theirs = dict(data.identity), dict(record.data)
    for key in dict.fromkeys((*mine, *theirs)):
        if _plain(mine.get(key)) != _plain(theirs.get(key)):
            raise InputError(
                f"{place}: was trained on other data ({record.data_title}, {key} = "
                f"{theirs.get(key)}, and here {mine.get(key)}); name a run on the same"
            )
    return record


def teacher_cost(record: Record) -> TeacherCost:
    """Return what a run's record says of its teacher, whose own record is given."""
    network = " ".join(filter(None, (record.spec_name, record.label)))
    before = record.teacher.seconds if record.teacher else 0.0
    return TeacherCost(
        run=record.digest,
        network=network,
        recipe=record.recipe_name,
        params=record.params,
        macs=record.macs,
        seconds=record.seconds + before,
    )


def _plain(value: object) -> object:
    """Return a value as JSON would have it, whose lists are tuples elsewhere."""
    return list(value) if isinstance(value, tuple) else value
