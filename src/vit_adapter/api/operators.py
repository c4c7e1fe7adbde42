"""Every operator of the package with its forms, for people."""

from vit_adapter import ops


def describe_forms() -> list[tuple[str, str]]:
    """Every operator with its rule and forms, see ``vit_adapter.ops.describe_forms``; those of the heads too."""
    import vit_adapter.heads.mask2former  # noqa: F401  # operators are known from when their file is imported

    return ops.describe_forms()
