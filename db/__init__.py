"""The ledger as workers see it: claims, answers, attempts, leases, costs and migrations.

Functions here take a connection inside a transaction and are called by meaning; nothing above writes SQL. The tables
themselves stand in `mirepoix.ledger.tables`, since producers write jobs without this package.

To exclude deadlocks, whatever changes the steps of a job locks its job row first (`db.locks`).
"""
