"""Control flow of JAX, for tests/control_flow_reference_test.cpp. Made with JAX 0.10.2 and NumPy 2.4.6.

A program f of w [3] and x [3] stands as name_value, name_jvp (along tw, tx), name_grad_w and name_grad_x (of sum(cos(1 + i) f_i)),
name_hessian (by x), name_mixed (the derivative by x of the gradient by w), name_vmap and name_vmap_grad_x (w shared, x of each row of xs).
Where JAX has no reverse mode the derivatives are those of forward mode.

needs: jax numpy
writes: tests/data/control_flow_reference.npz"""
import os
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(11)
w, x = rng.uniform(0.4, 1.2, 3), rng.uniform(0.2, 0.9, 3)
xs = np.concatenate([rng.uniform(0.2, 0.9, (2, 3)), rng.uniform(1.0, 1.9, (2, 3))])
tw, tx = rng.standard_normal(3), rng.standard_normal(3)
arrays = dict(w=w, x=x, xs=xs, tw=tw, tx=tx)
programs = {}


def program(reverse=True):
    return lambda f: programs.setdefault(f.__name__, (f, reverse))


def scanned(reverse):
    def f(w, x):
        def step(c, s):
            h, i = c
            n = jnp.tanh(w * h + s) * (1 + 0.1 * i)
            return (n, i + 1), n * h

        (h, _), ys = lax.scan(step, (x, 1), jnp.stack([x, w * x, jnp.sin(w), x - w]), reverse=reverse)
        return h + jnp.sum(ys * jnp.arange(1.0, 5.0)[:, None], 0)

    return f


programs["scan"] = (scanned(False), True)
programs["scan_reverse"] = (scanned(True), True)


@program()
def scan_length(w, x):
    return lax.scan(lambda c, _: (jnp.sin(c) * w + 0.1, c), x, None, length=6)[0]


@program()
def scan_none(w, x):
    c, ys = lax.scan(lambda c, s: (c * s, c), w * x, jnp.zeros((0, 3)))
    return c + jnp.sum(ys)


@program()
def scan_register(w, x):  # what enters reaches the result three steps later
    def step(c, _):
        a, b, d = c
        return (jnp.sin(x), a * w, b * a), d

    c, ys = lax.scan(step, (jnp.ones(3), 2 * jnp.ones(3), 3 * jnp.ones(3)), None, length=5)
    return c[2] + jnp.sum(ys, 0)


@program(reverse=False)
def while_loop(w, x):
    return lax.while_loop(lambda c: jnp.sum(c * c) < 9, lambda c: c * (1.2 + 0.1 * jnp.sin(w * c)), x)


@program(reverse=False)
def while_counted(w, x):
    def body(c):
        i, a, b = c
        return i + 1, a + w * jnp.exp(-b), b * a + 0.1 * i

    i, a, b = lax.while_loop(lambda c: (c[0] < 7) & (c[1][0] < 3), body, (0, x, w))
    return a * b + i


@program()
def fori_loop(w, x):
    return lax.fori_loop(2, 6, lambda i, c: c * w + jnp.cos(i * x), x)


@program()
def cond(w, x):
    return lax.cond(jnp.sum(x) > 2, lambda a, b: a * jnp.sqrt(b - 0.9), lambda a, b: jnp.exp(a) * b, w, x)


@program()
def switch(w, x):
    branches = [lambda a: a * w, lambda a: jnp.sin(a) / w, lambda a: jnp.ones(3), lambda a: w * w * a]
    return lax.switch((x[0] * 3).astype(int) - 1, branches, x)


@program()
def mapped(w, x):
    return jnp.sum(lax.map(lambda a: jnp.sin(a * w) * x, jnp.stack([x, w, x * w, 1 / x, w - x]), batch_size=2), 0)


def composed(reverse):
    def f(w, x):
        a = jnp.stack([w, x, w * x, jnp.sin(x), w - x])
        b = jnp.stack([x, w * w, jnp.cos(w), x / w, x])
        r = lax.associative_scan(lambda f, g: (g[0] * f[0], g[0] * f[1] + g[1]), (a, b), reverse=reverse)
        return jnp.sum(r[1] * jnp.arange(1.0, 6.0)[:, None], 0)

    return f


programs["associative_scan"] = (composed(False), True)
programs["associative_scan_reverse"] = (composed(True), True)


@program()
def checkpoint(w, x):
    def f(a):
        m = jnp.outer(w, a)
        return jnp.sin(jnp.tanh(m @ a)) * checkpoint_name(jnp.exp(a), "e")

    kept = jax.checkpoint(f, policy=jax.checkpoint_policies.dots_saveable)
    return kept(jax.checkpoint(f)(x))


