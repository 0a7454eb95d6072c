#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# A terminal's screen, as tmux capture-pane -e prints it, as a picture.
#
#	tmux capture-pane -e -p | svg.py "WHAT IT IS" >FILE.svg
import re
import sys
from html import escape
from unicodedata import east_asian_width

WIDTH, HEIGHT, EDGE = 8.4, 18, 12  # of a cell, and around all of them
BACK, FORE = "#1b1f24", "#d6dbe1"
COLOURS = ["#1b1f24", "#e5534b", "#57ab5a", "#c69026", "#539bf5", "#b083f0", "#39c5cf", "#d6dbe1"]


def pieces(line):
    """Texts of a line with their place and their look."""
    look = {"bold": False, "reverse": False, "fore": None, "back": None}
    at = 0
    for part in re.split(r"(\x1b\[[0-9;]*m|\x1b\([B0]|[\x0e\x0f])", line):
        if part.startswith("\x1b["):
            for code in [int(c or 0) for c in part[2:-1].split(";")]:
                if code == 0:
                    look = dict.fromkeys(look, None)
                elif code == 1:
                    look["bold"] = True
                elif code == 7:
                    look["reverse"] = True
                elif code == 27:
                    look["reverse"] = False
                elif 30 <= code <= 37:
                    look["fore"] = COLOURS[code - 30]
                elif code == 39:
                    look["fore"] = None
                elif 40 <= code <= 47:
                    look["back"] = COLOURS[code - 40]
                elif code == 49:
                    look["back"] = None
        elif part and part[0] not in "\x1b\x0e\x0f":
            cells = sum(2 if east_asian_width(c) in "WF" else 1 for c in part)
            yield at, cells, part, dict(look)
            at += cells


def main():
    title = sys.argv[1]
    lines = sys.stdin.read().rstrip("\n").split("\n")
    columns = max(sum(p[1] for p in pieces(line)) for line in lines)
    width, height = columns * WIDTH + 2 * EDGE, len(lines) * HEIGHT + 2 * EDGE
    print("<!-- SPDX-License-Identifier: MIT -->")
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">')
    print(f"<title>{escape(title)}</title>")
    print(f'<rect width="100%" height="100%" rx="6" fill="{BACK}"/>')
    print('<g font-family="ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">')
    for row, line in enumerate(lines):
        y = EDGE + row * HEIGHT
        for at, cells, text, look in pieces(line):
            fore, back = look["fore"] or FORE, look["back"]
            if look["reverse"]:
                fore, back = back or BACK, fore
            x = EDGE + at * WIDTH
            if back:
                print(f'<rect x="{x:g}" y="{y:g}" width="{cells * WIDTH:g}" height="{HEIGHT}" fill="{back}"/>')
            if text.strip():
                bold = ' font-weight="bold"' if look["bold"] else ""
                print(f'<text x="{x:g}" y="{y + 13:g}" textLength="{cells * WIDTH:g}" fill="{fore}"{bold}>{escape(text)}</text>')
    print("</g>\n</svg>")


main()
