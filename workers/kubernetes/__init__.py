"""The house as Kubernetes manifests, from the providers of `mirepoix.yaml`: a base for kustomize.

What differs from cluster to cluster (images, namespaces, resources) is the business of overlays on it.
"""

from __future__ import annotations

from workers.kubernetes.base import write_base
from workers.kubernetes.scaling import ScaleBy

__all__ = ["ScaleBy", "write_base"]
