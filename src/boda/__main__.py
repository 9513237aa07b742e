"""`python -m boda` is `boda`."""

from boda.cli.main import main

main()
