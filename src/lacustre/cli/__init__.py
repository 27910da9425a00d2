"""The `lacustre` command: it parses, calls `Lake`, and prints."""

from __future__ import annotations

import os
import sys

from lacustre.errors import LacustreError

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 and SIGINT's number."""


def main() -> None:
    """Run the command; a LacustreError becomes its message on standard error and its exit status."""
    from lacustre.cli.app import app
    from lacustre.cli.output import print_error

    try:
        app()
    except LacustreError as error:
        print_error(error)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # the reader of a pipe went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            os._exit(INTERRUPTED)  # without waiting for the query that a thread may still run
        raise
