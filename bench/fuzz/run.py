"""Fuzzes one target in a process of its own: what escapes ends it, and the bytes that did it are kept.

python -m bench.fuzz.run TARGET [libFuzzer's flags and folders]
"""

import sys

import atheris  # pyright: ignore[reportMissingImports]  of group fuzz

with atheris.instrument_imports(  # pyright: ignore
    include=["services", "schemas", "streams"], enable_loader_override=False
):
    from bench.fuzz.targets import targets


def main() -> None:
    """Fuzz until libFuzzer's own limits end it."""
    name, *flags = sys.argv[1:]
    target = targets()[name]

    def take(data: bytes) -> None:
        try:
            target.take(data)
        except target.errors:
            return

    atheris.Setup([sys.argv[0], *flags], take)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
