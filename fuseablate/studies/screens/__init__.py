"""What a study shows on a terminal: before it starts, and while it runs.

In come a study, its plan or its status; out come tables and lines. Each module is imported by its
name, as what follows a study's status needs neither its plan nor Optuna: `study` (what its file
says), `plan` (what it would train, with `search`, what its space holds) and `live` (a status as a
table, and the views of a running study).
"""
