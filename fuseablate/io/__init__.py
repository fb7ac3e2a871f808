"""What stands between the package and the world: files, locks, text that goes out, the terminal.

In come paths and texts of whatever origin; out go checked values, whole files and clean lines.
Each module is a tool of its own and is imported by its name: `atomic` (files written whole),
`reading` (the one reader of files), `checked` (frozen tables, checked as they are made), `tensors`
(files of tensors), `lock` (folders held by one process), `escaping` (text made fit for each kind
of output), `terminal` (numbers and tables on a terminal), `cores` (how many there are),
`interpreter` (how another Python is started).
"""
