"""Build pycuda where there is no GPU, against NVIDIA's headers and the fake driver.

    make pycuda

The package in the environment is the real one: it finds the machine's libcuda.so.1 at run time.
After this tests/integration/test_on_a_fake_gpu.py runs it too, instead of skipping.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip")
VERSION = "2026.1"
HEADERS = ("nvidia-cuda-runtime==13.0.*", "nvidia-cuda-profiler-api==13.0.*")

SITECONF = """
BOOST_INC_DIR, BOOST_LIB_DIR, BOOST_PYTHON_LIBNAME, BOOST_THREAD_LIBNAME = [], [], [], []
BOOST_COMPILER, USE_SHIPPED_BOOST = "gcc43", True
CUDA_TRACE, CUDA_ENABLE_GL, CUDA_ENABLE_CURAND = False, False, False
CUDA_ROOT = {headers!r}
CUDADRV_LIB_DIR, CUDADRV_LIBNAME = [{driver!r}], ["cuda"]
CUDART_LIB_DIR, CUDART_LIBNAME, CURAND_LIB_DIR, CURAND_LIBNAME = [], [], [], []
CXXFLAGS, LDFLAGS = ["-O1"], []
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install = [*PIP, "install", "--quiet", "--no-deps"]
        headers = folder / "headers"
        run([*install, "--target", str(headers), *HEADERS])
        source = unpacked_source(folder)
        settings = SITECONF.format(
            headers=str(headers / "nvidia" / "cu13"), driver=str(fake_driver(folder))
        )
        (source / "siteconf.py").write_text(settings)
        run([*PIP, "install", "--quiet", "--constraint", "constraints.txt", str(source)])


def unpacked_source(folder: Path) -> Path:
    download = [*PIP, "download", "--quiet", "--no-deps", "--no-binary", "pycuda"]
    run([*download, "--dest", str(folder), f"pycuda=={VERSION}"])
    (archive,) = folder.glob("pycuda-*.tar.gz")
    run(["tar", "-xf", str(archive), "-C", str(folder)])
    return folder / archive.name.removesuffix(".tar.gz")


def fake_driver(folder: Path) -> Path:
    """What the linker is to find; what the fake lacks is resolved when pycuda is loaded."""
    library = folder / "driver" / "libcuda.so"
    library.parent.mkdir()
    code = REPOSITORY / "tests" / "fake_gpu" / "libcuda.c"
    soname = "-Wl,-soname,libcuda.so.1"
    run(["gcc", "-shared", "-fPIC", soname, "-o", str(library), str(code), "-ldl", "-lpthread"])
    return library.parent


def run(command: list[str]) -> None:
    subprocess.run(command, check=True, cwd=REPOSITORY)


if __name__ == "__main__":
    main()
