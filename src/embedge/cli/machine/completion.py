"""Print the completion of commands and options for a shell.

eval "$(embedge completion bash)"       in ~/.bashrc
eval "$(embedge completion zsh)"        in ~/.zshrc, after compinit
embedge completion fish | source        in ~/.config/fish/config.fish
"""

import argparse
import importlib

from embedge.cli.parser import choices_of, options_of


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(options: argparse.Namespace) -> int:
    from embedge.cli import COMMANDS

    words = {command: _words(module) for command, (module, _) in COMMANDS.items()}
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell](words))
    return 0


def _words(module: str) -> list[str]:
    """What may follow a command: its actions, and all of its options."""
    parser = argparse.ArgumentParser(add_help=True)
    importlib.import_module(f"embedge.cli.{module}").configure(parser)
    return sorted({*options_of(parser), *choices_of(parser)})


_PROGRAM = "distill-and-export"  # is called by itself too
_SCRIPT = """_embedge() {{
    local words="{commands}"
    case "${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}} " in
{cases}
    esac
    [ "$COMP_CWORD" -gt 1 ] || words="{commands}"
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _embedge embedge
complete -o default -W "{own}" distill-and-export"""


def _bash(words: dict[str, list[str]]) -> str:
    cases = "\n".join(
        f'        "{command} "*) words="{" ".join(found)}" ;;'
        for command, found in sorted(words.items(), key=lambda one: -len(one[0].split()))
    )
    own = " ".join(words[_PROGRAM])
    return _SCRIPT.format(commands=" ".join(words), cases=cases, own=own)


def _zsh(words: dict[str, list[str]]) -> str:
    return f"autoload -U +X bashcompinit && bashcompinit\n{_bash(words)}"


def _fish(words: dict[str, list[str]]) -> str:
    lines = [f"complete -c embedge -n __fish_use_subcommand -a '{' '.join(words)}'"]
    for command, found in words.items():
        seen = f"__fish_seen_subcommand_from {command}"
        lines.append(f"complete -c embedge -n '{seen}' -a '{' '.join(found)}'")
    return "\n".join([*lines, f"complete -c {_PROGRAM} -a '{' '.join(words[_PROGRAM])}'"])
