"""The fault matrix: real processes, real loads, and one fault after another; `python -m tests.faults`.

Each row gives the same load to a running house, does something dreadful to it, waits until all jobs have ended, and
asks the ledger and the emulator's bill what became of them.
"""
