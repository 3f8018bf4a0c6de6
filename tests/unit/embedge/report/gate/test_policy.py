"""A policy names comparisons by who embedded what, as YAML or JSON, and is told every mistake."""

import json
from pathlib import Path
from typing import Any

import pytest

from embedge.calibration.evaluation.figures import Key, Side
from embedge.errors import EmbedgeError
from embedge.report.gate.policy import policy_from_json, read_policy

HEAD = "policy: embedge.policy/2\n"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"gallery": "teacher", "probe": "student", "artifact": "fp16"},
         Key(Side("teacher"), Side("student", "fp16"))),
        ({"gallery": "student", "probe": "student", "artifact": "fp16"},
         Key(Side("student", "fp16"), Side("student", "fp16"))),
        ({"gallery": "student", "probe": "student", "artifact": "fp16", "gallery_artifact": "fp32"},
         Key(Side("student", "fp32"), Side("student", "fp16"))),
        ({"gallery": "teacher", "probe": "teacher"}, Key(Side("teacher"), Side("teacher"))),
    ],
)  # fmt: skip
def test_which_comparison_a_rule_means(keys: dict[str, str], expected: Key) -> None:
    rule = {**keys, "fmr": 0.1, "at_least": 0.5}
    policy = policy_from_json({"policy": "embedge.policy/2", "tar": [rule]})
    assert policy.tar[0].key == expected


def test_yaml_and_json_are_the_same_policy(tmp_path: Path) -> None:
    rule = {"gallery": "teacher", "probe": "student", "fmr": 1e-3, "at_least": 1}
    as_json, as_yaml = tmp_path / "p.json", tmp_path / "p.yaml"
    as_json.write_text(json.dumps({"policy": "embedge.policy/2", "tar": [rule]}))
    as_yaml.write_text(
        f"{HEAD}tar: [{{gallery: teacher, probe: student, fmr: 1e-3, at_least: 1}}]\n"
    )
    assert read_policy(as_json) == read_policy(as_yaml)


def test_without_pyyaml_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("importlib.import_module", absent)
    (tmp_path / "policy.yaml").write_text(HEAD)
    (tmp_path / "policy.json").write_text('{"policy": "embedge.policy/2"}')
    assert read_policy(tmp_path / "policy.json").gates == "all"
    with pytest.raises(EmbedgeError, match=r"E-EXTRA.*pip install 'embedge\[export\]'"):
        read_policy(tmp_path / "policy.yaml")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("policy: embedge.policy/9", "embedge.policy/2"),
        ("policy: embedge.policy/1", "`comparison:` became `gallery:`"),
        (f"{HEAD}tars: []", "policy.tars: is unknown"),
        (f"{HEAD}tar: [{{gallery: a, probe: b, fmr: 2, at_least: 1}}]", "tar[0].fmr: 2 is above"),
        (f"{HEAD}tar: [{{comparison: a, fmr: 1, at_least: 1}}]", "tar[0].comparison: is unknown"),
        (f"{HEAD}threshold: [{{gallery: a, probe: b}}]", "fmr_at_most"),
        ("policy: embedge.policy/2\nmust_run: [parity]", "must_run"),
        ("a: [", "E-POLICY"),
        (f"{HEAD}gates: all\ngates: none", "the key 'gates' occurs twice"),
        (f"{HEAD}tar: []\n'tar': []", "the key 'tar' occurs twice"),
        (f"{HEAD}licences: {{required: [], required: [data]}}", "the key 'required' occurs twice"),
        ("[" * 5000, "E-POLICY"),
        ("[]", "is a list, not an object"),
        ("!!python/object/apply:os.system [true]", "E-POLICY"),
    ],
)
def test_a_wrong_policy_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(EmbedgeError, match="E-POLICY") as caught:
        read_policy(path)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_json_policy_says_everything_once(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"policy": "embedge.policy/2", "gates": "all", "gates": "none"}')
    with pytest.raises(EmbedgeError, match=r"E-POLICY.*a key occurs twice"):
        read_policy(path)
