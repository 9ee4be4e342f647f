"""Elements of an HTML page: style, sections, figures with captions, and class colours."""

from __future__ import annotations

from html import escape

from local_crystallography.views.styles import ClassStyles

STYLE = """
body { font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #1c2330;
  background: #fff; max-width: 1080px; margin: 0 auto; padding: 28px 24px 48px; }
header { border-bottom: 3px solid #2a6fb5; padding-bottom: 14px; }
header p { margin: 0; color: #2a6fb5; font-weight: 600; letter-spacing: .04em; font-size: 13px; }
h1 { margin: 2px 0 12px; font-size: 30px; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 38px 0 12px; font-size: 20px; }
dl.facts { display: flex; flex-wrap: wrap; gap: 10px 34px; margin: 0; }
p.summary { font-size: 17px; margin: 10px 0 0; }
dl.facts dt { font-size: 12px; color: #5c6675; } dl.facts dd { margin: 0; font-size: 17px; font-weight: 600; }
.grid { display: grid; gap: 20px; align-items: start; }
.two { grid-template-columns: repeat(2, 1fr); } .three { grid-template-columns: repeat(3, 1fr); }
.four { grid-template-columns: repeat(4, 1fr); } .six { grid-template-columns: repeat(6, 1fr); }
figure { margin: 0; break-inside: avoid; } figure img { width: 100%; display: block; }
figcaption { font-size: 13px; color: #444c59; margin-top: 4px; }
figcaption b { color: #1c2330; }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 5px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid #e3e7ec; vertical-align: top; }
th { color: #5c6675; font-weight: 600; } td.step { font-weight: 600; white-space: nowrap; }
td.value { font-variant-numeric: tabular-nums; min-width: 90px; } td.help { color: #5c6675; }
.auto { background: #e4effa; color: #1d5c9c; border-radius: 9px; padding: 1px 8px; font-size: 12px; }
.set { font-weight: 700; } code { font-size: 12.5px; overflow-wrap: anywhere; }
p.note { color: #5c6675; font-size: 13px; }
@media (max-width: 760px) { .two, .three { grid-template-columns: 1fr; }
  .four, .six { grid-template-columns: repeat(2, 1fr); } }
@media print { body { padding: 0; max-width: none; font-size: 12px; } h2 { break-after: avoid; }
  tr { break-inside: avoid; } .swatch, .auto { print-color-adjust: exact; } @page { margin: 14mm; } }
"""


def section(title: str, content: str) -> str:
    """A section of the page with its title; empty without content."""
    return f"<section><h2>{title}</h2>\n{content}</section>" if content else ""


def figure(source: str, caption: str, words: str) -> str:
    """An image with its caption; `words` are the alternative text."""
    return f'<figure><img src="{source}" alt="{escape(words)}"><figcaption>{caption}</figcaption></figure>'


def grid(kind: str, figures: list[str]) -> str:
    """Figures in columns: two, three, four or six."""
    return f'<div class="grid {kind}">{"".join(figures)}</div>' if figures else ""


def swatch(styles: ClassStyles, number: int, column: str = "label") -> str:
    """The name of a class with its colour."""
    colour, name = styles.colour(column, int(number)), escape(styles.name(column, int(number)))
    return f'<span class="swatch" style="background: {colour}"></span>{name}'
