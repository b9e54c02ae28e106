# SPDX-License-Identifier: Apache-2.0
"""Samples as lines in an SVG: a small picture for each group of stocks, each line with its name and last value."""
import html

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 170, 46, 190, 24, 20
COLOURS = ("#1b6ca8", "#c8553d", "#3f7d20", "#7a4e9f", "#b08900", "#0f8b8d", "#6b705c", "#a4133c")


def _points(values, times, x_max, y_max):
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    return " ".join(f"{LEFT + across * t / x_max:.1f},{TOP + down * (1 - v / y_max):.1f}"
                    for t, v in zip(times, values))


def _panel(title, lines, times):
    y_max = max([v for values in lines.values() for v in values] + [1]) * 1.08
    x_max = max(times[-1], 1e-9)
    yield f'<text x="{LEFT}" y="15" font-weight="bold">{html.escape(title)}</text>'
    yield (f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#999"/>'
           f'<text x="{LEFT - 4}" y="{TOP + 8}" text-anchor="end">{y_max:,.0f}</text>'
           f'<text x="{LEFT - 4}" y="{HEIGHT - BOTTOM}" text-anchor="end">0</text>'
           f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{x_max:.0f} min</text>')
    for n, (name, values) in enumerate(lines.items()):
        colour = COLOURS[n % len(COLOURS)]
        yield (f'<polyline points="{_points(values, times, x_max, y_max)}" fill="none" stroke="{colour}" '
               f'stroke-width="1.5"/>'
               f'<text x="{WIDTH - RIGHT + 8}" y="{TOP + 10 + 15 * n}" fill="{colour}">'
               f'{html.escape(name)}: {values[-1]:,}</text>')


def svg(samples, groups, columns=2):
    """samples: [(minutes, {name: value})]; groups: {title: [names]}."""
    times = [t for t, _ in samples]
    rows = -(-len(groups) // columns)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * columns}" height="{HEIGHT * rows}" '
           f'viewBox="0 0 {WIDTH * columns} {HEIGHT * rows}" font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="#fff"/>']
    for n, (title, names) in enumerate(groups.items()):
        lines = {name: [s.get(name, 0) for _, s in samples] for name in names}
        out.append(f'<g transform="translate({WIDTH * (n % columns)},{HEIGHT * (n // columns)})">')
        out += _panel(title, lines, times)
        out.append("</g>")
    return "\n".join([*out, "</svg>", ""])
