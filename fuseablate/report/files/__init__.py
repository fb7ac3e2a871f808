"""The report in written forms: CSV, JSON, Markdown, LaTeX, HTML, and a plot."""
