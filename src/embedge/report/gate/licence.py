"""Which licences of weights and data need somebody to say: yes, I know."""

import re
from collections.abc import Sequence

from embedge.report.model import Provenance

__all__ = ["licence_findings", "non_commercial"]

_NON_COMMERCIAL = re.compile(
    r"non[\s_-]?commercial|\bCC[\s-]BY[\s-]NC\b|[\s-]NC[\s-]|research[\s_-]+(only|use|purposes)"
    r"|academic[\s_-]+(only|use)|evaluation[\s_-]+only",
    re.IGNORECASE,
)


def non_commercial(licence: str) -> bool:
    """Whether the words of a licence forbid or doubt commercial use."""
    return bool(_NON_COMMERCIAL.search(licence))


def licence_findings(
    provenance: Provenance, acknowledged: Sequence[str], *, required: Sequence[str]
) -> list[tuple[str, bool, str]]:
    """(what, fine, why) for the weights and the data of a report.

    `required` names what must state a licence at all (`weights`, `data`); a non-commercial one
    passes only when exactly its text is among `acknowledged`.
    """
    findings = []
    for what, licence in (
        ("weights", provenance.weight_licence),
        ("data", provenance.data_licence),
    ):
        if not licence:
            if what in required:
                findings.append((what, False, "states no licence"))
        elif non_commercial(licence) and licence not in acknowledged:
            findings.append((what, False, f"'{licence}' is non-commercial and not acknowledged"))
        else:
            known = " (acknowledged)" if licence in acknowledged else ""
            findings.append((what, True, f"{licence}{known}"))
    return findings
