"""What a check lets pass: last digits, and decisions that they turned; and what it does not."""

from typing import Any

import numpy as np
import pytest

from embedge.report.papers.again import TURNED, measured_again


def differing(stated: Any, measured: Any) -> list[str]:
    return measured_again(stated, measured).differing


def test_places_that_differ_are_named_and_what_time_changes_is_not() -> None:
    assert differing({"created": 1, "versions": 2, "command": 3}, {"created": 4}) == []
    assert differing([1, [2]], [1, [2, 3]]) == ["[1]"]
    assert differing({"a": None}, {"a": 0.0}) == ["a"]
    assert differing({"a": 1000}, {"a": 1000.0005}) == []
    assert differing({"a": True}, {"a": 1.0}) == []
    assert differing({"a": True}, {"a": False}) == ["a"]


def _of(**change: object) -> dict[str, object]:
    found = {"genuine": 6000, "impostor": 124_500, "false_matches": 3, "subjects": 500}
    fmr = {"rate": 3 / 124_500, "low": 2e-7, "high": 1.9e-4}
    threshold = {"value": 0.3, "fmr": 1e-5, "fmr_upper": 9.9e-5}
    return {**found, "fmr": fmr, "threshold": threshold} | change


def test_intervals_and_evidence_are_held_to_their_last_figures() -> None:
    """A tenth of a per cent was ten times the default FMR target."""
    assert differing(_of(), _of()) == []
    for name, change in {
        "fmr": {"rate": 3 / 124_500, "low": 2.3e-5, "high": 2.5e-5},
        "threshold": {"value": 0.3, "fmr": 0.0, "fmr_upper": 1e-9},
        "subjects": 501,
        "impostor": 124_600,
        "false_matches": 6,
    }.items():
        assert differing(_of(**{name: change}), _of()), name
    assert differing(_of(threshold={"value": 0.3009, "fmr": 1e-5, "fmr_upper": 9.9e-5}), _of())


def test_a_comparison_that_rounding_turned_is_no_difference_and_is_told() -> None:
    turned = {"rate": 4 / 124_500, "low": 2.1e-7, "high": 2.1e-4}
    found = measured_again(_of(fmr=turned, false_matches=4), _of())
    assert found.differing == []
    assert found.turned == ["false_matches 4 → 3"]
    many = {"rate": 9 / 124_500, "low": 2.1e-7, "high": 2.1e-4}
    assert differing(_of(fmr=many, false_matches=9), _of())


def _compared(**change: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "fmr": 0.01,
        "tar": 0.95,
        "low": 0.92,
        "high": 0.97,
        "false_matches": 1245,
    }
    row |= {"measured": {"rate": 0.01, "low": 0.008, "high": 0.013}}
    eer = {"rate": 0.02, "low": 0.01, "high": 0.04, "threshold": 0.25}
    rates = {"tar": [row | change], "eer": eer, "histogram": {"genuine": [30, 5970]}}
    return {"comparison": {"genuine": 6000, "impostor": 124_500} | rates}


@pytest.mark.parametrize(
    "change",
    [
        {"low": 0.921},
        {"high": 0.969},
        {"measured": {"rate": 0.01, "low": 0.0081, "high": 0.013}},
        {"measured": {"rate": 0.01, "low": 0.008, "high": 0.0129}},
        {"fmr": 0.01 - 1 / 124_500},
        {"tar": 0.95 + 0.5 / 6000},
    ],
)
def test_an_edit_opens_no_slack_for_itself(change: dict[str, Any]) -> None:
    """Neither do counts of a histogram, which no threshold decides."""
    places = differing(_compared(**change), _compared())
    assert places
    assert all(place.startswith("comparison.tar[0].") for place in places)
    edited = _compared(**change)
    edited["comparison"]["histogram"] = {"genuine": [31, 5969]}
    assert differing(edited, _compared()) == places


def test_a_rate_without_its_count_turns_by_whole_comparisons_and_is_told() -> None:
    turned = _compared()
    turned["comparison"]["eer"] |= {"rate": 0.02 + 0.5 / 6000, "low": 0.0101}
    found = measured_again(turned, _compared())
    assert (found.differing, found.turned) == ([], ["comparison.eer.rate 0.0200833 → 0.02"])
    turned["comparison"]["eer"] |= {"rate": 0.02 + 0.4 / 6000}
    assert differing(turned, _compared()) == ["comparison.eer.rate"]


def test_turned_rejections_leave_rates_of_strangers_where_they_are() -> None:
    turned = _compared(tar=0.95 - 1 / 6000, low=0.9195)
    assert differing(turned, _compared()) == []
    measured = {"rate": 0.01, "low": 0.008001, "high": 0.013}
    turned["comparison"]["tar"][0] |= {"measured": measured}
    assert differing(turned, _compared()) == ["comparison.tar[0].measured.low"]


def _annex(matches: int, of: int = 594) -> dict[str, Any]:
    """Two groups at one threshold, the first with so many false matches."""
    fmr = {"rate": matches / of, "low": matches / of / 2, "high": 2 * matches / of}
    other = {"rate": 30 / of, "low": 15 / of, "high": 60 / of}
    counts = {"impostor": of, "genuine": 36, "rejected": 4}
    groups = [
        {**counts, "false_matches": matches, "fmr": fmr},
        {**counts, "false_matches": 30, "fmr": other},
    ]
    cell = {"comparisons": of, "false_matches": matches, "fmr": fmr}
    worst, best = ("a", "b") if matches >= 30 else ("b", "a")
    ratio = max(matches, 30) / min(matches, 30)
    told = {"rate": "fmr", "worst": worst, "best": best, "ratio": ratio, "at_least": 1.0}
    return {"groups": groups, "crossed": [cell], "worst": [told]}


