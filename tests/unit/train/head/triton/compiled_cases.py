"""Run by test_triton.py: compile the kernel for GPUs that need not be here.

Prints one JSON object: case -> whether it uses tensor cores, its shared memory and the limit.
"""

import json
import re
import sys

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from embedge.train.head.triton.kernel import TILES, negatives_kernel

SHARED_LIMIT = {80: 166912, 90: 232448}
POINTERS = ["unit", "rest", "weight", "labels", "length", "largest", "total", "rows"]


def compile_for(architecture: int, element: str, dim: int) -> dict[str, object]:
    samples, classes, warps, stages = TILES[dim][0]
    signature = {f"{name}_at": "*fp32" for name in POINTERS}
    signature |= {"unit_at": f"*{element}", "rest_at": f"*{element}", "weight_at": f"*{element}"}
    signature |= {"labels_at": "*i64", "batch": "i32", "classes": "i32", "share": "i32"}
    signature["scale"] = "fp32"
    constants = {
        "dim": dim,
        "HAS_REST": False,
        "HAS_LENGTH": True,
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
    products = re.search(r"\b(wgmma\.mma_async|mma\.sync)", compiled.asm["ptx"])
    return {
        "tensor_cores": products is not None,
        "shared": compiled.metadata.shared,
        "limit": SHARED_LIMIT[architecture],
    }


if __name__ == "__main__":
    cases = {
        "common": [(80, "bf16", 128), (90, "bf16", 512)],
        "all": [(90, "bf16", 256), (90, "fp16", 1024), (80, "fp16", 512), (90, "fp32", 128)],
    }[sys.argv[1]]
    print(json.dumps({f"sm_{a} {e} {d}": compile_for(a, e, d) for a, e, d in cases}))
