"""Texts as parts of file names and addresses."""

import re
import unicodedata


def slug(text, limit=60):
    """`"Crème brûlée, twice!"` becomes `creme-brulee-twice`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    return "-".join(words)[:limit].rstrip("-")
