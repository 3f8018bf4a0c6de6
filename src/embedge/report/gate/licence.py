"""Which licences of weights and data need somebody to say: yes, I know."""

import re
from collections.abc import Sequence
from unicodedata import normalize

from embedge.report.model import Provenance

__all__ = ["licence_checks", "non_commercial"]

_NOTHING = frozenset(
    {"", "?", "n/a", "na", "nil", "no", "none", "no licence", "no license", "not known"}
    | {
        "not stated",
        "null",
        "tba",
        "tbd",
        "todo",
        "undefined",
        "unknown",
        "unspecified",
        "unstated",
    }
)
_DASHES = re.compile("[\u2010-\u2015\u2212_-]")
_OPTIONS = {"weights": "--licence", "data": "--data-licence"}
_NON_COMMERCIAL = re.compile(
    r"non[\s_-]?commercial|\bCC[\s-]BY[\s-]NC\b|[\s-]NC[\s-]|research[\s_-]+(only|use|purposes)"
    r"|academic[\s_-]+(only|use)|evaluation[\s_-]+only",
    re.IGNORECASE,
)


def non_commercial(licence: str) -> bool:
    """Whether the words of a licence forbid or doubt commercial use."""
    return bool(_NON_COMMERCIAL.search(_DASHES.sub("-", licence)))


def _plainly(licence: str) -> str:
    """Without case, dashes being spaces: the same licence however it is typed."""
    return " ".join(_DASHES.sub(" ", normalize("NFKC", licence)).casefold().split())


def licence_checks(
    provenance: Provenance, acknowledged: Sequence[str], *, required: Sequence[str]
) -> list[tuple[str, bool, str]]:
    """(what, fine, why) for the weights and the data of a report.

    `required` names what must state a licence at all (`weights`, `data`); a non-commercial one
    passes only when its text is among `acknowledged`, however it is typed.
    """
    findings = []
    known = {_plainly(one) for one in acknowledged}
    for what, licence in (
        ("weights", provenance.weight_licence),
        ("data", provenance.data_licence),
    ):
        if licence is None or _plainly(licence).strip(" .") in _NOTHING:
            if what in required:
                told = f"'{licence}' " if licence else ""
                why = f"{told}states no licence; {_OPTIONS[what]} of the command states it"
                findings.append((what, False, why))
        elif non_commercial(licence) and _plainly(licence) not in known:
            findings.append((what, False, f"'{licence}' is non-commercial and not acknowledged"))
        else:
            agreed = " (acknowledged)" if _plainly(licence) in known else ""
            findings.append((what, True, f"{licence}{agreed}"))
    return findings
