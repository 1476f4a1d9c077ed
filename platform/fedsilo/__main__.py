"""`python -m fedsilo` is `fedsilo`."""

from fedsilo.cli import main

main()
