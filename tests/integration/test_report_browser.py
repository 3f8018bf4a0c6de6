"""The report in a real browser: silent console, no request, fits a phone, prints, goes dark."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, print_pdf, visit
from sample_report import sample_report

from embedge.report.write import write_report

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium here (apt: chromium)")

PROBE = """<script>
const root = document.documentElement;
const sticking = [...document.querySelectorAll("main *, header *, footer *")].filter(one =>
  !one.closest(".scroll, svg, pre") && one.getBoundingClientRect().right > root.clientWidth + 1);
const small = [...document.querySelectorAll("main *")].filter(one =>
  one.childNodes.length && [...one.childNodes].some(n => n.nodeType == 3 && n.data.trim())
  && !one.closest("svg") && parseFloat(getComputedStyle(one).fontSize) < 11);
parent.postMessage(JSON.stringify({
  width: root.clientWidth, scroll: root.scrollWidth,
  sticking: sticking.map(one => one.outerHTML.slice(0, 80)),
  small: small.map(one => one.outerHTML.slice(0, 80)),
  background: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color,
  images: [...document.images].map(one => one.naturalWidth),
  curves: document.querySelectorAll("svg path").length,
}), "*");
</script>"""
# a window cannot be narrower than 500 pixels, a frame can
FRAME = """<!doctype html><script>
addEventListener("message", told => { document.documentElement.dataset.probe = told.data; });
</script><iframe src="probe.html" width="WIDTH" height="900" style="border: 0"></iframe>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return write_report(sample_report(), folder)


def probed(page: Path, work: Path, *, width: int = 1200, dark: bool = False) -> dict[str, Any]:
    """Measure a copy of the page, which may run one script, in a frame of that width."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    (work / "probe.html").write_text(text.replace("</body>", PROBE + "</body>"))
    frame = work / "frame.html"
    frame.write_text(FRAME.replace("WIDTH", str(width)))
    dom = visit(frame, work, dark=dark).dom
    found = re.search(r'data-probe="([^"]*)"', dom)
    assert found is not None
    measured: dict[str, Any] = json.loads(found[1].replace("&quot;", '"').replace("&lt;", "<"))
    return measured


def test_the_page_is_silent_and_asks_for_nothing(page: Path, tmp_path: Path) -> None:
    seen = visit(page, tmp_path)
    assert seen.console == []
    assert [url for url in seen.requests if url != page.as_uri()] == []
    assert "All 10 gates hold." in seen.dom


def test_the_watch_would_have_seen_it(tmp_path: Path) -> None:
    """The same watch on a page that misbehaves, so that silence means something."""
    bad = tmp_path / "bad.html"
    address = "http://embedge.invalid/a.png"
    bad.write_text(f"<!doctype html><script>console.error('boom')</script><img src='{address}'>")
    seen = visit(bad, tmp_path)
    assert any("boom" in line for line in seen.console)
    assert address in seen.requests


@pytest.mark.parametrize("width", [360, 820, 1400])
def test_it_fits_the_screen(page: Path, tmp_path: Path, width: int) -> None:
    found = probed(page, tmp_path, width=width)
    assert found["width"] == width
    assert found["scroll"] <= found["width"]
    assert found["sticking"] == []
    assert found["small"] == []
    assert min(found["images"]) > 0
    assert found["curves"] > 50


def test_light_and_dark_follow_the_reader(page: Path, tmp_path: Path) -> None:
    light = probed(page, tmp_path)
    dark = probed(page, tmp_path, dark=True)
    assert brightness(light["background"]) > 0.9 > 0.3 > brightness(light["ink"])
    assert brightness(dark["background"]) < 0.15 < 0.8 < brightness(dark["ink"])


def brightness(colour: str) -> float:
    return sum(int(value) for value in re.findall(r"\d+", colour)[:3]) / 765


def test_it_prints(page: Path, tmp_path: Path) -> None:
    pdf = print_pdf(page, tmp_path)
    assert pdf.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 3 <= pages <= 14


def test_the_summary_prints_on_one_page(page: Path, tmp_path: Path) -> None:
    from embedge.report.render.summary import summary_from_report

    summary = tmp_path / "summary.html"
    summary.write_text(summary_from_report(page.with_name("report.json")))
    pdf = print_pdf(summary, tmp_path)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
