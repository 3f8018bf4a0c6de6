"""What benchmarks/gpu_day.py asks of a GPU, part by part."""

from gpu_parts import heads, learning, machine, whole
from gpu_parts.sizes import Part

PARTS: dict[str, Part] = {
    "device": Part(machine.device, 20, "what it is, its matmul and its memory"),
    "suite": Part(machine.suite, 60, "tests/gpu, and the kernel's own"),
    "triton": Part(heads.triton, 80, "the kernel against float64, and its time"),
    "heads": Part(heads.heads, 80, "four numbers of classes, each way to read a head"),
    "teacher": Part(learning.teacher, 40, "r50 and r100 with random weights, asked"),
    "loader": Part(learning.loader, 40, "stored faces to batches, by all cores"),
    "training": Part(learning.training, 60, "MobileFaceNet by TH-KD"),
    "resume": Part(learning.resume, 30, "killed with an average, resumed there"),
    "compiled": Part(learning.compiled, 110, "the same through torch.compile"),
    "recipes": Part(whole.recipes, 150, "two recipes on rendered faces, to their bundles"),
    "onnxruntime": Part(whole.onnxruntime, 30, "its CUDA provider, where it is there"),
}
