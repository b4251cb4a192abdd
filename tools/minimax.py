#!/usr/bin/env python3
"""Minimax polynomials of functra/base/num_*-inl.h: prints each table with its relative error. Needs mpmath.

fit(f, w, a, b, n): the n coefficients c of least max |w(x) (f(x) - sum c_i x^i)| on [a, b] (Remez exchange); w turns the error
of the polynomial into the relative error of the function it serves. Coefficients are rounded from the lowest up, refitting the
rest, so that rounding costs little."""
import sys
import numpy as np
from mpmath import mp, mpf, matrix, lu_solve, cos, sin, tan, pi, exp, expm1, log, sqrt, atan, asin, atanh, erf, erfc, sinh, log1p, erfinv, cbrt, nstr

mp.dps = 50


def remez(f, w, a, b, n, rounds=12):
    xs = [(a + b) / 2 + (b - a) / 2 * cos(pi * (n - i) / n) for i in range(n + 1)]
    grid = [(a + b) / 2 + (b - a) / 2 * cos(pi * mpf(i) / (24 * n)) for i in range(24 * n, -1, -1)]
    fg = [(f(x), w(x)) for x in grid]
    for _ in range(rounds):
        m, r = matrix(n + 1, n + 1), matrix(n + 1, 1)
        for i, x in enumerate(xs):
            for j in range(n):
                m[i, j] = x**j
            m[i, n] = (-1) ** i / w(x)
            r[i] = f(x)
        c = lu_solve(m, r)
        err = [wx * (fx - mp.polyval([c[j] for j in range(n - 1, -1, -1)], x)) for x, (fx, wx) in zip(grid, fg)]
        ext, i = [], 0
        while i < len(err):
            j = i
            while j + 1 < len(err) and (err[j + 1] > 0) == (err[i] > 0):
                j += 1
            ext.append(max(range(i, j + 1), key=lambda k: abs(err[k])))
            i = j + 1
        while len(ext) > n + 1:
            ext.pop(0 if abs(err[ext[0]]) < abs(err[ext[-1]]) else -1)
        if len(ext) < n + 1:
            break
        xs = [grid[k] for k in ext]
    return [c[j] for j in range(n)], max(map(abs, err))


def fit(name, f, w, a, b, n, bits=53):
    mp.dps = 100
    a, b = mpf(a), mpf(b)
    eps = (b - a) * mpf(10) ** -25
    fx = lambda x: f(x if abs(x) > eps else eps)
    wx = lambda x: w(x if abs(x) > eps else eps)
    rnd = (lambda v: mpf(float(v))) if bits == 53 else (lambda v: mpf(float(np.float32(float(v)))))
    c, e = remez(fx, wx, a, b, n)
    done = []
    for k in range(n - 1):  # fix c_k, refit (f - fixed) / x^(k+1)
        if a < 0 or n > 9 or name.startswith("erf"):  # the refit would be ill-conditioned
            done = [rnd(v) for v in c]
            break
        done.append(rnd(c[0]))
        fixed = list(done)
        g = lambda x, fixed=fixed: (fx(x) - mp.polyval(fixed[::-1], x)) / (x if abs(x) > eps else eps) ** len(fixed)
        h = lambda x, k=len(fixed): wx(x) * (x if abs(x) > eps else eps) ** k
        if n - len(done) >= 1:
            try:
                c, _ = remez(g, h, a if a > 0 else eps * 1000, b, n - len(done), 6)
            except ZeroDivisionError:
                done += [rnd(v) for v in c[1:]]
                break
    while len(done) < n:
        done.append(rnd(c[len(done) - n]))
    xs = [a + (b - a) * mpf(i) / 997 for i in range(998)]
    worst = max(abs(wx(x) * (fx(x) - mp.polyval(done[::-1], x))) for x in xs)
    print(f"// {name}: 2^{float(log(worst, 2)):.1f}")
    fmt = lambda v: float(v).hex() if bits == 53 else float(v).hex() + "f"
    print("{" + ", ".join(repr(float(v)) for v in done) + "},", flush=True)


S = lambda z: (sin(sqrt(z)) - sqrt(z)) / (z * sqrt(z))
C = lambda z: (cos(sqrt(z)) - 1 + z / 2) / (z * z)
J = {}
J["sin"] = lambda: [fit(f"sin, |r| <= pi/2, {b} bits", S, lambda z: z * sqrt(z) / sin(sqrt(z)), 0, mpf("1.5709") ** 2, n, b) for b, n in ((53, 8), (53, 9), (24, 4), (24, 5))]
J["tan"] = lambda: [fit(f"{k}, |r| <= pi/4, {b} bits", f, w, 0, mpf("0.7855") ** 2, n, b)
                    for b, n in ((53, 6), (24, 3)) for k, f, w in (("sin", S, lambda z: z * sqrt(z) / sin(sqrt(z))), ("cos", C, lambda z: z * z / cos(sqrt(z))))]
