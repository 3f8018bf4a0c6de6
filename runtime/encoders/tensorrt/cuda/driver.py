"""What the CUDA driver says of itself, asked through its C interface: no Python package needed."""

import ctypes
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CudaDevice", "CudaDriver", "cuda_driver", "kernel_driver_version"]

_SM_MAJOR, _SM_MINOR, _INTEGRATED = 75, 76, 18  # CUdevice_attribute, stable since CUDA 2
_NO_DEVICE = 100


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """One GPU. `sm` is the compute capability as NVIDIA writes it in file names: 87 for Orin."""

    ordinal: int
    name: str
    sm: int
    memory_bytes: int
    integrated: bool


@dataclass(frozen=True, slots=True)
class CudaDriver:
    """`cuda` is the newest CUDA the driver serves (12060 for 12.6), 0 where there is no driver.

    `problem` says in one line why no device can be used, or is None.
    """

    cuda: int
    kernel: str | None
    devices: tuple[CudaDevice, ...]
    problem: str | None

    @property
    def cuda_text(self) -> str:
        return f"{self.cuda // 1000}.{self.cuda % 1000 // 10}" if self.cuda else "none"


def cuda_driver(library: str = "libcuda.so.1") -> CudaDriver:
    """Ask the driver; never raises, because a machine without a GPU is a normal machine."""
    kernel = kernel_driver_version()
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return CudaDriver(0, kernel, (), f"no CUDA driver ({library} is not on this machine)")
    version = ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(version))
    status = driver.cuInit(0)
    if status:
        problem = "the driver sees no GPU" if status == _NO_DEVICE else _error(driver, status)
        return CudaDriver(version.value, kernel, (), problem)
    devices = _devices(driver)
    return CudaDriver(version.value, kernel, devices, None if devices else "the driver sees no GPU")


def kernel_driver_version(root: Path = Path("/")) -> str | None:
    """Version of the kernel module, which exists even where user-space libraries are missing."""
    module = root / "sys/module/nvidia/version"
    return module.read_text().strip() if module.is_file() else None


def _devices(driver: ctypes.CDLL) -> tuple[CudaDevice, ...]:
    count = ctypes.c_int(0)
    driver.cuDeviceGetCount(ctypes.byref(count))
    return tuple(_device(driver, ordinal) for ordinal in range(count.value))


def _device(driver: ctypes.CDLL, ordinal: int) -> CudaDevice:
    handle = ctypes.c_int(0)
    driver.cuDeviceGet(ctypes.byref(handle), ordinal)
    name = ctypes.create_string_buffer(128)
    driver.cuDeviceGetName(name, len(name), handle)
    memory = ctypes.c_size_t(0)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)
    major, minor, integrated = (
        _attribute(driver, handle, which) for which in (_SM_MAJOR, _SM_MINOR, _INTEGRATED)
    )
    return CudaDevice(
        ordinal, name.value.decode(), 10 * major + minor, memory.value, bool(integrated)
    )


def _attribute(driver: ctypes.CDLL, handle: ctypes.c_int, which: int) -> int:
    value = ctypes.c_int(0)
    driver.cuDeviceGetAttribute(ctypes.byref(value), which, handle)
    return value.value


def _error(driver: ctypes.CDLL, status: int) -> str:
    text = ctypes.c_char_p()
    driver.cuGetErrorString(status, ctypes.byref(text))
    return f"the CUDA driver does not start: {(text.value or b'unknown error').decode()} ({status})"
