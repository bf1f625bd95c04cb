"""A function that needs the layer of this folder's neighbour: it answers with a slug."""

from textkit import slug


def handler(event, context):
    return {"slug": slug(event.get("title", "Hello, layers!"))}
