"""The table of run.py as text, as a page and as a chart."""
import math
from xml.sax.saxutils import escape

# Rows whose target is a share of the hand-written program, but which sorting and scattering decide: not in the mean.
APART = ("sort_grad_1e6", "segment_sum_grad_1e6x16")
NAMES = {"functra": "Functra", "hand": "by hand", "jax": "JAX", "enzyme": "Enzyme", "mlx": "MLX", "casadi": "CasADi"}


def name_of(peer):
    return NAMES.get(peer, peer)


def number(v):
    return "" if v is None else f"{v:.3g}" if v < 1000 else f"{v:,.0f}"


def ratio(v):
    return "" if v is None else f"{v:.2f}" if v >= 0.1 else f"{v:.2g}"


def wrong(row, peer):
    """Whether this program's check differs from the reference's."""
    ref = row.get("jax") or row.get("hand")
    if ref is None or peer not in row:
        return False
    near = 1e-5 if row[peer]["dtype"] == "f32" else 1e-9
    return abs(row[peer]["check"] - ref["check"]) > near * abs(ref["check"])


def ratios(row):
    """(hand / ours, best other peer / ours, its name), None where one did not run."""
    ours = row.get("functra", {}).get("min_us")
    hand = row.get("hand", {}).get("min_us")
    others = {p: r["min_us"] for p, r in row.items() if p not in ("functra", "hand")}
    best = min(others, key=others.get) if others else None
    if not ours:
        return None, None, best
    return hand / ours if hand else None, others[best] / ours if best else None, best


def verdict(row, target):
    """The target in words, and whether it was met (None: not measured)."""
    if not target:
        return "", None
    by_hand, by_peer, best = ratios(row)
    of, asked = target["of"], target["ratio"]
    got = by_hand if of == "hand" else by_peer
    words = f"{asked} of {'hand' if of == 'hand' else 'best peer'}"
    if got is None:
        return words, None
    if got < asked:
        return words + ": missed", False
    if of == "hand" and by_peer is not None and by_peer < 1:
        return words + f": met, but {name_of(best)} is faster", False
    return words + ": met", True


def mean(figures, targets):
    """Geometric mean of hand / ours over the rows whose target is the hand-written program, and over how many."""
    logs = []
    for w, t in targets.items():
        if t["of"] == "hand" and w not in APART:
            r = ratios(figures["rows"].get(w, {}))[0]
            if r:
                logs.append(math.log(r))
    return (math.exp(sum(logs) / len(logs)) if logs else None), len(logs)


def ordered(figures, targets):
    rows = figures["rows"]
    return [w for w in targets if w in rows] + [w for w in rows if w not in targets]


def grid(head, rows):
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(r) + " |" for r in [head, rule] + rows)


def times(figures, targets):
    rows = []
    for w in ordered(figures, targets):
        row = figures["rows"][w]
        cells = [number(row[p]["min_us"]) + ("!" if wrong(row, p) else "") if p in row else "" for p in figures["peers"]]
        by_hand, by_peer, _ = ratios(row)
        rows.append([w] + cells + [ratio(by_hand), ratio(by_peer)] +
                    [number(row["functra"]["compile_ms"]) if "functra" in row else "", verdict(row, targets.get(w))[0]])
    head = ["minimum, us"] + [name_of(p) for p in figures["peers"]] + ["by hand / ours", "best peer / ours", "compile, ms", "target"]
    return grid(head, rows)


def compile_times(figures, targets):
    peers = [p for p in figures["peers"] if p != "hand"]
    rows = [[w] + [number(figures["rows"][w][p]["compile_ms"]) if p in figures["rows"][w] else "" for p in peers] for w in ordered(figures, targets)]
    return grid(["first call, ms"] + [name_of(p) for p in peers], rows)


def summary(figures, targets):
    met = [verdict(figures["rows"].get(w, {}), t)[1] for w, t in targets.items()]
    lines = []
    m, n = mean(figures, targets)
    if m:
        lines.append(f"Geometric mean of by hand / ours over {n} row{'s' * (n > 1)} whose target is a share of the hand-written program, without "
                     f"{' and '.join(f'`{w}`' for w in APART)}: **{ratio(m)}**.")
    if any(v is not None for v in met):
        lines.append(f"Targets met: {met.count(True)} of {len(met) - met.count(None)} measured.")
    slower = [(w, r["functra"]["call_us"]) for w, r in figures["rows"].items() if r.get("functra", {}).get("call_us")]
    if slower:
        lines.append("Through `fast(args)` instead of `bind`: " + ", ".join(f"`{w}` {number(v)} us" for w, v in slower) + ".")
    for title, what in (("Left out", [f"{name_of(p)} ({why})" for p, why in figures["left_out"].items()]), ("Failed", figures["failed"])):
        if what:
            lines.append(f"{title}: " + "; ".join(what) + ".")
    return lines


