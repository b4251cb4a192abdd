# Operations of arrangement, order, counting and statistics with NumPy's and SciPy's results: writes
# tests/data/operations_reference.inc, which tests/operations_numpy_test.cpp includes.
#   python3 tools/references/operations_reference.py > tests/data/operations_reference.inc
import numpy as np, scipy, scipy.integrate, scipy.linalg, scipy.special
rng = np.random.default_rng(3)
out = []

def number(v):
    v = v.item() if hasattr(v, "item") else v
    if isinstance(v, (bool, int)): return str(int(v))
    if np.isnan(v): return "NaN"
    if np.isinf(v): return "inf" if v > 0 else "-inf"
    return repr(float(v))
def cpp(a):  # a literal of f64 or i64
    a = np.asarray(a)
    dtype = "i64" if a.dtype.kind in "iub" else "f64"
    values = ", ".join(number(v) for v in a.ravel())
    return f"of({{{values}}}, {shape(a)}, {dtype})"
def shape(a): return "{" + ", ".join(map(str, np.shape(a))) + "}"
def case(expression, want, **operands):
    for name, value in operands.items(): expression = expression.replace("$" + name, cpp(value))
    want = np.asarray(want)
    out.append(f"CASE({expression}, {shape(want)}, {{{', '.join(number(v) for v in want.ravel())}}})")
def draw(*s): return np.round(rng.normal(size=s), 2)
def ints(lo, hi, *s): return rng.integers(lo, hi, s)

a, b, m, v, w = draw(3, 4), draw(2, 3), draw(2, 3, 4), draw(5), draw(7)
# ---- matrices by their parts
for k in (-2, -1, 0, 1, 3):
    case(f"tril($a, {k})", np.tril(a, k), a=a)
    case(f"triu($a, {k})", np.triu(a, k), a=a)
    case(f"diag($v, {k})", np.diag(v, k), v=v)
    case(f"diag($a, {k})", np.diag(a, k), a=a)
    case(f"tril_indices(3, 4, {k})", np.stack(np.tril_indices(3, k, 4)))
    case(f"triu_indices(4, 3, {k})", np.stack(np.triu_indices(4, k, 3)))
case("tril($m)", np.tril(m), m=m)
case("diag_embed($a)", np.stack([np.diag(r) for r in a]), a=a)
case("diag_embed($a, 1, 0, 2)", np.moveaxis(np.stack([np.diag(r, 1) for r in a]), [1, 2], [0, 2]), a=a)
case("diag_embed($a, -1, -1, 0)", np.moveaxis(np.stack([np.diag(r, -1) for r in a]), [1, 2], [2, 0]), a=a)
case("block_diag({$a, $b, $v})", scipy.linalg.block_diag(a, b, v[None]), a=a, b=b, v=v)
case("trace($a)", np.trace(a), a=a)
case("kron($a, $b)", np.kron(a, b), a=a, b=b)
case("kron($v, $b)", np.kron(v, b), v=v, b=b)
case("kron($m, $b)", np.kron(m, b), m=m, b=b)
c, d = draw(4, 3), draw(4, 3)
case("cross($c, $d)", np.cross(c, d), c=c, d=d)
case("cross($c, $d, 0)", np.cross(c.T, d.T, axis=0), c=c.T, d=d.T)
case("cross($c, $d)", np.cross(c, d[0]), c=c, d=d[0])
case("cov($a)", np.cov(a), a=a)
case("cov($a, 0)", np.cov(a, ddof=0), a=a)
case("cov($v)", np.cov(v), v=v)
case("corrcoef($a)", np.corrcoef(a), a=a)
for i, g in enumerate(np.meshgrid(v, w, b[0], indexing="ij")): case(f"meshgrid({{$v, $w, $b}})[{i}]", g, v=v, w=w, b=b[0])
for i, g in enumerate(np.meshgrid(v, w, b[0], indexing="xy")): case(f"meshgrid({{$v, $w, $b}}, \"xy\")[{i}]", g, v=v, w=w, b=b[0])
case("cartesian_prod({$v, $b})", [[p, q] for p in v for q in b[0]], v=v, b=b[0])
# ---- turning and stacking
for k in (-1, 0, 1, 2, 3, 5):
    case(f"rot90($a, {k})", np.rot90(a, k), a=a)
    case(f"rot90($m, {k}, {{2, 0}})", np.rot90(m, k, (2, 0)), m=m)
