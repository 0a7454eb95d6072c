#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# What Grafana's dashboard shows, drawn from a Prometheus by the dashboard's own queries,
# where there is no Grafana: each panel in its place, with its title, unit and legend.
#
#	dashboard.py URL SECONDS DASHBOARD FILE		the last so many; .svg or .png
import json
import re
import sys
import time
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.fonttype"] = "none"  # letters, not their outlines
matplotlib.rcParams["svg.hashsalt"] = "xenmeter"  # the same points make the same file
import matplotlib.pyplot as pyplot
from matplotlib.ticker import EngFormatter, PercentFormatter

STEP = 2  # seconds between points
RATE = "10s"  # Grafana makes it from the step and how often is scraped
UNITS = {"Bps": "B/s", "iops": "io/s", "pps": "p/s", "s": "s"}


def ask(url, path, **query):
    """The series that Prometheus has for a query."""
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(query)}") as f:
        answer = json.load(f)
    return answer["data"]["result"]


def expression(target):
    """With what Grafana puts into it."""
    text = target["expr"].replace("$__rate_interval", RATE)
    return text.replace("$job", ".*").replace("$instance", ".*")


def legend(target, labels):
    form = target.get("legendFormat") or ""
    return re.sub(r"{{\s*(\w+)\s*}}", lambda m: labels.get(m[1], ""), form)


def draw_series(axes, panel, url, begin, end):
    for target in panel["targets"]:
        for one in ask(url, "query_range", query=expression(target), start=begin, end=end, step=STEP):
            points = [(t - end, float(v)) for t, v in one["values"]]
            axes.plot(*zip(*points), label=legend(target, one["metric"]), linewidth=1.2)
    defaults = panel["fieldConfig"]["defaults"]
    unit = defaults.get("unit")
    if unit == "percentunit":
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    elif unit in UNITS:
        axes.yaxis.set_major_formatter(EngFormatter(UNITS[unit]))
    axes.set_xlim(begin - end, 0)
    axes.set_ylim(0, defaults.get("max"))
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=7)
    if axes.lines:
        axes.legend(fontsize=6, loc="upper left", ncols=2)
    else:
        axes.text(0.5, 0.5, "No data", ha="center", transform=axes.transAxes)


def draw_value(axes, panel, url):
    value = ask(url, "query", query=expression(panel["targets"][0]))[0]["value"][1]
    if panel["fieldConfig"]["defaults"].get("unit") == "bool_yes_no":
        text = "Yes" if float(value) else "No"
    else:
        text = f"{float(value):.4f}"
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=20)
    axes.axis("off")


def draw_table(axes, panel, url):
    rows = ask(url, "query", query=expression(panel["targets"][0]))
    cells = [[r["metric"]["name"], r["metric"]["domid"], f"{float(r['value'][1]):.2f} s"] for r in rows]
    axes.axis("off")
    axes.table(cells, colLabels=["name", "domid", "CPU"], loc="upper center", edges="horizontal")


def main():
    url, seconds, dashboard, name = sys.argv[1:]
    end = time.time()
    with open(dashboard) as f:
        panels = json.load(f)["panels"]
    lines = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels)
    figure = pyplot.figure(figsize=(12, lines * 0.3))
    for panel in panels:
        at = panel["gridPos"]
        axes = figure.add_axes(
            (
                (at["x"] + 1.2) / 24,
                1 - (at["y"] + at["h"] - 1) / lines,
                (at["w"] - 1.6) / 24,
                (at["h"] - 2.4) / lines,
            )
        )
        axes.set_title(panel["title"], fontsize=9, loc="left")
        if panel["type"] == "timeseries":
            draw_series(axes, panel, url, end - float(seconds), end)
        elif panel["type"] == "stat":
            draw_value(axes, panel, url)
        else:
            draw_table(axes, panel, url)
    figure.savefig(name, metadata={"Date": None})


main()
