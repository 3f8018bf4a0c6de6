"""The page says what the numbers say, loads nothing, and lets no text become markup."""

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from embedge.errors import EmbedgeError
from embedge.report.render.html import html_from_report
from embedge.report.validate import json_schema, read_report
from embedge.report.write import write_report

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
def page(sample: dict[str, Any]) -> str:
    return html_from_report(sample)


def test_everything_is_on_the_page(page: str, sample: dict[str, Any]) -> None:
    words = Tree(page).words
    for gate in sample["verdict"]["gates"]:
        assert gate["name"] in words
    for artifact in sample["artifacts"]:
        assert artifact["file"] in words
        assert artifact["sha256"] in words
    for comparison in sample["evaluation"]["comparisons"]:
        assert comparison["name"] in words
        for point in comparison["tar"]:
            told = f"{100 * point['tar']:.1f} %" if "tar" in point else f"needs {point['needs']:,}"
            assert told in words
    for told in ("All 6 gates hold.", "TensorRT is not installed", "Apache-2.0"):
        assert told in words
    assert f"{sample['latency']['artifacts'][0]['p50']:.2f}" in words


def test_layers_in_float_are_told_with_the_reason(sample: dict[str, Any]) -> None:
    report = copy.deepcopy(sample)
    layer = {"node": "/features/Conv", "macs_share": 0.0123, "why": "it flips 7 decisions"}
    report["artifacts"][-1]["float_layers"] = [layer]
    words = Tree(html_from_report(report)).words
    assert f"What {report['artifacts'][-1]['name']} computes in float" in words
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


def test_text_never_becomes_markup(sample: dict[str, Any]) -> None:
    nasty = "<script>alert(1)</script>&\"'"
    report = copy.deepcopy(sample)
    report["title"] = nasty
    report["models"][0]["name"] = nasty
    report["provenance"]["recipe"] = {nasty: nasty}
    report["evaluation"]["comparisons"][0]["name"] = nasty
    report["training"]["curves"][0]["name"] = nasty
    report["worst"]["false_matches"][0]["label_a"] = nasty
    tree = Tree(html_from_report(report))
    assert "script" not in tree.tags
    assert nasty in tree.words


def test_a_failed_report_names_the_failures_first(sample: dict[str, Any]) -> None:
    report = copy.deepcopy(sample)
    gate = report["verdict"]["gates"][-1]
    gate.update(value=None, passed=False)
    report["verdict"]["passed"] = False
    words = Tree(html_from_report(report)).words
    assert "1 of 6 gates fails: latency." in words
    assert words.index("not measured") < words.index("97.40")


def test_without_pictures_only_labels_are_shown(sample: dict[str, Any]) -> None:
    report = copy.deepcopy(sample)
    for pair in report["worst"]["false_matches"] + report["worst"]["false_non_matches"]:
        del pair["a"], pair["b"]
    page = html_from_report(report)
    assert "<img" not in page
    assert report["worst"]["false_matches"][0]["label_a"] in Tree(page).words


def test_a_report_with_nothing_but_a_verdict_still_reads(sample: dict[str, Any]) -> None:
    bare = {key: sample[key] for key in ("schema", "created", "title", "verdict")}
    words = Tree(html_from_report({**bare, "provenance": {}})).words
    assert "Passed" in words
    assert "How fast" not in words


def test_both_files_are_written_and_read_back(tmp_path: Path, sample: dict[str, Any]) -> None:
    page = write_report(sample, tmp_path)
    assert page == tmp_path / "report.html"
    assert read_report(tmp_path / "report.json") == sample
    assert page.stat().st_size < 2_000_000
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["report.html", "report.json"]


def test_the_json_schema_accepts_it_and_refuses_a_spoilt_one(
    sample: dict[str, Any],
) -> None:
    schema = json_schema()
    check = jsonschema.Draft202012Validator(schema)
    check.check_schema(schema)
    assert list(check.iter_errors(json.loads(json.dumps(sample)))) == []
    assert list(check.iter_errors({**sample, "title": 3}))


def test_a_wrong_report_leaves_the_old_files_alone(tmp_path: Path, sample: dict[str, Any]) -> None:
    write_report(sample, tmp_path)
    before = (tmp_path / "report.html").read_bytes()
    with pytest.raises(EmbedgeError, match="title"):
        write_report({**sample, "title": None}, tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before


def test_a_probe_looks_alike_in_every_drawing(page: str) -> None:
    """One colour and dash per probe, so that two drawings and the table speak of the same."""
    found = re.findall(r"stroke=\"var\(--(c\d)\)\"[^>]*></svg>(?:<b>)?([^<]+)<", page)
    colours: dict[str, set[str]] = {}
    for colour, name in found:
        colours.setdefault(name, set()).add(colour)
    told = {name: next(iter(seen)) for name, seen in colours.items() if len(seen) == 1}
    assert told["student – student"] == told["teacher gallery, student probe"]
    assert told["student – student"] != told["scratch – scratch"]
    assert told["scratch – scratch"] == told["teacher gallery, scratch probe"]


def test_many_curves_are_drawn_without_bands(sample: dict[str, Any]) -> None:
    few = html_from_report(sample)
    report = copy.deepcopy(sample)
    comparisons = report["evaluation"]["comparisons"]
    for number in range(4):
        extra = {**comparisons[2], "name": f"copy {number}", "gallery": f"m{number}"}
        comparisons.append({**extra, "probe": f"m{number}"})
    many = html_from_report(report)
    told = "bands are intervals"
    assert few.count(told) == 2
    assert many.count(told) == 1


@pytest.mark.parametrize(
    ("licence", "told"),
    [(None, "not stated"), ("CC BY-NC 4.0", "CC BY-NC 4.0 (non-commercial)"), ("MIT", "MIT")],
)
def test_the_licence_of_the_weights_is_always_told(
    sample: dict[str, Any], licence: str | None, told: str
) -> None:
    report = {key: sample[key] for key in ("schema", "created", "title", "verdict")}
    words = Tree(html_from_report({**report, "provenance": {"weight_licence": licence}})).words
    assert f"Licence of the weights {told}" in words.replace("  ", " ")


def test_long_training_runs_stay_small(sample: dict[str, Any]) -> None:
    report = {key: sample[key] for key in ("schema", "created", "title", "verdict")}
    steps = list(range(50_000))
    loss = [float(step % 97) for step in steps]
    curve = {"name": "long", "steps": steps, "series": {"loss": loss}}
    training = {"curves": [curve]}
    page = html_from_report({**report, "provenance": {}, "training": training})
    assert len(page) < 80_000


def test_a_report_without_gates_claims_nothing(sample: dict[str, Any]) -> None:
    report = {key: sample[key] for key in ("schema", "created", "title", "latency")}
    page = html_from_report({**report, "verdict": {"passed": True, "gates": []}, "provenance": {}})
    words = Tree(page).words
    assert "Measured" in words
    assert "Passed" not in words
