"""What a model said, as the JSON value that a call's schema asks for."""

from pipelines.answers.errands import ask_anew, explain_flaws, retold
from pipelines.answers.reading import Form, Reading, Unfit, read_answer

__all__ = ["Form", "Reading", "Unfit", "ask_anew", "explain_flaws", "read_answer", "retold"]
