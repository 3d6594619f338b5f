"""The Celery tasks and what they touch: providers, prices, the ledger.

Each task is thin: claim a step, think (`pipelines`), act, record (`db`), and let the canvas go on. `tasks.registry`
shows all of them on one screen.
"""
