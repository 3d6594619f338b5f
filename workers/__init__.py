"""The processes: the Celery app, worker start-up, leases, the reconciler, the embedded broker, Flower, and `up`."""
