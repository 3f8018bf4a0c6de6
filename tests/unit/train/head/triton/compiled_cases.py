"""Run by test_triton.py: compile the kernel for GPUs that need not be here.

Prints one JSON object: case -> whether it uses tensor cores, its shared memory and the limit, and
the registers and the stack that the assembler gave it. What does not fit registers is on the stack.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from embedge.train.head.triton.kernel import TILES, negatives_kernel
from embedge.train.head.triton.sums import needs_rest

# bytes that one block may take, from NVIDIA's tables of compute capabilities
SHARED_LIMIT = {80: 166912, 86: 101376, 89: 101376, 90: 232448, 100: 232448}
POINTERS = ["unit", "rest", "weight", "labels", "length", "largest", "total", "rows"]
Tile = tuple[int, int, int, int]


def compile_for(architecture: int, element: str, dim: int, tile: Tile) -> dict[str, object]:
    samples, classes, warps, stages = tile
    signature = {f"{name}_at": "*fp32" for name in POINTERS}
    signature |= {"unit_at": f"*{element}", "rest_at": f"*{element}", "weight_at": f"*{element}"}
    signature |= {"labels_at": "*i64", "batch": "i32", "classes": "i32", "share": "i32"}
    signature["scale"] = "fp32"
    constants = {
        "dim": dim,
        "HAS_REST": needs_rest(element == "bf16", dim),
        "HAS_LENGTH": False,
        "PRECISION": "tf32x3" if element == "fp32" else "tf32",
        "WIDEN": False,
        "SAMPLES": samples,
        "CLASSES": classes,
        "WIDTH": dim,
    }
    order = [*negatives_kernel.arg_names]
    signature |= dict.fromkeys(constants, "constexpr")
    aligned = {(order.index(f"{name}_at"),): [["tt.divisibility", 16]] for name in POINTERS}
    source = ASTSource(
        fn=negatives_kernel,
        signature={name: signature[name] for name in order},
        constexprs=constants,
        attrs=aligned,
    )
    options = {"num_warps": warps, "num_stages": stages}
    target = GPUTarget("cuda", architecture, 32)
    compiled = triton.compile(source, target=target, options=options)
    products = re.search(r"\b(wgmma\.mma_async|mma\.sync|tcgen05\.mma)", compiled.asm["ptx"])
    return {
        "tensor_cores": products is not None,
        "shared": compiled.metadata.shared,
        "limit": SHARED_LIMIT[architecture],
        **_resources(compiled.asm["cubin"]),
    }


def _resources(cubin: bytes) -> dict[str, int]:
    """As NVIDIA's own tool reads them; it comes with Triton."""
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        told = subprocess.run(
            [tool, "-res-usage", file.name], capture_output=True, text=True, check=True
        )
    text = told.stdout + told.stderr
    return {
        name: int(re.search(rf"\b{key}:(\d+)", text)[1])  # type: ignore[index]
        for name, key in (("registers", "REG"), ("stack", "STACK"), ("local", "LOCAL"))
    }


def tiles_for(architecture: int, element: str, dim: int) -> list[Tile]:
    """Those that fit the GPU: the tuner leaves out the others."""
    size = 4 if element == "fp32" else 2
    return [
        t for t in TILES[dim] if (t[0] + t[3] * t[1]) * dim * size <= SHARED_LIMIT[architecture]
    ]


def main(which: str) -> dict[str, dict[str, object]]:
    cases = {
        "common": [(80, "bf16", 512), (90, "bf16", 512)],
        "all": [
            *((sm, "bf16", dim) for sm in SHARED_LIMIT for dim in (128, 256, 512)),
            *((sm, "fp16", 512) for sm in SHARED_LIMIT),
            *((sm, "bf16", 1024) for sm in SHARED_LIMIT),
        ],
    }[which]
    found = {}
    for architecture, element, dim in cases:
        tiles = tiles_for(architecture, element, dim)
        for tile in tiles[:1] if which == "common" else tiles:
            name = f"sm_{architecture} {element} {dim} {tile}"
            found[name] = compile_for(architecture, element, dim, tile)
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
