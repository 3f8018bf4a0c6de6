import shutil
import subprocess

import pytest

from embedge.cli import COMMANDS, main


def completed(script: str, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _embedge; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{code}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_commands_and_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert completed(script, "embedge", "dist") == ["distill-and-export"]
    assert completed(script, "embedge", "verify", "--thr") == ["--threads", "--threshold"]
    assert completed(script, "embedge", "data", "ali") == ["align"]
    assert '"--' in script.splitlines()[-1]
    assert script.endswith(" distill-and-export\n")
    assert "--drop-signature" in completed(script, "embedge", "bundle", "add-detector", "--d")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_know_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
