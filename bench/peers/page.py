"""The table of run.py as text, as a page and as a chart."""
import math
from xml.sax.saxutils import escape

# Rows whose target is a share of the hand-written program, but which sorting and scattering decide: not in the mean.
APART = ("sort_grad_1e6", "segment_sum_grad_1e6x16")
OURS = ("functra", "eager", "hand")  # not another library
NAMES = {"functra": "Functra", "eager": "without jit", "hand": "by hand", "jax": "JAX", "enzyme": "Enzyme", "mlx": "MLX", "casadi": "CasADi"}


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
    return not abs(row[peer]["check"] - ref["check"]) <= near * abs(ref["check"])  # NaN is wrong


def ratios(row):
    """(hand / ours, best other peer / ours, its name), None where one did not run."""
    ours = row.get("functra", {}).get("min_us")
    hand = row.get("hand", {}).get("min_us")
    others = {p: r["min_us"] for p, r in row.items() if p not in OURS}
    best = min(others, key=others.get) if others else None
    if not ours:
        return None, None, best
    return hand / ours if hand else None, others[best] / ours if best else None, best


def behind_eager(row):
    return "functra" in row and "eager" in row and row["functra"]["min_us"] > row["eager"]["min_us"]


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
    if wrong(row, "functra"):
        return words + ": missed, its sum differs", False
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


def cell(figures, w, peer, key):
    """A figure with its marks; why there is none, where it was tried; nothing where the program has no such row."""
    row, error = figures["rows"][w], figures["missing"].get(w, {}).get(peer)
    if error:
        return error if error.startswith(">") else "—"
    if peer not in row:
        return ""
    return number(row[peer][key]) + "!" * wrong(row, peer) + "†" * (peer == "functra" and behind_eager(row))


def times(figures, targets):
    rows = []
    for w in ordered(figures, targets):
        row = figures["rows"][w]
        by_hand, by_peer, _ = ratios(row)
        ours = row.get("functra", {})
        rows.append([w] + [cell(figures, w, p, "min_us") for p in figures["peers"]] + [ratio(by_hand), ratio(by_peer)] +
                    [number(ours.get("compile_ms")), number(ours.get("warm", {}).get("compile_ms")), verdict(row, targets.get(w))[0]])
    head = ["minimum, us"] + [name_of(p) for p in figures["peers"]]
    return grid(head + ["by hand / ours", "best peer / ours", "first call, ms", "with a cache, ms", "target"], rows)


def medians(figures, targets):
    rows = [[w] + [cell(figures, w, p, "median_us") for p in figures["peers"]] for w in ordered(figures, targets)]
    return grid(["median, us"] + [name_of(p) for p in figures["peers"]], rows)


def compile_times(figures, targets):
    peers = [p for p in figures["peers"] if p not in OURS]
    parts = ("trace_ms", "code_ms", "compile_ms")
    rows = []
    for w in ordered(figures, targets):
        ours = figures["rows"][w].get("functra", {})
        rows.append([w] + [number(run.get(k)) for run in (ours, ours.get("warm", {})) for k in parts] +
                    [cell(figures, w, p, "compile_ms") for p in peers])
    head = ["first call, ms"] + [h + t for h in ("", "with a cache: ") for t in ("trace", "code", "Functra, in all")]
    return grid(head + [name_of(p) for p in peers], rows)


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
    behind = [f"`{w}`" for w, r in figures["rows"].items() if behind_eager(r)]
    if "eager" in figures["peers"]:
        lines.append("Slower than the same function without `jit` (†): " + (", ".join(behind) or "none") + ".")
    losses = [(w, *ratios(r)[1:]) for w, r in figures["rows"].items()]
    losses = [f"`{w}` ({name_of(best)}, {ratio(r)})" for w, r, best in losses if r and r < 1]
    if any(p not in OURS for p in figures["peers"]):
        lines.append("Another library is faster: " + (", ".join(losses) or "nowhere") + ".")
    absent = [f"`{w}`" for w in targets if w in figures["rows"] and "functra" not in figures["rows"][w]]
    if absent:
        lines.append("Not run by Functra: " + ", ".join(absent) + ".")
    failed = [f"`{w}` by {name_of(p)} ({escape(why)})" for w, m in figures["missing"].items() for p, why in m.items() if not why.startswith(">")]
    for title, what in (("Left out", [f"{name_of(p)} ({why})" for p, why in figures["left_out"].items()]), ("Failed (—)", failed)):
        if what:
            lines.append(f"{title}: " + "; ".join(what) + ".")
    return lines


def text(figures, targets):
    return "\n\n".join([f(figures, targets) for f in (times, medians, compile_times)] + summary(figures, targets))


def document(figures, targets, chart_name):
    m = figures["machine"]
    return f"""# Benchmarks {{#benchmarks}}

Derivative programs by Functra's `jit`, beside the same work in other libraries and written by hand with SIMD instructions. Every
program ran in the same run, one workload after the other, and printed the same sum of absolute values of its results ('!': it did
not). Ratios are theirs / ours: above 1, Functra is faster. Losses are included. "Without jit" is Functra's plain evaluation of the same
function. A program without such a row has an empty cell; one that did not end in time has the limit.

![by hand / ours, on a logarithmic axis]({chart_name})

Machine: {m['cpu']}; {m['cores']} threads; {m['system']}. Date: {m['date']}{', commit ' + m['commit'] if m['commit'] else ''}. Minimum of the
calls in {figures['budget']} s, best of {figures['rounds']} run{'s' if figures['rounds'] > 1 else ''}.

{times(figures, targets)}

{chr(10).join('* ' + l for l in summary(figures, targets))}

## Medians

Of the same calls.

{medians(figures, targets)}

## First calls

Functra's are tracing, the making of code (passes, generation, linking; with a cache: its lookup and loading) and the first run. The first
three columns and the peers' are with empty caches; "with a cache" is a second process that finds what the first left in
`FUNCTRA_CACHE_DIR`.

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
