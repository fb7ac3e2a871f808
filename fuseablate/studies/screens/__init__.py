"""What a study shows on a terminal: before it starts, and while it runs.

In come a plan or a status; out come tables and lines. Each module is imported by its name, as what
follows a study's status needs neither its plan nor Optuna: `plan` (what a study would train, with
`search`, what its space holds) and `live` (a status as a table, and the views of a running study).
"""