case("fliplr($a)", np.fliplr(a), a=a)
case("flipud($a)", np.flipud(a), a=a)
case("swapaxes($m, 0, -1)", np.swapaxes(m, 0, -1), m=m)
case("ravel($m)", m.ravel(), m=m)
case("dstack({$v, $w})", np.dstack([v, w[:5]]), v=v, w=w[:5])
case("dstack({$a, $b})", np.dstack([a, a + 1]), a=a, b=a + 1)
case("column_stack({$v, $c})", np.column_stack([v[:4], c]), v=v[:4], c=c)
r = np.array([2, 0, 3])
case("repeat_interleave($a, $r, 0)", np.repeat(a, r, 0), a=a, r=r)
case("repeat_interleave($a, $r, 1, 9)", np.repeat(a, [2, 0, 3, 4], 1), a=a, r=np.array([2, 0, 3, 1]))  # filled up with the last
case("repeat_interleave($a, $r, 0, 3)", np.repeat(a, r, 0)[:3], a=a, r=r)
# ---- order
s = np.sort(ints(0, 9, 12))
q = ints(-1, 10, 3, 4)
for right in (False, True):
    side = "right" if right else "left"
    case(f"searchsorted($s, $q, {str(right).lower()})", np.searchsorted(s, q, side), s=s, q=q)
    case(f"bucketize($q, $s, {str(right).lower()})", np.searchsorted(s, q, side), s=s, q=q)
    case(f"searchsorted($s, $q, {str(right).lower()})", [np.searchsorted(x, y, side) for x, y in zip(np.sort(a), draw(3, 2) * 0 + 0.1)], s=np.sort(a), q=np.full((3, 2), 0.1))
case("searchsorted($s, 3)", np.searchsorted(s, 3), s=s)
case("isin($q, $s)", np.isin(q, s), q=q, s=s)
for k in (1, 3, 4):
    case(f"kthvalue($a, {k}).first", np.sort(a)[:, k - 1], a=a)
    case(f"kthvalue($a, {k}, -1, true).second", np.argsort(a)[:, k - 1:k], a=a)
holes = a.copy(); holes[0, 1] = holes[2] = np.nan; holes[1, 3] = np.inf
for name in ("linear", "lower", "higher", "midpoint", "nearest"):
    for f in (0.0, 0.25, 0.5, 0.9, 1.0):
        case(f"quantile($a, {f}, 1, false, Interpolation::{name})", np.quantile(a, f, axis=1, method=name), a=a)
        case(f"quantile($w, {f}, {{}}, false, Interpolation::{name})", np.quantile(w, f, method=name), w=w)
    case(f"nanquantile($h, 0.3, 1, true, Interpolation::{name})", np.nanquantile(holes, 0.3, axis=1, keepdims=True, method=name), h=holes)