J["exp"] = lambda: [fit(f"exp(r) = 1 + r + r^2 Q, {b} bits", lambda r: (expm1(r) - r) / r**2, lambda r: r**2 / expm1(r), mpf("-0.34658"), mpf("0.34658"), n, b)
                    for b, n in ((53, 10), (53, 11), (24, 5), (24, 6))]
J["log"] = lambda: [fit(f"log((1+s)/(1-s)) = 2 s + s z L(z), {b} bits", lambda z: (2 * atanh(sqrt(z)) / sqrt(z) - 2) / z, lambda z: z * sqrt(z) / (2 * atanh(sqrt(z))), 0, mpf("0.029438"), n, b)
                    for b, n in ((53, 7), (24, 3), (24, 4))]
J["log_whole"] = lambda: [fit("log(1 + f) = f - f^2 / 2 + f^3 P(f), 24 bits", lambda f: (log1p(f) - f + f * f / 2) / f**3, lambda f: abs(f**3 / log1p(f)), sqrt(mpf("0.5")) - 1, sqrt(mpf(2)) - 1, n, 24) for n in (8, 9)]
J["powlog"] = lambda: [fit("2 atanh(s) = 2 s + 2/3 s^3 + s^5 P(z)", lambda z: (2 * atanh(sqrt(z)) / sqrt(z) - 2 - 2 * z / 3) / z**2, lambda z: z**2 * sqrt(z) / (2 * atanh(sqrt(z))), 0, mpf("0.029438"), n) for n in (8, 9)]
J["atan"] = lambda: [fit(f"atan(t) = t + t z P(z), {b} bits", lambda z: (atan(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z * sqrt(z) / atan(sqrt(z)), 0, mpf("0.171574"), n, b) for b, n in ((53, 11), (53, 12), (24, 4), (24, 5))]
J["asin"] = lambda: [fit(f"asin(t) = t + t z P(z), {b} bits", lambda z: (asin(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z * sqrt(z) / asin(sqrt(z)), 0, mpf("0.25"), n, b) for b, n in ((53, 12), (53, 13), (24, 5), (24, 6))]
J["sinh"] = lambda: [fit(f"sinh(t) = t + t z P(z), {b} bits", lambda z: (sinh(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z * sqrt(z) / sinh(sqrt(z)), 0, 1, n, b) for b, n in ((53, 7), (53, 8), (24, 3), (24, 4))]
tail = lambda t: 4 * (1 + t) / (1 - t)  # t = (x - 4) / (x + 4)
erfcx = lambda x: exp(x * x) * erfc(x)
J["erf"] = lambda: [fit(f"erf(x) = x + x P(z), |x| <= 1, {b} bits", lambda z: erf(sqrt(z)) / sqrt(z) - 1, lambda z: sqrt(z) / erf(sqrt(z)), 0, 1, n, b) for b, n in ((53, 12), (53, 13), (24, 6), (24, 7))]
J["erf_far"] = lambda: [fit(f"erf(x) = 1 - exp(-x^2) P(x - 2), x in [1, {hi}], {b} bits, absolute", lambda t: erfcx(t + 2), lambda t: exp(-((t + 2) ** 2)), -1, mpf(hi) - 2, n, b)
                        for b, n, hi in ((53, 21, "5.95"), (53, 22, "5.95"), (24, 8, "4"), (24, 9, "4"))]
J["erfc"] = lambda: [fit(f"(1 + 2 x) exp(x^2) erfc(x) = P(t), x in [0.5, {hi}], {b} bits", lambda t: (1 + 2 * tail(t)) * erfcx(tail(t)), lambda t: 1 / ((1 + 2 * tail(t)) * erfcx(tail(t))),
                         (mpf("0.499") - 4) / mpf("4.499"), (mpf(hi) - 4) / (mpf(hi) + 4), n, b) for b, n, hi in ((53, 20, "27.3"), (53, 22, "27.3"), (24, 9, "10.6"), (24, 10, "10.6"))]
ei = lambda w: sqrt(pi) / 2 * (1 + pi / 12 * w) if w < mpf(10) ** -20 else erfinv(sqrt(-expm1(-w))) / sqrt(-expm1(-w))  # w = -log(1 - x^2)
J["erfinv"] = lambda: [fit(f"erfinv(x) / x = P(w - 3), w <= 6.3", lambda t: ei(t + 3), lambda t: 1 / ei(t + 3), -3, mpf("3.3"), n) for n in (11, 13)] + [
    fit(f"erfinv(x) / x = P(sqrt(w) - 4), w in [6.2, 37]", lambda t: ei((t + 4) ** 2), lambda t: 1 / ei((t + 4) ** 2), mpf("-1.51"), mpf("2.1"), n) for n in (9, 11)] + [
    fit(f"erfinv(x) / x = P(sqrt(w) - 3.25), w in [6.2, 17]", lambda t: ei((t + 3.25) ** 2), lambda t: 1 / ei((t + 3.25) ** 2), mpf("-0.76"), mpf("0.88"), n) for n in (8, 9)]
if __name__ == "__main__":
    for k in sys.argv[1:] or J:
        J[k]()
