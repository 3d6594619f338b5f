"""Pure thinking about pipelines: no I/O, no clock, no broker, no database.

`plan` and `canvas` turn a pipeline into ledger steps and Celery primitives, `routers`, `gates` and `reducers` decide,
`learned` runs trained routers, `templates` and `scope` build prompts, `check` finds mistakes before a job does.
"""
