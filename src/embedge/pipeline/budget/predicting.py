"""Time, memory and disk of a recipe on GPUs, stage by stage."""

from collections.abc import Iterator
from dataclasses import dataclass

from embedge.pipeline.budget.networks import PictureCost, student_cost, teacher_cost
from embedge.pipeline.budget.rates import RATES, Gpu
from embedge.pipeline.recipe import Recipe
from embedge.train.data.feeding.feed import readers
from embedge.train.head.passes import kept_bytes
from embedge.train.loop.schedule import Schedule
from embedge.train.methods import METHODS

__all__ = ["Budget", "Faces", "Fleet", "Stretch", "budget_of"]

_HALF, _FLOAT = 2, 4
_TRAFFIC = 6  # readings and writings of what a layer puts out, forward and backward
_KERNELS = 4  # launches a layer, forward and backward
_HEAD_KERNELS = 60
_UPDATE = 9  # readings and writings of a parameter a step: gradient, momentum, weight, clipping
_TWO_SIDES = {"own": 3, "shared": 2, "teacher": 1}  # products of a head a step, of each reading


@dataclass(frozen=True, slots=True)
class Fleet:
    gpu: Gpu
    gpus: int
    cores: int
    """of the machine's processor, which decode"""


@dataclass(frozen=True, slots=True)
class Faces:
    pictures: int
    people: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some pictures through one thing, as fast as the slowest of what they need."""

    what: str
    pictures: float
    rates: dict[str, float]
    """pictures a second that each of them would allow, the name of what is needed before it"""

    @property
    def bound(self) -> str:
        return min(self.rates, key=lambda name: self.rates[name])

    @property
    def rate(self) -> float:
        return min(self.rates.values())

    @property
    def seconds(self) -> float:
        return self.pictures / self.rate


@dataclass(frozen=True, slots=True)
class Budget:
    teacher: PictureCost
    student: PictureCost
    stretches: tuple[Stretch, ...]
    memory: dict[str, float]
    """bytes a GPU of the hungriest training"""
    disk: dict[str, float]
    recovers: bool
    """whether class centres are recovered, for want of the teacher's classifier"""

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.stretches)

    @property
    def total_memory(self) -> float:
        return sum(self.memory.values())


def budget_of(recipe: Recipe, fleet: Fleet, faces: Faces) -> Budget:
    teacher = teacher_cost(recipe)
    student = student_cost(recipe, recipe.student.dim or teacher.dim)
    work = _Work(recipe, fleet, faces, teacher, student)
    parts = tuple(work.stretches()), work.memory(), work.disk()
    return Budget(teacher, student, *parts, work.recovers)


