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

__all__ = ["Amount", "Budget", "Fleet", "Stretch", "budget_of"]

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
class Amount:
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


def budget_of(recipe: Recipe, fleet: Fleet, faces: Amount) -> Budget:
    teacher = teacher_cost(recipe)
    student = student_cost(recipe, recipe.student.dim or teacher.dim)
    work = _Work(recipe, fleet, faces, teacher, student)
    parts = tuple(work.stretches()), work.memory(), work.disk()
    return Budget(teacher, student, *parts, work.recovers)


@dataclass(frozen=True, slots=True)
class _Training:
    what: str
    network: PictureCost
    schedule: Schedule
    readings: tuple[str, ...]
    alone: bool = False
    """whether one process trains, however many there are"""

    def trained(self, people: int) -> int:
        """Numbers that it moves: its network's, and a head's of its own."""
        return self.network.parameters + ("own" in self.readings) * people * self.network.dim


@dataclass(frozen=True, slots=True)
class _Work:
    recipe: Recipe
    fleet: Fleet
    faces: Amount
    teacher: PictureCost
    student: PictureCost

    def stretches(self) -> Iterator[Stretch]:
        for part in self._parts():
            yield self._taught(part) if isinstance(part, _Training) else part

    def _parts(self) -> Iterator[Stretch | _Training]:
        """In their order."""
        recipe, distill = self.recipe, self.recipe.distill
        method, schedule, student = distill.method, recipe.student.train, self.student
        if recipe.teacher.source == "train":
            yield _Training("teacher", self.teacher, recipe.teacher.train, _readings("scratch"))
        if self.recovers:
            yield self._asked("teacher's embeddings", 2)
        if method == "sh-kd":
            first, how = recipe.of_first().student.train, distill.first
            yield _Training("first student", student, first, _readings(how))
            yield _Training("teacher, shaped", self.teacher, recipe.shaping, ("shared",))
        if self.asks:
            what = "shaped teacher's embeddings" if method == "sh-kd" else "teacher's embeddings"
            yield self._asked(what, 1 + recipe.data.flip)
        yield _Training("student", student, schedule, _readings(method, distill.a))
        if distill.baseline and method not in ("scratch", "sh-kd"):
            shorter = recipe.of_baseline().student.train
            yield _Training("baseline", student, shorter, _readings("scratch"))
        yield from self._trained_in_int8()
        yield self._evaluated()

    def _trained_in_int8(self) -> Iterator[_Training]:
        """By one process, one after another."""
        wanted, train = self.recipe.int8.qat, self.recipe.student.train
        if wanted.steps:
            schedule = Schedule(
                steps=wanted.steps,
                batch=wanted.batch,
                amp="fp32",
                device=train.device,
                workers=train.workers,
            )
            readings = _readings(self.recipe.distill.method)
            for name in self.recipe.export.precisions:
                if name.startswith("int8"):
                    yield _Training(f"training of {name}", self.student, schedule, readings, True)

    @property
    def recovers(self) -> bool:
        """Whether class centres are needed: both sides of every picture are then looked at."""
        wanted = self.recipe.teacher
        headless = wanted.source == "file" and not wanted.head_shards
        return (headless or self.recipe.data.labels == "none") and self.recipe.borrows()

    @property
    def asks(self) -> bool:
        """Whether a teacher teaches who was not asked for the centres already."""
        method = self.recipe.distill.method
        return method == "sh-kd" or (method not in ("scratch", "proxyless") and not self.recovers)

    @property
    def sides(self) -> int:
        """Of all pictures, that teachers are asked about."""
        return 2 * self.recovers + (1 + self.recipe.data.flip) * self.asks

    def _asked(self, what: str, sides: int) -> Stretch:
        wanted, flops = self.recipe.teacher, 2 * self.teacher.macs
        if wanted.device == "cpu":
            rates = {"the processor": self.processor / flops}
        else:
            gpus = self.fleet.gpus
            speed = gpus * self.fleet.gpu.peak * RATES["iresnet forward"].value
            decoding = self._decoding(readers("cuda", self.fleet.cores, gpus), gpus)
            rates = {"products": speed * _share(wanted.amp) / flops, **decoding}
        return Stretch(what, sides * self.faces.pictures, rates)

    @property
    def processor(self) -> float:
        """FLOP/s"""
        return self.fleet.cores * RATES["compute"].value

    def _taught(self, one: _Training) -> Stretch:
        schedule = one.schedule.over(self.faces.pictures)
        gpus = 1 if one.alone else self.fleet.gpus
        seconds = self._step(one, gpus)
        rates = {name: schedule.batch / second for name, second in seconds.items()}
        decoding = self._decoding(schedule.readers(self.fleet.cores, gpus), gpus)
        return Stretch(one.what, schedule.steps * schedule.batch, {**rates, **decoding})

    def _step(self, one: _Training, gpus: int) -> dict[str, float]:
        """Seconds of one step: of the processor, or of one GPU and of the host that starts it."""
        gpu, people = self.fleet.gpu, self.faces.people
        network, schedule = one.network, one.schedule
        batch, trained = schedule.batch / gpus, one.trained(people)
        flops = 2 * sum(_TWO_SIDES[reading] for reading in one.readings) * people * network.dim
        if schedule.device == "cpu":
            return {"the processor": schedule.batch * (6 * network.macs + flops) / self.processor}
        bandwidth = gpu.bandwidth * RATES["memory"].value
        half = self.recipe.distill.head_dtype == "bf16"
        multiplied = gpu.peak * RATES["head"].value * (1 if half else RATES["fp32"].value)
        speed = gpu.peak * RATES["iresnet training"].value * _share(schedule.amp)
        parts = (
            6 * network.macs * batch / speed,
            network.numbers * batch * _size(schedule.amp) * _TRAFFIC / bandwidth,
            batch * flops / multiplied,
            kept_bytes(int(batch), people) / bandwidth,
            trained * _FLOAT * _UPDATE / bandwidth,
            self._exchanged(trained, gpus),
        )
        convolutions = max(parts[:2])
        launches = (network.layers * _KERNELS + _HEAD_KERNELS) * schedule.accumulate
        return {
            "the GPU": convolutions + sum(parts[2:]),
            "launches": launches * RATES["launch"].value,
        }

    def _exchanged(self, trained: int, gpus: int) -> float:
        link = self.fleet.gpu.link * RATES["link"].value
        return 2 * trained * _FLOAT * (gpus - 1) / gpus / link

    def _decoding(self, ahead: int, gpus: int) -> dict[str, float]:
        """By the processes that read ahead, or by the training's own."""
        processes = min(gpus * max(1, ahead), self.fleet.cores)
        return {"decoding": processes * RATES["decode"].value}

    def _evaluated(self) -> Stretch:
        """Teacher, student and every artifact embed the held-out faces on the processor."""
        data, artifacts = self.recipe.data, 1 + len(self.recipe.export.precisions)
        flops = 2 * (self.teacher.macs + artifacts * self.student.macs)
        pictures = data.held_out * data.held_out_per_identity
        return Stretch("evaluation", pictures, {"the processor": self.processor / flops})

    @property
    def trainings(self) -> list[_Training]:
        return [one for one in self._parts() if isinstance(one, _Training)]

    def memory(self) -> dict[str, float]:
        """Of the hungriest training; nothing where none is on a GPU."""
        held = [self._held(one) for one in self.trainings if one.schedule.device == "cuda"]
        return max(held, key=lambda parts: sum(parts.values()), default={})

    def _held(self, one: _Training) -> dict[str, float]:
        network, schedule, people = one.network, one.schedule, self.faces.people
        gpus = 1 if one.alone else self.fleet.gpus
        batch, trained = schedule.batch / gpus / schedule.accumulate, one.trained(people)
        wanted = self.recipe.distill
        follows = wanted.adapt_from is not None or wanted.method == "adadistill"
        size = _HALF if wanted.head_dtype == "bf16" and not follows else _FLOAT
        copies = 3 if schedule.optimizer == "sgd" else 4
        logits = kept_bytes(int(batch), people)
        return {
            "weights, gradients, optimizer": trained * _FLOAT * (copies + (schedule.ema > 0)),
            "shared head": people * network.dim * size * (one.readings != ("own",)),
            "activations": network.numbers * batch * _size(schedule.amp),
            "logits": min(logits, wanted.logits_mb << 20),
            "CUDA and libraries": RATES["context"].value,
        }

    def disk(self) -> dict[str, float]:
        own = any("own" in one.readings for one in self.trainings)
        head = self.faces.people * self.student.dim
        rows = self.sides * self.faces.pictures * self.teacher.dim
        return {
            "data set (yours)": self.faces.pictures * RATES["record"].value,
            "teacher's embeddings": rows * _HALF,
            "head and checkpoints": (head + 3 * (self.student.parameters + own * head)) * _FLOAT,
        }


def _share(amp: str) -> float:
    """Of the peak in bfloat16, what convolutions in this arithmetic can reach."""
    return RATES["tf32"].value if amp == "fp32" else 1.0


def _size(amp: str) -> int:
    return _FLOAT if amp == "fp32" else _HALF


def _readings(method: str, a: float = 1.0) -> tuple[str, ...]:
    """Which heads a method reads in a step, and by whose embeddings."""
    if method in ("th-kd", "sh-kd"):
        return ("own", "shared", "teacher") if a < 1 else ("shared", "teacher")
    if method in ("proxyless", "adadistill"):
        return ("shared",)
    return (
        ("own", "teacher") if METHODS[method].borrows and method not in ("l2e", "rkd") else ("own",)
    )
