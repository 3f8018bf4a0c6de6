"""The recipe: everything a run depends on, as a schema.

`python -m embedge.pipeline.recipe` prints the reference page from the field texts below.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from embedge.export.graph import OPSET
from embedge.report.gate import defaults
from embedge.runtime.contract import Feeding
from embedge.train.head.margins import Margin
from embedge.train.loop.schedule import Schedule
from embedge.train.methods.parts.method import Share, Weights
from embedge.train.models.shape import Architecture, StudentShape
from embedge.train.section import MOST, Factor, Natural, Positive, Section, Weight
from embedge.train.teachers.teacher import Placement

__all__ = [
    "Bench",
    "Data",
    "Distill",
    "Evaluate",
    "Export",
    "Gates",
    "Int8",
    "Margin",
    "Qat",
    "Recipe",
    "Schedule",
    "Student",
    "StudentSchedule",
    "Teacher",
    "reference_page",
]

_HERE = Placement()
_MARGIN = Margin(m2=0.3, scale=32.0)

MethodName = Literal[
    "scratch", "kd", "l2e", "rkd", "proxyless", "th-kd", "sh-kd", "adadistill", "gkd"
]

Precision = Literal["fp32", "fp16", "int8-cpu", "int8-trt", "int8-openvino", "int8-qdq"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fmr = Annotated[float, Field(gt=0, lt=1)]


class Data(Section):
    source: str = "rendered"
    """`rendered`, or a path: a folder of people, train.rec, tar shards, a converted face set"""
    extra: tuple[str, ...] = ()
    """beside a data set: more of them to learn from, none of whose people is ever judged on"""
    labels: Literal["people", "none"] = "people"
    """`none`: learn without names. Every picture that is learnt from is a class of its own, with
    the teacher's embedding as its row of the head; `extra` may then hold pictures that nobody
    sorted. Those who are judged on still have names"""
    alike: Annotated[float, Field(gt=0, le=1)] = 0.95
    """labels none: pictures whose embeddings have at least this cosine are one class: duplicates
    at 0.95, pictures of a person at less"""
    seed: Seed = 0
    """which world of rendered people; of a data set, which people are held out"""
    identities: Annotated[int, Field(gt=0, le=10**7)] = 500
    """rendered people to learn from; of a data set, all who are not held out"""
    per_identity: Annotated[int, Field(gt=0, le=10**4)] = 30
    """rendered pictures of each"""
    held_out: Positive = 120
    """other people: half are judged, half set thresholds (a third of these instead chooses
    checkpoints or layers in float, where that is asked for)"""
    held_out_per_identity: Positive = 10
    """pictures of each of those, at most"""
    licence: str | None = None
    """of a data set of yours: the report and the bundle tell it"""
    calibration_images: Positive = defaults.CALIBRATION_PICTURES
    """pictures that show the quantiser what activations look like"""
    flip: bool = False
    """mirror half of the training pictures; the teacher is then asked about both sides"""
    verification: tuple[str, ...] = ()
    """sets to check students on, every `student.train.evaluate_every` steps: `.bin` files (LFW,
    CFP-FP, AgeDB), or `PAIRS:FOLDER`, a list of pairs and where its pictures lie"""


class StudentSchedule(Schedule):
    lr: Factor = 8e-3
    """peak learning rate; the schedule takes it down to a hundredth. A MobileFaceNet that begins at
    random wants a large one, a slice of a teacher a quarter of it"""


class Teacher(Section):
    source: Literal["shipped", "train", "file"] = "train"
    """the small teacher in the package, an IResNet trained by this run, or a file"""
    file: str | None = None
    """an .onnx, a .safetensors of ours, a checkpoint of arcface_torch, or `insightface:PACK`"""
    head_shards: tuple[str, ...] = ()
    """arcface_torch's classifier beside its checkpoint, one file per rank"""
    preprocessing: Feeding | None = None
    """what an .onnx wants to be fed; read from the file unless given, and confirmed on faces"""
    device: Literal["cpu", "cuda"] = "cpu"
    """where it is asked about the training pictures; with torchrun each process asks its share"""
    amp: Literal["fp32", "bf16", "fp16"] = _HERE.amp
    """arithmetic of its network while it is asked"""
    batch: Positive = _HERE.batch
    """pictures that it is asked about at a time"""
    probe_steps: Natural = 0
    """refine recovered class centres by so many steps of a margin softmax on cached embeddings"""
    depth: Literal[18, 34, 50, 100, 200] = 18
    """of the IResNet"""
    channels: tuple[Positive, Positive, Positive, Positive] = (16, 32, 64, 96)
    """of its four stages; the published networks have 64, 128, 256, 512"""
    dim: Positive = 256
    """of its embedding, and so of every student's"""
    margin: Margin = _MARGIN
    train: Schedule = Schedule(steps=3000)

    @property
    def opens(self) -> bool:
        """Whether it is a network that can be trained again, and no graph."""
        return self.source != "file" or str(self.file).endswith((".safetensors", ".pt", ".pth"))

    @property
    def placement(self) -> Placement:
        return Placement(self.device, self.amp, self.batch)