def text(figures, targets):
    return "\n\n".join([times(figures, targets), compile_times(figures, targets)] + summary(figures, targets))


def document(figures, targets, chart_name):
    m = figures["machine"]
    return f"""# Benchmarks {{#benchmarks}}

Derivative programs by Functra's `jit`, beside the same work in other libraries and written by hand with SIMD instructions. Every
program ran in the same run, one workload after the other, and printed the same sum of absolute values of its results ('!': it did
not). Ratios are theirs / ours: above 1, Functra is faster. Losses are included.

![by hand / ours, on a logarithmic axis]({chart_name})

Machine: {m['cpu']}; {m['cores']} threads; {m['system']}. Date: {m['date']}{', commit ' + m['commit'] if m['commit'] else ''}. Minimum of the
calls in {figures['budget']} s, best of {figures['rounds']} run{'s' if figures['rounds'] > 1 else ''}.

{times(figures, targets)}

{chr(10).join('* ' + l for l in summary(figures, targets))}

## First calls

Tracing, passes and compilation, with empty caches.

{compile_times(figures, targets)}

## Repeating it

    python3 -m venv ~/peers && ~/peers/bin/pip install jax torch enzyme-ad
    ./dev bench --peers --python ~/peers/bin/python

The programs are in `bench/workloads/` (Functra) and `bench/peers/`, whose README has the options. Before a row is timed, every element of
every output is compared with plain evaluation. Machines are noisy: only ratios within one run count.
"""


def chart(figures, targets):
    """Bars of by hand / ours (where there is no such program: best peer / ours) on a logarithmic axis."""
    bars = []
    for w in ordered(figures, targets):
        by_hand, by_peer, best = ratios(figures["rows"][w])
        t = targets.get(w)
        of = t["of"] if t else "hand"
        r = by_hand if of == "hand" else by_peer
        if r:
            bars.append((w, r, of, t["ratio"] if t else None, verdict(figures["rows"][w], t)[1]))
    left, width, line, top = 230, 560, 20, 58
    values = [b[1] for b in bars] + [b[3] for b in bars if b[3]] + [0.5, 2]
    low, high = 10 ** math.floor(math.log10(min(values) / 2)), 10 ** math.ceil(math.log10(max(values)))
    x = lambda v: left + width * math.log(v / low) / math.log(high / low)
    height = top + line * len(bars) + 14
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" height="{height}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           '<text x="8" y="18" font-size="14">Speed of Functra: theirs / ours (above 1: Functra is faster)</text>']
    for i, (colour, words) in enumerate((("#3b6ea8", "beside the program written by hand"), ("#7aa95c", "beside the best other peer"))):
        out.append(f'<rect x="{8 + 240 * i}" y="26" width="10" height="10" fill="{colour}"/><text x="{22 + 240 * i}" y="35">{words}</text>')
    out.append('<path d="M492 25v12" stroke="#c03030" stroke-width="2"/><text x="498" y="35">target</text>')
    decade = low
    while decade <= high:
        for k in range(1, 10):
            v = decade * k
            if v <= high:
                strong = k == 1
                out.append(f'<path d="M{x(v):.1f} {top - 4}V{height - 12}" stroke="{"#999" if v == 1 else "#ccc" if strong else "#eee"}"/>')
                if strong:
                    out.append(f'<text x="{x(v):.1f}" y="{top - 6}" text-anchor="middle" fill="#555">{v:g}</text>')
        decade *= 10
    for i, (w, r, of, asked, met) in enumerate(bars):
        y = top + line * i
        a, b = sorted((x(1), x(r)))
        colour = "#3b6ea8" if of == "hand" else "#7aa95c"
        out.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(w)}</text>')
        out.append(f'<rect x="{a:.1f}" y="{y + 4}" width="{max(b - a, 1):.1f}" height="{line - 8}" fill="{colour}"/>')
        if asked:
            out.append(f'<path d="M{x(asked):.1f} {y + 2}v{line - 4}" stroke="#c03030" stroke-width="2"/>')
        side = "end" if r < 1 else "start"
        out.append(f'<text x="{x(r) + (-4 if r < 1 else 4):.1f}" y="{y + 14}" text-anchor="{side}" font-size="11" '
                   f'stroke="white" stroke-width="3" paint-order="stroke">{ratio(r)}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"
