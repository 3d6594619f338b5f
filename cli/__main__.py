"""The door: the console script `mirepoix`, and `python -m cli`, by which `mirepoix up` starts its children."""

from __future__ import annotations

import gc


def main() -> None:
    """Import the command line, then run it.

    What imports make lives as long as the process. To look through it for garbage again and again, while it grows and
    once more at the end, would take a third of the time of a short command.
    """
    gc.disable()
    from cli.main import main as run

    gc.enable()
    gc.freeze()
    run()


if __name__ == "__main__":
    main()