class Student(Section):
    architecture: Architecture = "mobilefacenet"
    """or `repface`: plain convolutions that learn as three each, for processors that run INT8"""
    scale: Literal[1, 2, 4] = 1
    """MobileFaceNet's: 1 has 1.20 M parameters, 2 is insightface's `mbf` with 2.06 M (at 512-d)"""
    width: Annotated[float, Field(gt=0, le=1)] = 1.0
    """scales every channel, for students smaller than the published ones"""
    depth: Annotated[float, Field(gt=0, le=2)] = 1.0
    """scales the number of blocks"""
    dim: Positive | None = None
    """of its embedding; the teacher's unless given"""
    dims: Literal["same", "pca", "projection"] = "same"
    """a student of another dimension: `pca` reduces the teacher to its head's principal directions,
    `projection` lifts the student by a map that is not exported (it then cannot be matched with the
    teacher)"""
    start: Literal["random", "teacher"] = "random"
    """`teacher`: begin as a slice of a teacher that is a MobileFaceNet at least as wide, its
    filters in fewer directions and fitted by least squares; far ahead of a random start, most of
    all with prelu; needs width and depth 1"""
    activation: Literal["prelu", "relu", "relu6"] = "prelu"
    """ReLU is the one that INT8 engines run fastest"""
    train: StudentSchedule = StudentSchedule()

    @property
    def shape(self) -> StudentShape:
        return StudentShape(self.architecture, self.scale, self.width, self.depth, self.activation)


class Distill(Weights):
    method: MethodName = "th-kd"
    """how the student learns"""
    first: Literal["scratch", "kd", "l2e"] = "scratch"
    """sh-kd: how the first student learns, whose head the teacher is shaped to"""
    first_part: Factor = 1.0
    """sh-kd: of the student's steps, how many that one takes; a head is worth sharing once its
    student has learnt to the end"""
    shape: Literal["auto", "network", "map"] = "auto"
    """sh-kd: train the whole teacher again, or only a linear map behind it, which any teacher can;
    `auto` takes the whole one where it is a network of ours in the student's dimension"""
    bridge: str | None = None
    """a map that `embedge bridge` made from the teacher to another network: the student learns what
    the teacher says in that network's space, and may serve a gallery of it"""
    shaping_part: Factor | None = 1.0
    """sh-kd: for how many of the student's pictures the teacher is shaped; null goes by
    shaping.steps or shaping.epochs, and so does naming one of them"""
    shaping: Schedule = Schedule(steps=300, lr=5e-4)
    """sh-kd: how the teacher is trained to the student's head"""
    margin: Margin = _MARGIN
    baseline: bool = True
    """also train a student from scratch, to stand beside it in the report"""
    baseline_part: Annotated[float, Field(gt=0, le=1)] = 1.0
    """of the student's steps, how many that one takes"""


class Export(Section):
    licence: str | None = None
    """of the exported weights, told in the report and the bundle; needed where faces or teacher are
    not embedge's own"""
    opset: Annotated[int, Field(ge=13, le=22)] = OPSET
    """of the ONNX graphs; TensorRT 8.5/8.6 reads up to 17"""
    precisions: tuple[Precision, ...] = (
        "fp32",
        "fp16",
        "int8-cpu",
        "int8-trt",
    )
    """graphs of the bundle; fp32 is always there. int8-openvino runs there (and needs it installed
    to be proven), int8-qdq is for the tools of NPUs"""


class Qat(Section):
    steps: Natural = 0
    """steps of training inside INT8 arithmetic, after distillation, by the same method under the
    frozen shared head; 0: none"""
    batch: Annotated[int, Field(ge=2, le=MOST)] = 32
    """pictures a step"""
    lr: Factor = 2e-4
    """peak learning rate, a tenth of the student's or less, so that the weights move a little"""


class Int8(Section):
    budget: Weight | None = None
    """search layers to keep in float until TAR at evaluate.gate_fmr loses at most so many points on
    a sixth of the held-out people, who then set no threshold and judge nothing; unset: no search"""
    qat: Qat = Qat()


class Gates(Section):
    """The command fails (exit code 3) when one of these does not hold.

    Bounds are asked of the far ends of intervals; a gate whose rate is beyond its bound has failed.
    """

    cosine_p1: dict[str, float] = Field(default=dict(defaults.COSINE_P1))
    """artifact: smallest first percentile of the cosine to the student in torch"""
    tar_loss: Share = defaults.TAR_LOSS
    """largest TAR an artifact may lose against fp32, at the upper end of the interval"""
    cross_space_tar: Share | None = None
    """smallest TAR of student probes against the teacher's gallery, at the lower end of the
    interval: 0.8 unless given; a student with a space of its own is asked only if it is given"""
    eer: Share = defaults.EER
    """largest equal error rate of the student alone, at the upper end of the interval"""
    not_shown: Literal["told", "fails"] = "told"
    """where the rate is within its bound and the end of its interval is not, too few people tell:
    say so and how many it takes, or fail as well"""


