"""The command line: `main` composes, one file per command."""
