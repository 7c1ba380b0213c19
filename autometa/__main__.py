"""``python -m autometa`` is the command line."""

from autometa.cli.main import main

main()
