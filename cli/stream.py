"""Print an answer while it comes."""

from __future__ import annotations

import sys

from cli import screen
from mirepoix.client import Handle
from mirepoix.errors import JobFailed
from mirepoix.pieces import Piece
from mirepoix.states import JobState
from mirepoix.views import JobView


def print_stream(handle: Handle, timeout: float | None, *, json: bool) -> JobView:
    """Print the pieces of the job's answer as they come, and what it took; as JSON, a piece a line, then the job."""
    begun = False
    try:
        for piece in handle.stream(timeout):
            if json:
                screen.print_json({"piece": piece.text, "restart": piece.restart})
            else:
                _print_piece(piece, begun=begun)
            begun = True
    except JobFailed:
        pass  # the job's own view says why
    view = handle.view()
    if json:
        screen.print_json(view)
        return view
    if begun:
        sys.stdout.write("\n")
    screen.print_job(view.model_copy(update={"output": None}) if view.state is JobState.SUCCEEDED else view)
    return view


def _print_piece(piece: Piece, *, begun: bool) -> None:
    if piece.restart and begun:
        sys.stdout.write("\n")
        sys.stdout.flush()
        screen.err.print("the answer starts over", style="yellow")
    sys.stdout.write(screen.harmless(piece.text))
    sys.stdout.flush()
