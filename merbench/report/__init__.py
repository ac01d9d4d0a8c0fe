"""Records and published figures -> terminal, Markdown, LaTeX, CSV, JSON, logs. Nothing in here needs torch."""
