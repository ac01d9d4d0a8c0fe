"""The leaderboard as pages: built from rows and tables, works from a file, needs no server and no network."""
