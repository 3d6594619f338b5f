"""The folder that `mirepoix deploy kubernetes` writes."""

from __future__ import annotations

from pathlib import Path

import yaml

from mirepoix.config import ORCHESTRATE, Config
from mirepoix.errors import ConfigError
from workers.kubernetes.names import CONFIG, Manifest, worker_names
from workers.kubernetes.pods import flower, metrics_policy, migrate, orchestrators, web, worker
from workers.kubernetes.scaling import ScaleBy, authentication, scaled_object

KUSTOMIZATION = "kustomization.yaml"
HEADER = (
    "# Written by `mirepoix deploy kubernetes`. Change mirepoix.yaml and write it again, or lay an overlay over it.\n"
)


def write_base(config: Config, text: str, folder: Path, *, image: str, scale_by: ScaleBy) -> list[Path]:
    """Write the manifests of `config`, whose file holds `text`, into `folder`; returns the files.

    Raises ConfigError where that holds another's kustomization, or a provider's name is none in Kubernetes.
    """
    files = manifests(config, image, scale_by)
    kustomization = folder / KUSTOMIZATION
    if kustomization.exists() and not kustomization.read_text().startswith(HEADER):
        raise ConfigError(f"{kustomization} was not written by this command; give another folder with --to.")
    folder.mkdir(parents=True, exist_ok=True)
    written = {name: HEADER + yaml.safe_dump_all(found, sort_keys=False, width=120) for name, found in files.items()}
    for name, content in {**written, "mirepoix.yaml": text}.items():
        (folder / name).write_text(content)
    return [folder / name for name in (*written, "mirepoix.yaml")]


def manifests(config: Config, image: str, scale_by: ScaleBy) -> dict[str, list[Manifest]]:
    """The documents of each file."""
    files = {
        "migrate.yaml": [migrate(image)],
        f"{ORCHESTRATE}.yaml": orchestrators(config, image),
        "web.yaml": web(image),
        "flower.yaml": flower(image),
        "network.yaml": [metrics_policy()],
    }
    for provider, name in worker_names(config).items():
        scaled = [] if scale_by is ScaleBy.HAND else [scaled_object(config, provider, name, scale_by)]
        files[f"{name}.yaml"] = [*worker(config, provider, name, image, counted=not scaled), *scaled]
    if scale_by is not ScaleBy.HAND:
        files["keda.yaml"] = [authentication(scale_by)]
    return {KUSTOMIZATION: [_kustomization(list(files))], **files}


def _kustomization(files: list[str]) -> Manifest:
    """The configuration's name ends in its hash: who changes it starts new pods."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": files,
        "configMapGenerator": [{"name": CONFIG, "files": ["mirepoix.yaml"]}],
    }
