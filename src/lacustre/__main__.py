"""`python -m lacustre` is the `lacustre` command."""

from lacustre.cli import main

main()
