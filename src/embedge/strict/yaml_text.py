"""YAML in which every key stands once; whatever is wrong with a text is one ValueError."""

import re
from typing import Any

from embedge.optional import require

__all__ = ["yaml_value"]


def yaml_value(text: str) -> Any:
    """The value that `text` holds. It takes pyyaml."""
    yaml = require("yaml", extra="export")
    try:
        return yaml.load(text, Loader=_loader(yaml))
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _loader(yaml: Any) -> Any:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            """YAML demands it; pyyaml lets the last of two win, and the first is lost unseen."""
            known: set[str] = set()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                if isinstance(key, yaml.ScalarNode):
                    if key.value in known:
                        line = key.start_mark.line + 1
                        raise ValueError(
                            f"the key '{key.value}' occurs twice, again in line {line}"
                        )
                    known.add(key.value)
            return super().construct_mapping(node, deep=deep)

    # YAML 1.1 takes 1e-3 for a text
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
    )
    return Loader
