"""Calls that may wait, sent to their provider as one batch (docs/batches.md)."""
