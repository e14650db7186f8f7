"""A matplotlib Figure as SVG that can stand inside an HTML page, beside others of its kind."""

from __future__ import annotations

import re
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

from virtsim.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONTS = "'DejaVu Sans', Verdana, Arial, sans-serif"
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@styled
def inline(figure: Figure, name: str, title: str, text: str) -> str:
    """Return a figure as an ``<svg>`` element.

    Parameters
    ----------
    name
        Prefix of every id inside, so that no two figures of a page share one.
    title, text
        What a screen reader says: the figure's name, and what it shows in words.
    """
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata=NO_METADATA)
    body = buffer.getvalue().decode("utf-8")
    body = body[body.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\g<1>{name}-", body)
    return _labelled(_slim(body), name, title, text)


def _slim(body: str) -> str:
    """Drop what a page does not need: fixed size, and digits that no screen shows."""
    body = re.sub(r'<svg[^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1 XMLNS>", body, count=1)
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    body = body.replace("XMLNS", spaces, 1)
    body = re.sub(r"(\d+\.\d\d)\d+", r"\1", body).replace("'DejaVu Sans'", FONTS)
    return re.sub(r"\n\s*", "\n", body)


def _labelled(body: str, name: str, title: str, text: str) -> str:
    labels = f'role="img" aria-labelledby="{name}-title {name}-desc"'
    said = (
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(text)}</desc>'
    )
    head, _, rest = body.partition(">")
    return f"{head} {labels}>\n{said}{rest}"