@program()
def custom_root(w, x):  # y^3 + w y = x
    def solve(f, y):
        return lax.fori_loop(0, 60, lambda _, y: y - f(y) / (3 * y * y + lax.stop_gradient(w)), y)

    return lax.custom_root(lambda y: y * y * y + w * y - x, jnp.ones(3), solve, lambda g, y: y / g(jnp.ones(3)))


@program()
def custom_linear_solve(w, x):
    m = jnp.outer(jnp.sin(w), jnp.cos(w)) + 2 * jnp.eye(3)

    def by(a):
        return lambda _, b: jnp.linalg.solve(lax.stop_gradient(a), b)

    return lax.custom_linear_solve(lambda v: m @ v, x * x, by(m), by(m.T))


@program()
def scan_of_cond(w, x):
    def step(c, s):
        return lax.cond(s[0] > 0.5, lambda v: jnp.sqrt(v * v + s), lambda v: w * v - s, c), jnp.sum(c)

    c, ys = lax.scan(step, x, jnp.stack([x, w, 0.3 * x, x * w]))
    return c * jnp.sum(ys)


@program()
def cond_of_scan(w, x):
    def loop(v):
        return lax.scan(lambda c, s: (jnp.sin(c * w) + s, c), v, jnp.stack([v, w]))[0]

    return lax.cond(x[1] > 1, loop, lambda v: v / w, x)


@program(reverse=False)
def while_in_scan(w, x):
    def step(c, s):
        return lax.while_loop(lambda v: jnp.max(v) < 2, lambda v: v * 1.3 + 0.2 * w * s, c * 0.5), s * c

    c, ys = lax.scan(step, x, jnp.stack([w, x, w * x]))
    return c + jnp.sum(ys, 0)


@program()
def scan_of_custom_vjp(w, x):
    @jax.custom_vjp
    def f(a, b):
        return jnp.sin(a) * b

    f.defvjp(lambda a, b: (jnp.sin(a) * b, (a, b)), lambda r, ct: (2 * ct * jnp.cos(r[0]) * r[1], ct * jnp.sin(r[0])))  # twice the slope by a
    return lax.scan(lambda c, s: (f(c, w) + s, None), x, jnp.stack([x, w, x]))[0]


@program()
def checkpointed_scan(w, x):
    inner = jax.checkpoint(lambda c: lax.scan(lambda c, _: (jnp.sin(c * w), None), c, None, length=3)[0])
    return lax.scan(lambda c, _: (inner(c), None), x, None, length=2)[0]


@program()
def vmap_in_scan(w, x):
    def step(c, s):
        return jnp.mean(jax.vmap(lambda a: jnp.tanh(a * c) * w)(jnp.stack([s, c])), 0), s * c

    c, ys = lax.scan(step, x, jnp.stack([w, x]))
    return c + ys[1]


@program()
def grad_in_scan(w, x):
    def step(c, s):
        return c - 0.1 * jax.grad(lambda v: jnp.sum(jnp.sin(v * w) * s))(c), None

    return lax.scan(step, x, jnp.stack([w, x, x * w]))[0]


def loss(f):
    return lambda w, x: jnp.sum(jnp.cos(1.0 + jnp.arange(3)) * f(w, x))


for name, (f, reverse) in programs.items():
    g = jax.grad if reverse else jax.jacfwd
    outer = jax.jacfwd if name != "scan_of_custom_vjp" else jax.jacrev  # custom_vjp has no forward mode in JAX
    emit = lambda kind, v: arrays.__setitem__(f"{name}_{kind}", np.asarray(v, np.float64))
    emit("value", f(w, x))
    if name != "scan_of_custom_vjp":
        emit("jvp", jax.jvp(f, (w, x), (tw, tx))[1])
    emit("grad_w", g(loss(f), 0)(w, x))
    emit("grad_x", g(loss(f), 1)(w, x))
    emit("hessian", outer(g(loss(f), 1), 1)(w, x))
    emit("mixed", outer(g(loss(f), 0), 1)(w, x))
    emit("vmap", jax.vmap(f, (None, 0))(w, xs))
    emit("vmap_grad_w", jax.vmap(g(loss(f), 0), (None, 0))(w, xs))
    emit("vmap_grad_x", jax.vmap(g(loss(f), 1), (None, 0))(w, xs))
out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/data/control_flow_reference.npz")
np.savez_compressed(out, **arrays)
