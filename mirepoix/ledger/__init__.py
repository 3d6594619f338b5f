"""The ledger as producers see it: its tables, and how to accept a job and read it back.

What workers do with it (claims, answers, migrations) is the package `db`.
"""
