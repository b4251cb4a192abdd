"""Iterates of SciPy's Krylov solvers, for tests/solvers_test.cpp: x after k steps (gmres: after one cycle of k) with no tolerance.

needs: scipy
writes: tests/data/krylov_reference.inc"""
import numpy as np
import scipy
import scipy.sparse.linalg as sp

n = 6
a = np.sin(1.7 * np.arange(n * n).reshape(n, n)) + (n + 1) * np.eye(n)  # `matrix` of tests/support/dense.h
s = a @ a.T / n  # `spd`
b = np.cos(2.3 * np.arange(n))  # `vector`
x0 = np.cos(2.3 * np.arange(n) + 1)
print(f"// {{method, steps, start given, preconditioner given, x}}, of SciPy {scipy.__version__}")
print("// written by tools/references/krylov_reference.py")
for name, m in [("cg", s), ("bicgstab", a), ("gmres", a)]:
    for k in (1, 2, 3, 4):
        for start in (False, True):
            for pre in (False, True):
                if name == "gmres" and pre:
                    continue  # SciPy preconditions from the left, Functra from the right: other iterates
                how = dict(rtol=0, atol=0, x0=x0 if start else None, M=np.diag(1 / np.diag(m)) if pre else None)
                x, _ = sp.gmres(m, b, restart=k, maxiter=1, **how) if name == "gmres" else getattr(sp, name)(m, b, maxiter=k, **how)
                values = ", ".join(f"{v:.13g}" for v in x)
                print(f'{{"{name}", {k}, {str(start).lower()}, {str(pre).lower()}, {{{values}}}}},')
