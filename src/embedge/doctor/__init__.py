"""What this machine has, what is wrong, and the remedy; works with no extra installed."""

from embedge.doctor.facts import Facts, machine_facts
from embedge.doctor.findings import Finding, findings
from embedge.doctor.text import facts_text

__all__ = ["Facts", "Finding", "facts_text", "findings", "machine_facts"]
