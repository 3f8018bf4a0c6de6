"""Heads on disk: any number of writers, any number of readers, never a second copy."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from embedge.errors import EmbedgeError
from embedge.train.head import margin_ce, shard_range
from embedge.train.head.folder import HeadFolder, write_head
from embedge.train.margins import Margin

DTYPES = [torch.float32, torch.float16, torch.bfloat16]


def head(classes: int = 29, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return F.normalize(torch.randn(classes, 8, generator=draw)).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("writers", [1, 2, 3])
def test_any_world_size_reads_what_any_other_wrote(
    tmp_path: Path, writers: int, dtype: torch.dtype
) -> None:
    weight = head(dtype=dtype)
    ranges = [shard_range(29, rank, writers) for rank in range(writers)]
    write_head(tmp_path, (weight[low:high] for low, high in ranges))
    folder = HeadFolder.open(tmp_path)
    assert (folder.classes, folder.dim, folder.dtype) == (29, 8, dtype)
    for readers in (1, 2, 3, 5):
        parts = [folder.rows(*shard_range(29, rank, readers)) for rank in range(readers)]
        assert torch.equal(torch.cat(parts), weight)


def test_a_range_inside_one_file_is_the_map_itself(tmp_path: Path) -> None:
    write_head(tmp_path, [head()], rows_per_file=20)
    folder = HeadFolder.open(tmp_path)
    first = folder.rows(3, 11)
    base = folder.parts[0].rows
    assert first.data_ptr() == base.data_ptr() + 3 * 8 * 4
    assert folder.rows(15, 25).data_ptr() != base.data_ptr() + 15 * 8 * 4


def test_another_precision_is_converted_on_the_way(tmp_path: Path) -> None:
    write_head(tmp_path, [head()])
    rows = HeadFolder.open(tmp_path).rows(4, 9, dtype=torch.bfloat16)
    assert torch.equal(rows, head()[4:9].bfloat16())


def test_other_readers_open_the_files(tmp_path: Path) -> None:
    write_head(tmp_path, [head()])
    assert torch.equal(load_file(tmp_path / "rows-000000000.safetensors")["weight"], head())


def test_the_loss_runs_on_the_map_and_leaves_the_file_alone(tmp_path: Path) -> None:
    write_head(tmp_path, [head()])
    path = tmp_path / "rows-000000000.safetensors"
    before = path.read_bytes()
    embeddings, labels = torch.randn(4, 8), torch.tensor([0, 28, 3, 3])
    mapped = HeadFolder.open(tmp_path).rows()
    loss = margin_ce(embeddings, mapped, labels, Margin.arcface())
    assert torch.equal(loss, margin_ce(embeddings, head(), labels, Margin.arcface()))
    mapped.zero_()  # the map is private: even writing to it does not reach the disk
    assert path.read_bytes() == before


def damage(folder: Path, what: str) -> None:
    index = json.loads((folder / "head.json").read_text())
    match what:
        case "missing shard":
            (folder / index["shards"][1]["file"]).unlink()
        case "truncated shard":
            path = folder / index["shards"][0]["file"]
            path.write_bytes(path.read_bytes()[:-50])
        case "gap":
            del index["shards"][0]
        case "short":
            index["classes"] = 40
        case "empty":
            index["shards"] = []
        case "not an index":
            index = [1, 2]
    (folder / "head.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "what", ["missing shard", "truncated shard", "gap", "short", "empty", "not an index"]
)
def test_damage_is_named(tmp_path: Path, what: str) -> None:
    write_head(tmp_path, [head()], rows_per_file=10)
    damage(tmp_path, what)
    with pytest.raises(EmbedgeError, match="E-HEAD-FOLDER"):
        HeadFolder.open(tmp_path)


def test_no_folder_is_an_error_with_a_place(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match=r"head\.json"):
        HeadFolder.open(tmp_path / "nowhere")
