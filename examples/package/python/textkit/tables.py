"""Rows as aligned columns."""


def table(rows, gap=2):
    """One line for each row; columns are as wide as their widest cell."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts)]
    space = " " * gap
    return "\n".join(
        space.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in texts
    )
