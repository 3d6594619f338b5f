"""Answers that break their schema, written by us."""