def test_in_a_small_group_two_comparisons_are_a_larger_share() -> None:
    found = measured_again(_annex(31), _annex(29))
    assert found.differing == []
    assert found.turned == [
        "crossed[0].false_matches 31 → 29",
        "groups[0].false_matches 31 → 29",
    ]
    assert "groups[0].false_matches" in differing(_annex(31 + TURNED), _annex(30))


def test_where_nothing_turned_the_worst_is_held_to_its_last_figures() -> None:
    edited = _annex(60)
    edited["worst"][0] |= {"at_least": 1.2}
    assert differing(edited, _annex(60)) == ["worst[0].at_least"]
    edited["worst"][0] |= {"at_least": 1.0, "worst": "b"}
    assert differing(edited, _annex(60)) == ["worst[0].worst"]


def _finding(count: int, what: str | None = None) -> dict[str, Any]:
    words = "picture resembles another person more than its own"
    several = "pictures resemble another person more than their own"
    told = what or f"{count} {words if count == 1 else several}"
    return {"code": "mislabelled", "severity": "warning", "what": told, "count": count}


@pytest.mark.parametrize(("stated", "measured"), [(1, 2), (2, 1), (3, 5)])
def test_a_finding_may_turn_as_its_cosines_do(stated: int, measured: int) -> None:
    both = ({"findings": [_finding(count)]} for count in (stated, measured))
    found = measured_again(*both)
    assert found.differing == []
    assert found.turned == [f"findings.mislabelled {stated} → {measured}"]


def test_one_that_only_one_processor_sees() -> None:
    found = measured_again({"findings": []}, {"findings": [_finding(2)]})
    assert (found.differing, found.turned) == ([], ["findings.mislabelled 0 → 2"])
    assert differing({"findings": []}, {"findings": [_finding(3)]}) == ["findings.mislabelled"]


@pytest.mark.parametrize("count", [2, 3])
def test_a_sentence_that_is_not_of_its_own_count_is_an_edit(count: int) -> None:
    edited = {"findings": [_finding(2, "nothing was found")]}
    assert differing(edited, {"findings": [_finding(count)]}) == ["findings.mislabelled.what"]


def test_faults_that_no_cosine_decides_do_not_turn() -> None:
    whole = {"code": "one-person", "severity": "warning", "what": "12 %", "count": 40}
    fewer = {**whole, "count": 39}
    assert differing({"findings": [fewer]}, {"findings": [whole]}) == ["findings.one-person.count"]


def test_bins_turn_by_as_many_as_lie_within_the_noise_of_their_edges() -> None:
    """Millions of cosines, some ten-millionths apart as on two processors; no more than that."""
    rng = np.random.default_rng(1)
    cosines, edges = 0.08 * rng.normal(size=4_000_000), np.linspace(-1, 1, 129)
    first, again = (
        np.histogram(cosines + noise, edges)[0].tolist()
        for noise in (0.0, 3e-7 * rng.normal(size=len(cosines)))
    )
    worst = max(abs(a - b) for a, b in zip(first, again))
    assert worst > TURNED

    def held(bins: list[int]) -> list[str]:
        return differing({"histogram": {"impostor": bins}}, {"histogram": {"impostor": first}})

    assert held(again) == []
    place = int(np.argmax(first))
    for number, many in ((place, first[place] // 500), (100, 3)):
        edited = [*first]
        edited[number] += many
        assert held(edited) == [f"histogram.impostor[{number}]"]


def _named(faces: str, *models: str, print_: str = "0123456789ab") -> dict[str, Any]:
    gallery, probe = ({"model": name, "artifact": None} for name in models)
    dataset = f"{faces} {print_}, threshold people"
    threshold = {"dataset": dataset}
    return {"faces": {"name": faces}, "gallery": gallery, "probe": probe, "threshold": threshold}


def test_the_same_bytes_under_another_name_are_told_and_no_difference() -> None:
    found = measured_again(_named("lfw", "old", "new"), _named("copy of lfw", "old", "new (1)"))
    assert (found.differing, found.renamed) == ([], ["lfw → copy of lfw", "new → new (1)"])


@pytest.mark.parametrize(
    ("stated", "place"),
    [
        (_named("lfw", "old", "old"), "probe"),
        (_named("lfw", "old", "new") | {"faces": {"name": "ijb"}}, "faces.name"),
        (_named("lfw", "old", "new", print_="ba9876543210"), "threshold.dataset"),
        (
            _named("lfw", "old", "new") | {"probe": {"model": "b", "artifact": "int8"}},
            "probe.model",
        ),
    ],
)
def test_one_name_for_two_and_bytes_of_others_are_no_renaming(stated: Any, place: str) -> None:
    measured = _named("lfw", "old", "new")
    if stated["probe"]["artifact"]:
        measured["probe"]["artifact"] = "int8"  # whose name is among the bytes of its bundle
    assert differing(stated, measured) == [place]
