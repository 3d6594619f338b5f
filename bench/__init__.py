"""Measurements, each against something run beside it on the same machine: `make bench`."""
