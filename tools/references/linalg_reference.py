"""Linear algebra of SciPy and NumPy, gradients and Hessians of JAX, for tests/linalg_test.cpp. Made with SciPy 1.17.1, NumPy 2.4.6 and
JAX 0.10.2.

A function f of a matrix stands as name_value, name_grad (of sum(weights * f)) and, for n = 3, name_hessian; names end in the number of
rows.

needs: jax scipy numpy
writes: tests/data/linalg_reference.npz"""
import os
import sys

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg as sl

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(5)
arrays = {}


def emit(name, x):
    arrays[name] = np.asarray(x, dtype=np.float64)


def weights(shape):
    return np.cos(1.0 + np.arange(int(np.prod(shape)))).reshape(shape)


def derivatives(name, f, a, second):
    def loss(x):
        y = f(x)
        return jnp.sum(weights(y.shape) * y)

    emit(f"{name}_grad", jax.grad(loss)(a))
    if second:
        emit(f"{name}_hessian", jax.hessian(loss)(a))


for n in (1, 3, 5, 20):
    second = n == 3
    a, g = rng.standard_normal((n, n)), rng.standard_normal((n, n))
    spd, b = g @ g.T + 0.5 * np.eye(n), rng.standard_normal((n, 2))
    emit(f"a{n}", a)
    emit(f"spd{n}", spd)
    emit(f"b{n}", b)
    lower = np.tril(a) + 2 * np.eye(n)  # regular triangles
    emit(f"triangle{n}", lower)

    emit(f"cholesky{n}_value", sl.cholesky(spd, lower=True))
    derivatives(f"cholesky{n}", jnp.linalg.cholesky, spd, second)
    lu, piv = sl.lu_factor(a)
    emit(f"lu_factor{n}_value", lu)
    emit(f"pivots{n}", piv + 1)
    derivatives(f"lu_factor{n}", lambda x: jax.scipy.linalg.lu_factor(x)[0], a, second)
    p, l, u = sl.lu(a)
    emit(f"P{n}", p)
    emit(f"L{n}", l)
    emit(f"U{n}", u)
    emit(f"solve{n}_value", sl.solve(a, b))
    derivatives(f"solve{n}", lambda x: jnp.linalg.solve(x, b), a, second)
    emit(f"solve_right{n}_value", sl.solve(a.T, b).T)
    emit(f"cholesky_solve{n}_value", sl.cho_solve((sl.cholesky(spd, lower=True), True), b))
    derivatives(f"cholesky_solve{n}", lambda x: jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(x), True), b), spd, second)
    emit(f"inv{n}_value", sl.inv(a))
    derivatives(f"inv{n}", jnp.linalg.inv, a, second)
    emit(f"det{n}_value", np.linalg.det(a))
    derivatives(f"det{n}", jnp.linalg.det, a, second)
    sign, logdet = np.linalg.slogdet(a)
    emit(f"sign{n}", sign)
    emit(f"slogdet{n}_value", logdet)
    derivatives(f"slogdet{n}", lambda x: jnp.linalg.slogdet(x)[1], a, second)
    for name, trans, unit in (("triangular", 0, False), ("triangular_t", 1, False), ("triangular_unit", 0, True)):
        emit(f"{name}{n}_value", sl.solve_triangular(lower, b, lower=True, trans=trans, unit_diagonal=unit))
        derivatives(f"{name}{n}", lambda x: jax.scipy.linalg.solve_triangular(x, b, lower=True, trans=trans, unit_diagonal=unit), lower, second)

# Rectangular factors.
for m, n in ((3, 5), (5, 3)):
    r = rng.standard_normal((m, n))
    emit(f"rectangular{m}{n}", r)
    lu, piv = sl.lu_factor(r)
    emit(f"lu_factor{m}{n}_value", lu)
    emit(f"pivots{m}{n}", piv + 1)
    derivatives(f"lu_factor{m}{n}", lambda x: jax.scipy.linalg.lu_factor(x)[0], r, False)
    for name, value in zip("PLU", sl.lu(r)):
        emit(f"{name}{m}{n}", value)

path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../tests/data/linalg_reference.npz")
np.savez_compressed(path, **arrays)