@dataclass(frozen=True, slots=True)
class _Work:
    recipe: Recipe
    fleet: Fleet
    faces: Faces
    teacher: PictureCost
    student: PictureCost

    def stretches(self) -> Iterator[Stretch]:
        method, schedule = self.recipe.distill.method, self.recipe.student.train
        if self.recipe.teacher.source == "train":
            yield self._taught(
                "teacher", self.teacher, self.recipe.teacher.train, _readings("scratch")
            )
        if self.recovers:
            yield self._asked("teacher's embeddings", 2)
        if method == "sh-kd":
            first, how = self.recipe.of_first().student.train, self.recipe.distill.first
            yield self._taught("first student", self.student, first, _readings(how))
            yield self._taught("teacher, shaped", self.teacher, self.recipe.shaping, ("shared",))
        if self.asks:
            what = "shaped teacher's embeddings" if method == "sh-kd" else "teacher's embeddings"
            yield self._asked(what, 1 + self.recipe.data.flip)
        readings = _readings(method, self.recipe.distill.a)
        yield self._taught("student", self.student, schedule, readings)
        if self.recipe.distill.baseline and method not in ("scratch", "sh-kd"):
            yield self._taught("baseline", self.student, schedule, _readings("scratch"))
        yield self._evaluated()

    @property
    def recovers(self) -> bool:
        """Whether class centres are needed: both sides of every picture are then looked at."""
        wanted = self.recipe.teacher
        return wanted.source == "file" and not wanted.head_shards and self.recipe.borrows()

    @property
    def asks(self) -> bool:
        """Whether a teacher teaches who was not asked for the centres already."""
        method = self.recipe.distill.method
        return method == "sh-kd" or (method not in ("scratch", "proxyless") and not self.recovers)

    @property
    def borrows(self) -> bool:
        return self.recipe.distill.method != "scratch"

    @property
    def sides(self) -> int:
        """Of all pictures, that teachers are asked about."""
        return 2 * self.recovers + (1 + self.recipe.data.flip) * self.asks

    def _asked(self, what: str, sides: int) -> Stretch:
        gpu, gpus = self.fleet.gpu, self.fleet.gpus
        speed = gpu.peak * RATES["iresnet forward"].value
        rates = {"products": gpus * speed / (2 * self.teacher.macs), **self._decoding()}
        return Stretch(what, sides * self.faces.pictures, rates)

    def _taught(
        self, what: str, network: PictureCost, schedule: Schedule, readings: tuple[str, ...]
    ) -> Stretch:
        steps = schedule.over(self.faces.pictures).steps
        batch = schedule.batch / self.fleet.gpus
        seconds = self._step(network, batch, readings)
        rates = {name: schedule.batch / second for name, second in seconds.items()}
        return Stretch(what, steps * schedule.batch, {**rates, **self._decoding()})

    def _step(
        self, network: PictureCost, batch: float, readings: tuple[str, ...]
    ) -> dict[str, float]:
        """Seconds of one step of one GPU: what the device computes, and what the host starts."""
        gpu, people = self.fleet.gpu, self.faces.people
        bandwidth = gpu.bandwidth * RATES["memory"].value
        products = sum(_TWO_SIDES[one] for one in readings)
        half = self.recipe.distill.head_dtype == "bf16"
        multiplied = gpu.peak * RATES["head"].value * (1 if half else RATES["fp32"].value)
        trained = network.parameters + ("own" in readings) * people * network.dim
        parts = (
            6 * network.macs * batch / (gpu.peak * RATES["iresnet training"].value),
            network.numbers * batch * _HALF * _TRAFFIC / bandwidth,
            2 * products * batch * people * network.dim / multiplied,
            kept_bytes(int(batch), people) / bandwidth,
            trained * _FLOAT * _UPDATE / bandwidth,
            self._exchanged(trained),
        )
        convolutions = max(parts[:2])
        launches = network.layers * _KERNELS + _HEAD_KERNELS
        return {
            "the GPU": convolutions + sum(parts[2:]),
            "launches": launches * RATES["launch"].value,
        }

    def _exchanged(self, trained: int) -> float:
        gpus = self.fleet.gpus
        return (
            2 * trained * _FLOAT * (gpus - 1) / gpus / (self.fleet.gpu.link * RATES["link"].value)
        )

    def _decoding(self) -> dict[str, float]:
        """By the processes that a training on GPUs takes to read ahead."""
        gpus = self.fleet.gpus
        return {"decoding": gpus * readers("cuda", self.fleet.cores, gpus) * RATES["decode"].value}

    def _evaluated(self) -> Stretch:
        """Teacher, student and every artifact embed the held-out faces on the processor."""
        data, artifacts = self.recipe.data, 1 + len(self.recipe.export.precisions)
        flops = 2 * (self.teacher.macs + artifacts * self.student.macs)
        speed = self.fleet.cores * RATES["compute"].value
        pictures = data.held_out * data.held_out_per_identity
        return Stretch("evaluation", pictures, {"the processor": speed / flops})

    def memory(self) -> dict[str, float]:
        recipe, gpus = self.recipe, self.fleet.gpus
        own = recipe.distill.method != "proxyless"
        trained: list[tuple[PictureCost, Schedule, bool]]
        trained = [(self.student, recipe.student.train, own)]
        if recipe.distill.method == "sh-kd":
            trained.append((self.teacher, recipe.shaping, False))
        if recipe.teacher.source == "train":
            trained.append((self.teacher, recipe.teacher.train, True))
        return max(
            (self._held(*one, gpus) for one in trained), key=lambda parts: sum(parts.values())
        )

    def _held(
        self, network: PictureCost, schedule: Schedule, own: bool, gpus: int
    ) -> dict[str, float]:
        batch, people = schedule.batch / gpus / schedule.accumulate, self.faces.people
        size = _HALF if self.recipe.distill.head_dtype == "bf16" else _FLOAT
        copies = 3 if schedule.optimizer == "sgd" else 4
        trained = network.parameters + own * people * network.dim
        logits = kept_bytes(int(batch), people)
        return {
            "weights, gradients, optimizer": trained * _FLOAT * (copies + (schedule.ema > 0)),
            "shared head": people * network.dim * size * self.borrows,
            "activations": network.numbers * batch * (_FLOAT if schedule.amp == "fp32" else _HALF),
            "logits": min(logits, self.recipe.distill.logits_mb << 20),
            "CUDA and libraries": RATES["context"].value,
        }

    def disk(self) -> dict[str, float]:
        own = self.recipe.distill.method != "proxyless"
        head = self.faces.people * self.student.dim
        rows = self.sides * self.faces.pictures * self.teacher.dim
        return {
            "data set (yours)": self.faces.pictures * RATES["record"].value,
            "teacher's embeddings": rows * _HALF,
            "head and checkpoints": (head + 3 * (self.student.parameters + own * head)) * _FLOAT,
        }


def _readings(method: str, a: float = 1.0) -> tuple[str, ...]:
    """Which heads a method reads in a step, and by whose embeddings."""
    if method in ("th-kd", "sh-kd"):
        return ("own", "shared", "teacher") if a < 1 else ("shared", "teacher")
    if method in ("proxyless", "adadistill"):
        return ("shared",)
    return (
        ("own", "teacher") if METHODS[method].borrows and method not in ("l2e", "rkd") else ("own",)
    )