case("quantile($m, $q, 1)", np.quantile(m, [0.1, 0.6, 0.95], axis=1), m=m, q=np.array([0.1, 0.6, 0.95]))
case("quantile($m, $q, 1, true)", np.quantile(m, [0.1, 0.6], axis=1, keepdims=True), m=m, q=np.array([0.1, 0.6]))
case("quantile($m, 0.5, {}, true)", np.quantile(m, 0.5, keepdims=True), m=m)
case("quantile($h, 0.5, 0)", np.quantile(holes, 0.5, axis=0), h=holes)
case("median($w)", np.median(w), w=w)
h = np.append(holes[0], [np.nan, 3])
case("nanmedian($h)", np.nanquantile(h, 0.5, method="lower"), h=h)
case("nanmedian($h)", np.nanmedian(holes[0]), h=holes[0])
x = ints(0, 6, 3, 4)
u, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
case("unique($x, $n).values".replace("$n", str(len(u))), u, x=x)
case(f"unique($x, {len(u)}).inverse", inverse.reshape(x.shape), x=x)
case(f"unique($x, {len(u) + 2}).counts", np.append(counts, [0, 0]), x=x)
case(f"unique($x, {len(u) + 2}).values", np.append(u, [u[0]] * 2), x=x)
case(f"unique($x, {len(u) + 1}, -7).values", np.append(u, [-7]), x=x)
case("unique($x, 2).values", u[:2], x=x)
f = np.array([0.5, np.nan, -1, 0.5, np.nan, np.inf])
u, inverse, counts = np.unique(f, return_inverse=True, return_counts=True)
case("unique($f, 4).values", u, f=f)
case("unique($f, 4).inverse", inverse, f=f)
case("unique($f, 4).counts", counts, f=f)
# ---- counting
n, weights = ints(0, 5, 10), draw(10)
case("bincount($n, 7)", np.bincount(n, minlength=7), n=n)
case("bincount($n, 3)", np.bincount(n, minlength=7)[:3], n=n)
case("bincount($n, 7, $w)", np.bincount(n, weights, 7), n=n, w=weights)
h = draw(40)
case("histc($h, 7, -1, 1.5)", np.histogram(h, 7, (-1, 1.5))[0].astype(float), h=h)
case("histc($h, 5)", np.histogram(h, 5)[0].astype(float), h=h)
case("histc($h, 4)", np.histogram(np.full(3, 2.0), 4, (1, 3))[0].astype(float), h=np.full(3, 2.0))
edges = np.array([-1.5, -0.3, 0.0, 0.7, h.max()])
case("histogram($h, $e)", np.histogram(h, edges)[0], h=h, e=edges)
# ---- running and neighbouring
case("cummax($a, 1).first", np.maximum.accumulate(a, 1), a=a)
case("cummin($a, 0).first", np.minimum.accumulate(a, 0), a=a)
case("logcumsumexp($a, 1)", np.logaddexp.accumulate(a, 1), a=a)
case("lax::cumlogsumexp($a, 0, true)", np.logaddexp.accumulate(a[::-1], 0)[::-1], a=a)
case("lax::cummax($a, 1, true)", np.maximum.accumulate(a[:, ::-1], 1)[:, ::-1], a=a)
case("lax::cummin($a)", np.minimum.accumulate(a), a=a)
case("lax::cumsum($a, -1, true)", np.cumsum(a[:, ::-1], 1)[:, ::-1], a=a)
case("lax::cumprod($a)", np.cumprod(a, 0), a=a)
for k in (0, 1, 2, 4): case(f"diff($a, {k})", np.diff(a, k), a=a)
case("diff($m, 1, 0)", np.diff(m, axis=0), m=m)
case("trapezoid($a)", np.trapezoid(a), a=a)
case("trapezoid($a, 0.5, 0)", np.trapezoid(a, dx=0.5, axis=0), a=a)
t = np.cumsum(np.abs(draw(4)) + 0.1)
case("trapezoid($a, $t)", np.trapezoid(a, t), a=a, t=t)
case("trapezoid($a, $t, 1)", np.trapezoid(a, np.stack([t, t + 1, 2 * t])), a=a, t=np.stack([t, t + 1, 2 * t]))
case("cumulative_trapezoid($a, $t)", scipy.integrate.cumulative_trapezoid(a, t), a=a, t=t)
case("cumulative_trapezoid($a, 2, 0)", scipy.integrate.cumulative_trapezoid(a, dx=2, axis=0), a=a)
# ---- statistics
case("nansum($h, 0)", np.nansum(holes, 0), h=holes)
case("nanmean($h, 0)", np.nanmean(holes, 0), h=holes)
case("count_nonzero($x, 1)", np.count_nonzero(x, 1), x=x)
case("var_mean($a, 1).first", np.var(a, 1, ddof=1), a=a)
case("var_mean($a, 1, 0, true).second", np.mean(a, 1, keepdims=True), a=a)
case("std_mean($a, {0, 1}, 2).first", np.std(a, ddof=2), a=a)
case("aminmax($a, 0).second", a.max(0), a=a)
case("aminmax($a).first", a.min(), a=a)
case("logsumexp($m, {0, 2})", scipy.special.logsumexp(m, (0, 2)), m=m)
case("logsumexp($m, {1, 2}, true)", scipy.special.logsumexp(m, (1, 2), keepdims=True), m=m)
# ---- segments
ids = np.array([2, 0, 2, -1, 5, 0, 2])
def segments(f, init, data, n):
    r = np.full((n,) + data.shape[1:], init, float)
    for i, k in enumerate(ids[:len(data)]):
        if 0 <= k < n: r[k] = f(r[k], data[i])
    return r
z = draw(7, 2)
for data in (w, z):
    case("segment_sum($z, $i, 4)", segments(np.add, 0, data, 4), z=data, i=ids)
    case("segment_prod($z, $i, 4)", segments(np.multiply, 1, data, 4), z=data, i=ids)
    case("segment_max($z, $i, 4)", segments(np.maximum, -np.inf, data, 4), z=data, i=ids)
    case("segment_min($z, $i, 4)", segments(np.minimum, np.inf, data, 4), z=data, i=ids)

print("// Made by tools/references/operations_reference.py with NumPy " + np.__version__ + " and SciPy " + scipy.__version__ + ".")
print("\n".join(out))
