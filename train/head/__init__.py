"""The classifier at scale: losses against a head whose logits are never stored."""

from embedge.train.head.streamed.kl import head_kl
from embedge.train.head.streamed.margin_ce import margin_ce

__all__ = ["head_kl", "margin_ce"]
