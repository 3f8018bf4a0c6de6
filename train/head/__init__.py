"""The classifier at scale: losses against a head whose logits are never stored."""

from embedge.train.head.kl import head_kl
from embedge.train.head.margin_ce import margin_ce
from embedge.train.head.shard import Shard, shard_range

__all__ = ["Shard", "head_kl", "margin_ce", "shard_range"]
