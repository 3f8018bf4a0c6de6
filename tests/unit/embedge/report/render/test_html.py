"""The page says what the numbers say, loads nothing, and lets no text become markup."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from sample_report import edited

from embedge.calibration.evaluation.figures import FloatLayer, Side
from embedge.report.device import device_report
from embedge.report.gate.measurand import OTHER
from embedge.report.model import (
    Curve,
    Gate,
    Provenance,
    Report,
    Training,
    Verdict,
)
from embedge.report.render.html import html_from_report
from embedge.report.render.pictures import without_pictures
from embedge.report.render.words import percent

VOID = {"meta", "link", "img", "br", "line", "path", "circle", "use", "rect"}


class Tree(HTMLParser):
    """Collects text, ids and addresses, and insists that every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href", "xlink:href", "action", "data", "poster"):
                self.addresses.append(str(value))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="session")
def page(sample: Report) -> str:
    return html_from_report(sample)


def test_everything_is_on_the_page(page: str, sample: Report) -> None:
    words = Tree(page).words
    for gate in sample.verdict.gates:
        assert gate.name in words
    for artifact in sample.artifacts:
        assert artifact.file in words
        assert artifact.sha256 in words
    for comparison in sample.comparisons:
        assert comparison.name in words
        for point in comparison.tar:
            missing = f"needs {point.needs or 0:,}"
            told = missing if point.tar is None else percent(point.tar).replace("\xa0", " ")
            assert told in words
    for told in ("All 10 gates hold.", "TensorRT is not installed", "Apache-2.0"):
        assert told in words
    assert sample.latency
    assert f"{sample.latency.artifacts[0].p50:.2f}" in words


def test_layers_in_float_are_told_with_the_reason(sample: Report) -> None:
    layer = FloatLayer("/features/Conv", 0.0123, "it flips 7 decisions")
    last = replace(sample.artifacts[-1], float_layers=(layer,))
    report = replace(sample, artifacts=(*sample.artifacts[:-1], last))
    words = Tree(html_from_report(report)).words
    assert f"What {last.name} computes in float" in words
    assert "/features/Conv 1.23 % it flips 7 decisions" in words
    assert "computes in float" not in Tree(html_from_report(sample)).words


def test_the_page_is_self_contained(page: str) -> None:
    tree = Tree(page)
    outside = [one for one in tree.addresses if not one.startswith(("#", "data:"))]
    assert outside == []
    assert not tree.tags & {"script", "iframe", "object", "embed", "audio", "video", "form"}
    assert "@import" not in page
    assert re.findall(r"url\((?!#)", page) == []
    assert "default-src 'none'" in page


def test_ids_are_unique_and_links_lead_somewhere(page: str) -> None:
    tree = Tree(page)
    assert len(tree.ids) == len(set(tree.ids))
    links = {one[1:] for one in tree.addresses if one.startswith("#")}
    assert links <= set(tree.ids)


def test_no_stand_in_colour_and_no_font_of_its_own_is_left(page: str) -> None:
    assert not re.search(r"#fe00\d\d", page)
    assert "DejaVu Sans'" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


def test_text_never_becomes_markup(sample: Report) -> None:
    nasty = "<script>alert(1)</script>&\"'"

    def spoil(value: Any) -> None:
        value["title"] = value["models"][0]["name"] = nasty
        value["provenance"]["recipe"] = {nasty: nasty}
        value["evaluation"]["comparisons"][0]["gallery"]["model"] = nasty
        value["training"]["curves"][0]["name"] = nasty
        value["worst"]["false_matches"][0]["label_a"] = nasty

    tree = Tree(html_from_report(edited(sample, spoil)))
    assert "script" not in tree.tags
    assert nasty in tree.words


def test_a_failed_report_names_the_failures_first(sample: Report) -> None:
    *others, gate = sample.verdict.gates
    unknown = Gate.of(OTHER, gate.name, gate.what, None, gate.bound, gate.direction, gate.unit)
    report = replace(sample, verdict=Verdict.of([*others, unknown]))
    words = Tree(html_from_report(report)).words
    assert "1 of 10 gates fails: no re-enrolment." in words
    assert words.index("not measured") < words.index("fp32 parity")


def test_what_too_few_people_tell_is_no_pass_on_the_page(sample: Report) -> None:
    *others, last = sample.verdict.gates
    short = Gate.of(
        OTHER, "int8-cpu accuracy", "TAR lost", 6.0, 1.0, "max", "points", at_best=0.0, needs=369
    )
    page = html_from_report(replace(sample, verdict=Verdict.of([*others, short])))
    words = Tree(page).words
    assert "Not shown 1 of 10 gates is not shown by so few people: int8-cpu accuracy." in words
    assert "0 points seen; it takes 369 people or more" in words
    assert words.index("it takes 369 people") < words.index("fp32 parity")
    assert 'aria-label="not shown"' in page
    assert "Passed" not in words
    both = [Gate.of(OTHER, last.name, "", None, 1.0, "max"), short, *others]
    told = Tree(html_from_report(replace(sample, verdict=Verdict.of(both)))).words
    assert "1 of 11 gates fails: no re-enrolment. 1 of 11 gates is not shown" in told


def test_without_pictures_no_face_and_no_name_is_shown(sample: Report) -> None:
    page = html_from_report(without_pictures(sample))
    assert "<img" not in page
    assert "person 1" not in Tree(page).words