class Evaluate(Section):
    fmrs: Annotated[tuple[Fmr, ...], Field(min_length=1)] = defaults.FMRS
    """false match rates to report TAR at"""
    threshold_fmr: Fmr = defaults.FMR
    """false match rate that the bundle's thresholds keep, with 95 % confidence"""
    threshold_shortage: Literal["looser", "fail"] = "looser"
    """where too few people are held out for it: set thresholds for the strictest rate that they
    carry, up to 0.1, and say so; or fail the run"""
    gate_fmr: Fmr = defaults.FMR
    """false match rate that the gates look at"""
    gates: Gates = Gates()
    pictures: bool = True
    """show the worst pairs in the report"""


class Bench(Section):
    seconds: Factor = 30.0
    """spent on timing"""


class Recipe(Section):
    name: str
    """of the bundle; the file's name unless given"""
    seed: Seed = 0
    """of weights, batches and splits"""
    data: Data = Data()
    teacher: Teacher = Teacher()
    student: Student = Student()
    distill: Distill = Distill()
    export: Export = Export()
    int8: Int8 = Int8()
    evaluate: Evaluate = Evaluate()
    bench: Bench = Bench()

    @property
    def devices(self) -> frozenset[str]:
        """Wherever something is trained or a teacher is asked."""
        trained = (self.student.train, self.teacher.train, self.distill.shaping)
        return frozenset([self.teacher.device, *(one.device for one in trained)])

    def trained(self, *methods: str) -> dict[str, Schedule]:
        """What is trained on several processes, by its section; for its own method, or these."""
        found: dict[str, Schedule] = {"student.train": self.student.train}
        if "sh-kd" in (methods or (self.distill.method,)):
            found["distill.shaping"] = self.distill.shaping
        if self.teacher.source == "train":
            found["teacher.train"] = self.teacher.train
        return found

    def borrows(self, *methods: str) -> bool:
        """Whether anything goes by the teacher's classes: a method, its own unless given, the
        directions of a smaller teacher, or people whom nobody has named."""
        alone = {*(methods or (self.distill.method,))} == {"scratch"}
        return not alone or self.student.dims == "pca" or self.data.labels == "none"

    def of_baseline(self) -> Self:
        """That by which the student from scratch is trained."""
        return self._for_a_part(self.distill.baseline_part)

    @property
    def beside(self) -> str:
        """The method of the student that stands beside in the report."""
        return self.distill.first if self.distill.method == "sh-kd" else "scratch"

    def of_first(self) -> Self:
        """That by which SH-KD's first student is trained."""
        return self._for_a_part(self.distill.first_part)

    def _for_a_part(self, share: float) -> Self:
        student = self.student.model_copy(update={"train": self.student.train.part(share)})
        return self.model_copy(update={"student": student})

    @property
    def shaping(self) -> Schedule:
        """How, and for how long, SH-KD's teacher is trained."""
        part, own, student = self.distill.shaping_part, self.distill.shaping, self.student.train
        if part is None:
            return own
        steps = max(1, round(student.steps * student.batch * part / own.batch))
        epochs = None if student.epochs is None else student.epochs * part
        return own.model_copy(update={"steps": steps, "epochs": epochs})

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def reference_page() -> str:
    """docs/reference/recipe.md."""
    head = (
        "# The recipe\n\n"
        "A YAML file with these keys; every one can be given on the command line as"
        " `--section.key value`.\nUnknown keys and impossible values are refused before anything"
        " runs, all at once; so are numbers that nobody means: counts beyond 100 million, others"
        " beyond a million,\nor below a millionth where zero makes no sense. The resolved recipe is"
        " kept in\nthe run folder as `recipe.json`."
        " This page is printed by `python -m embedge.pipeline.recipe`.\n\n"
        "| key | default | what it is |\n|---|---|---|\n"
    )
    return head + "".join(f"| `{key}` | {default} | {text} |\n" for key, default, text in _rows())


def _rows(section: Section | None = None, path: str = "") -> Iterator[tuple[str, str, str]]:
    section = section or Recipe(name="")
    for name, field in type(section).model_fields.items():
        key, value = f"{path}{name}", getattr(section, name)
        if isinstance(value, Section):
            yield from _rows(value, f"{key}.")
        else:
            default = "required" if field.is_required() else f"`{value}`"
            yield key, default, " ".join((field.description or "").split())


if __name__ == "__main__":
    print(reference_page(), end="")
