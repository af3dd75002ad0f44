"""The fault runs: real processes, a real broker and a real PostgreSQL, hurt on purpose while clients are at work. See ../README.md."""
