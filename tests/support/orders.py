"""What `embedge dossier` and `embedge certify` are told, as their commands fill it in."""

from pathlib import Path
from typing import Any

from embedge.report.certificate.certifying import CertificateOrder
from embedge.report.dossier.filing import DossierOrder

__all__ = ["certificate_order", "dossier_order"]

_UNSAID: dict[str, Any] = {
    "fmr": 1e-4,
    "per_person": 8,
    "seed": 0,
    "trained_on": None,
    "cache": None,
    "threads": None,
}


def dossier_order(model: str, faces: Path, groups: Path | None = None, **said: Any) -> DossierOrder:
    return DossierOrder(model, faces, groups, **{"statement": None, **_UNSAID, **said})


def certificate_order(bundle: Path, faces: Path, old: str, **said: Any) -> CertificateOrder:
    usual = {"artifacts": (), "criterion": "asymmetric", "margin": 0.01}
    return CertificateOrder(bundle, faces, old, **{**usual, **_UNSAID, **said})
