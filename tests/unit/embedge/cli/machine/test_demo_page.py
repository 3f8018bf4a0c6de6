from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle

from embedge.cli import main
from embedge.demo_page.server import DemoServer


def test_ctrl_c_stops_a_page_that_said_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[str] = []

    def interrupted(server: DemoServer) -> None:
        served.append(server.address)
        assert server.comparer.matcher.artifact.name == "raw"
        raise KeyboardInterrupt

    monkeypatch.setattr(DemoServer, "serve_forever", interrupted)
    bundle = str(tiny_bundle(tmp_path / "tiny.embedge"))
    assert main(["demo-page", bundle, "--port", "0", "--artifact", "raw"]) == 130
    assert capsys.readouterr().out == f"open {served[0]} — Ctrl-C stops\n"
    assert served[0].startswith("http://127.0.0.1:")
    assert not served[0].endswith(":0/")


def test_a_port_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = str(tiny_bundle(tmp_path / "tiny.embedge"))
    assert main(["demo-page", bundle, "--port", "65536"]) == 2
    assert "E-PORT: cannot listen on port 65536" in capsys.readouterr().err
