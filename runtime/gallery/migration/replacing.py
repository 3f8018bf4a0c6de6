"""A bridged template gives way to a native one at a visit that more than the bridge vouches for."""

from collections.abc import Sequence
from dataclasses import replace
from sqlite3 import Connection

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.enrolment import checked_name, checked_rows
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.migration.crossing import Counted
from embedge.runtime.gallery.migration.side import SpaceSide
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.templates import BRIDGED, NATIVE, Template
from embedge.runtime.gallery.search.int8 import float_from_rows
from embedge.runtime.policy import NIST_800_63B, Policy
from embedge.runtime.threshold import Threshold

__all__ = ["replace_bridged"]

_COPY = 0.95  # one visit's pictures are nearer to each other, two visits' mostly not


def replace_bridged(
    gallery: Gallery,
    person: str,
    embedding: Embeddings,
    contract: EmbeddingContract,
    *,
    native: Threshold,
    other_factor: bool = False,
    policy: Policy = NIST_800_63B,
) -> bool:
    """Whether the person's bridged template that is most like this visit's was replaced by it.

    It is only where that very one accepts the visit, and where no native one of the person is a
    copy of it: the same picture twice tells nothing more. The face has to be accepted, by any
    template at its own threshold; and a native template accepts it too, or `other_factor`, which
    the caller has checked, says who it is. Old templates stay as they are until they are erased.
    """
    asked = checked_name(person)
    _require_judges(native, policy)

    def give_way(connection: Connection, seen: Seen) -> bool:
        name, number, crossing = seen.named(asked), seen.number(asked), seen.state.crossing
        side = seen.side
        row = _one(checked_rows(embedding, contract, side.contract))
        if number is None or crossing is None or not crossing.marks:
            return False
        templates = seen.ledger.templates(connection, number)
        cosines = _cosines(side, templates, row)
        limits = [crossing.thresholds[0] if each.mark else native for each in templates]
        matches = [cosine > limit.value for cosine, limit in zip(cosines, limits, strict=True)]
        sure = any(match and not each.mark for match, each in zip(matches, templates, strict=True))
        if not any(matches) or not _allowed(policy, native=sure, other_factor=other_factor):
            return False
        marked = list(zip(cosines, templates, strict=True))
        copied = any(cosine > _COPY for cosine, each in marked if not each.mark)
        bridged = [(cosine, each.record) for cosine, each in marked if each.mark >= BRIDGED]
        nearest, chosen = max(bridged, default=(-1.0, ""))
        if copied or nearest <= crossing.thresholds[0].value:
            return False
        stored, column = side.kept(row[None]), "across" if side.across else "row"

        def changed(some: list[Template]) -> list[Template]:
            new = {column: stored[0], "mark": NATIVE}
            return [replace(each, **new) if each.record == chosen else each for each in some]

        state = seen.ledger.reseal(connection, seen.state, seen.ledger, changed, number)
        state = replace(state, crossing=crossing.without(Counted(bridged=1)))
        state = seen.ledger.notes.record(connection, state, "replace", {name: 1})
        gallery.mirror.put(connection, state)
        return True

    if replaced := gallery.mirror.write(give_way):
        gallery.mirror.scrub()
    return replaced


def _require_judges(native: Threshold, policy: Policy) -> None:
    for what, given, kind in (("native", native, Threshold), ("policy", policy, Policy)):
        if not isinstance(given, kind):
            raise EmbedgeError(
                "E-OPTION",
                f"{what} is a {kind.__name__}, not {type(given).__name__}",
                remedy="Give the matcher's threshold, and a policy such as NIST_800_63B",
            )


def _one(rows: Embeddings) -> Embeddings:
    if len(rows) == 1:
        row: Embeddings = rows[0]
        return row
    what = f"a visit is one embedding, not {len(rows)}"
    raise EmbedgeError("E-EMBEDDING", what, remedy="Give the visit's own embedding alone")


def _allowed(policy: Policy, *, native: bool, other_factor: bool) -> bool:
    match policy.replaces:
        case "never":
            return False
        case "other factor":
            return other_factor
        case "vouched":
            return native or other_factor


def _cosines(side: SpaceSide, templates: Sequence[Template], row: Embeddings) -> list[float]:
    """-1 for what is not searched."""
    rows = [each.at(across=side.across) for each in templates]
    return [-1.0 if each is None else float(float_from_rows(each[None])[0] @ row) for each in rows]
