import json
import subprocess
import sys


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "embedge", "doctor", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_text_and_json_tell_the_same_story() -> None:
    text, told = doctor(), json.loads(doctor("--json").stdout)
    for finding in told["findings"]:
        assert finding["what"] in text.stdout
        assert finding["remedy"] in text.stdout
    assert f"CUDA {told['cuda']['cuda'] // 1000 or 'none'}" in text.stdout
    assert "CPUExecutionProvider" in told["onnxruntime"]["providers"]
    assert told["packages"]["numpy"]["problem"] is None


def test_exit_code_says_whether_something_is_broken() -> None:
    done = doctor("--json")
    broken = any(one["level"] == "problem" for one in json.loads(done.stdout)["findings"])
    assert done.returncode == int(broken)


def test_works_without_any_extra() -> None:
    """Every optional package is hidden, and the command still answers."""
    blocked = [
        "torch",
        "onnx",
        "tensorrt",
        "tensorrt_bindings",
        "tensorrt_rtx",
        "pycuda",
        "cuda",
        "openvino",
    ]
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        "from embedge.cli import main\n"
        "sys.exit(main(['doctor', '--json']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["packages"]["tensorrt"]["present"] is False
