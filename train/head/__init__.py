"""The classifier at scale: losses against a head whose logits are never stored."""

from embedge.train.head.streamed.kl import head_kl
from embedge.train.head.streamed.margin_ce import margin_ce
from embedge.train.head.streamed.shard import Shard, shard_range

__all__ = ["Shard", "head_kl", "margin_ce", "shard_range"]
