"""`python -m comms.cli`: for children that must run with this very interpreter."""

from comms.cli import main

main()
