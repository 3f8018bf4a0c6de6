"""Every colour of the stylesheet can be read on what it stands on, in light and in dark."""

import re
from pathlib import Path

import pytest

import embedge.report.render.html as home

STYLE = (Path(home.__file__).with_name("templates") / "style.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\n *\}", STYLE, flags=re.DOTALL)[:2]
)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground", "least"),
    [
        *[
            (text, ground, 4.5)
            for text in ("ink", "muted")
            for ground in ("paper", "card", "faint")
        ],
        ("good", "good-soft", 4.5),
        ("bad", "bad-soft", 4.5),
        ("warn", "warn-soft", 4.5),
        ("ink", "good-soft", 7),
        ("ink", "bad-soft", 7),
        ("good", "card", 4.5),
        ("bad", "card", 4.5),
        *[(f"c{number}", "card", 3.0) for number in range(1, 9)],
    ],
)
def test_contrast(theme: dict[str, str], text: str, ground: str, least: float) -> None:
    assert contrast(theme[text], theme[ground]) >= least


def test_both_themes_name_the_same_colours() -> None:
    assert set(LIGHT) == set(DARK)
    assert {"paper", "ink", "c8"} <= set(LIGHT)
