"""Byte counts for people."""

UNITS = ["B", "KiB", "MiB", "GiB", "TiB"]


def human_size(count):
    """`1536` becomes `1.5 KiB`."""
    value = float(count)
    for unit in UNITS[:-1]:
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} {UNITS[-1]}"
