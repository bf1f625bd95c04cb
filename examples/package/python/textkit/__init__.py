"""A few helpers for text: slugs, human sizes, plain tables."""

from .sizes import human_size
from .slugs import slug
from .tables import table

__all__ = ["human_size", "slug", "table"]
