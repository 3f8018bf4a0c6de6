"""Run by test_sharded.py: every rank computes on its share of the classes; rank 0 saves the lot.

Arguments: number of ranks, folder with problem.pt, where each rank writes its result.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from embedge.train.head import Shard, head_kl, margin_ce
from embedge.train.head.margins import Margin, QualityMargin


def compute(problem, shard, own):
    """Losses and gradients of one rank's samples against its classes."""
    classes = slice(shard.low, shard.high)
    labels, frozen = problem["labels"][own], problem["weight"][classes]
    result = {"range": (shard.low, shard.high)}

    def run(name, loss_of, *leaves):
        leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
        loss = loss_of(*leaves)
        gradients = torch.autograd.grad(loss.mean(), leaves)
        result[name] = (loss.detach(), *gradients)

    embeddings, teacher = problem["embeddings"][own], problem["teacher"][own]
    margin = Margin(m2=0.5)
    quality = QualityMargin(problem["quality"][own], Margin(quality=0.4))
    run("frozen", lambda z: margin_ce(z, frozen, labels, margin, shard=shard), embeddings)
    run("blocks", lambda z: margin_ce(z, frozen, labels, margin, shard=shard, block=3), embeddings)
    run("quality", lambda z: margin_ce(z, frozen, labels, quality, shard=shard), embeddings)
    how = {"scale": 64.0, "temperature": 1.0, "shard": shard}
    run("kl", lambda z: head_kl(z, teacher, frozen, **how), embeddings)
    raw = problem["raw"][classes]
    run("trainable", lambda z, w: margin_ce(z, w, labels, margin, shard=shard), embeddings, raw)
    return result


def work(rank, world, folder):
    folder = Path(folder)
    rendezvous = (folder / f"rendezvous-{world}").as_uri()
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=world)
    problem = torch.load(folder / "problem.pt", weights_only=True)
    shard = Shard.of(len(problem["weight"]))
    share = len(problem["labels"]) // world
    result = compute(problem, shard, slice(rank * share, (rank + 1) * share))
    torch.save(result, folder / f"result-{world}-{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    world = int(sys.argv[1])
    # fork: the interpreter and torch are loaded once for all ranks
    torch.multiprocessing.start_processes(
        work, args=(world, sys.argv[2]), nprocs=world, start_method="fork"
    )