def bare(sample: Report, **more: Any) -> Report:
    """What a device's bench writes, less what it measured; a verdict, and what is given."""
    assert sample.latency
    contract = SimpleNamespace(space="a space", digest="0" * 64)
    bundle = SimpleNamespace(name="lock", contract=contract, provenance={})
    report = device_report(bundle, [], sample.latency)  # type: ignore[arg-type]
    return replace(report, **{"latency": None, "verdict": sample.verdict, **more})


def test_a_report_with_nothing_but_a_verdict_still_reads(sample: Report) -> None:
    words = Tree(html_from_report(bare(sample))).words
    assert "Passed" in words
    assert "How fast" not in words


def test_a_probe_looks_alike_in_every_drawing(page: str) -> None:
    """One colour and dash per probe, so that two drawings and the table speak of the same."""
    judged = page[: page.index('id="training"')]
    found = re.findall(r"stroke=\"var\(--(c\d)\)\"[^>]*></svg>(?:<b>)?([^<]+)<", judged)
    colours: dict[str, set[str]] = {}
    for colour, name in found:
        colours.setdefault(name, set()).add(colour)
    told = {name: next(iter(seen)) for name, seen in colours.items() if len(seen) == 1}
    assert told["student fp16"] == told["teacher / student fp16"]
    assert told["student fp16"] != told["scratch"]
    assert told["scratch"] == told["teacher / scratch"]


def test_many_curves_are_drawn_without_bands(sample: Report) -> None:
    assert sample.evaluation
    few = tuple(one for one in sample.comparisons if "fp16" not in one.name)
    told, evaluation = "bands are intervals", replace(sample.evaluation, comparisons=few)
    own = [one for one in few if one.gallery == one.probe]
    assert len(own) == 4
    extra = replace(own[0], gallery=Side("fifth"), probe=Side("fifth"))
    many = replace(evaluation, comparisons=(*few, extra))
    for shown, expected in ((evaluation, 2), (many, 1)):
        page = html_from_report(replace(sample, evaluation=shown))
        assert page.count(told) == expected


@pytest.mark.parametrize(
    ("licence", "told"),
    [(None, "not stated"), ("CC BY-NC 4.0", "CC BY-NC 4.0 (non-commercial)"), ("MIT", "MIT")],
)
def test_the_licence_of_the_weights_is_always_told(
    sample: Report, licence: str | None, told: str
) -> None:
    report = bare(sample, provenance=Provenance(weight_licence=licence))
    words = Tree(html_from_report(report)).words
    assert f"Licence of the weights {told}" in words.replace("  ", " ")


def test_long_training_runs_stay_small(sample: Report) -> None:
    steps = tuple(range(50_000))
    curve = Curve("long", steps, {"loss": tuple(float(step % 97) for step in steps)})
    page = html_from_report(bare(sample, training=Training((curve,))))
    assert len(page) < 80_000


def test_training_is_told_in_words_and_what_two_students_share_is_on_one_axis(
    sample: Report,
) -> None:
    steps = (0, 1)
    taught = Curve("th-kd", steps, {"ce-own": (2.0, 1.0), "kl-shared": (3.0, 1.0)})
    scratch = Curve("scratch", steps, {"ce": (2.5, 2.0)})
    page = html_from_report(bare(sample, training=Training((taught, scratch))))
    assert "ce-own" not in page.lower()
    (shared,) = (
        part for part in page.split("<h3>") if part.startswith("Cross-entropy of the labels, own")
    )
    assert "th-kd" in shared
    assert "scratch" in shared
    assert "Divergence from the teacher&#39;s answers, teacher&#39;s classifier" in page
    assert "losses of different methods are sums of different terms" in page


def test_how_sure_a_rate_is_stands_in_words_beside_it(page: str, sample: Report) -> None:
    words = Tree(page).words.replace("\N{NO-BREAK SPACE}", " ")
    assert "95 % intervals over people" in words
    for one in sample.comparisons:
        assert one.eer
        assert f"{100 * one.eer.low:.2f} % – {100 * one.eer.high:.2f} %" in words
        for point in one.tar:
            if point.tar is not None:
                told = f"{point.false_matches:,} false, {point.false_non_matches:,} missed"
                assert told in words
                assert point.measured
                assert percent(point.measured.rate, 2).replace("\N{NO-BREAK SPACE}", " ") in words


def test_a_report_without_gates_claims_nothing(sample: Report) -> None:
    report = bare(sample, verdict=Verdict.of([]), latency=sample.latency)
    words = Tree(html_from_report(report)).words
    assert "Measured" in words
    assert "Passed" not in words


def test_a_network_that_came_as_it_is_was_not_distilled(sample: Report) -> None:
    distilled = html_from_report(sample)
    assert "What was distilled" in distilled
    assert "Cosine to the student" in distilled
    teacher = tuple(model for model in sample.models if model.role == "teacher")
    came = html_from_report(replace(sample, models=teacher))
    assert "What was taken in" in came
    assert "Cosine to the original" in came
    assert "distilled" not in came.partition('id="networks"')[2].partition("</section>")[0]


def test_a_rate_that_cannot_be_carried_says_how_many_people_it_takes(sample: Report) -> None:
    page = html_from_report(sample)
    assert re.search(r"insufficient data: needs [\d,]+ people; there are \d+\.", page)
    assert "impostor pairs.<" not in page
