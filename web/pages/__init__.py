"""Pages for people: overview, jobs, one job, pipelines, costs, and the router's playground."""

from web.pages.site import routes

__all__ = ["routes"]
