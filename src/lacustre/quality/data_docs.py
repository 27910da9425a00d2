"""A page of Great Expectations as one file: it loads nothing from elsewhere and runs nothing.

Their pages fetch scripts, styles and images from five hosts, which a hospital's network does not reach and should
not tell who looks at what.
"""

from __future__ import annotations

import re

_REMOTE = re.compile(
    r"""<script\b.*?</script> | <link\b[^>]*> | <img\b[^>]*> | <footer\b.*?</footer> | <nav\b.*?</nav>""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_ADDRESS = re.compile(r"""https?://[^\s"'<>)]+""")
_STYLE = """<style>
body { font-family: system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; color: #222; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { border: 1px solid #ddd; padding: .4rem .6rem; text-align: left; vertical-align: top; }
.badge { background: #eef; border-radius: .3rem; padding: 0 .3rem; }
.fa-check-circle::before { content: "✓"; color: #187a3c; } .fa-times::before { content: "✗"; color: #b3261e; }
.fa-exclamation-triangle::before { content: "!"; color: #b26a00; } .modal, .collapse, .col-lg-2 { display: none; }
</style>
</head>"""


def self_contained(page: str) -> str:
    """The page without scripts and without anything that a browser would fetch."""
    kept = _ADDRESS.sub("", _REMOTE.sub("", page))
    return kept.replace("</head>", _STYLE, 1)
