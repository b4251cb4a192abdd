"""Values of jax.random for tests/random_test.cpp.

needs: jax numpy
writes: tests/data/random_reference.npz"""
import os
import sys

import jax
import numpy as np

jax.config.update("jax_threefry_partitionable", True)
jax.config.update("jax_enable_x64", True)
r = jax.random
out = {}
for seed in [0, 42, 2**40 + 7]:
    k, s = r.PRNGKey(seed), f"s{seed}_"
    out[s + "key"] = k
    out[s + "split2"] = r.split(k)
    out[s + "split5"] = r.split(k, 5)
    out[s + "fold_in7"] = r.fold_in(k, 7)
    for bits, t in [(8, "uint8"), (16, "uint16"), (32, "uint32"), (64, "uint64")]:
        out[s + f"bits{bits}"] = r.bits(k, (3, 7), t)
    for f in ["float32", "float64"]:
        out[s + "uniform_" + f] = r.uniform(k, (5, 7), f)
        out[s + "uniform_range_" + f] = r.uniform(k, (33,), f, -2.5, 7.25)
        out[s + "normal_" + f] = r.normal(k, (1000,), f)
        out[s + "exponential_" + f] = r.exponential(k, (40,), f)
        out[s + "gumbel_" + f] = r.gumbel(k, (40,), f)
        out[s + "bernoulli_" + f] = r.bernoulli(k, np.asarray(0.3, f), (50,))
    for t in ["int8", "uint8", "int32", "int64", "uint32"]:
        out[s + "randint_" + t] = r.randint(k, (40,), 3, 100, t)
    out[s + "randint_wide"] = r.randint(k, (40,), -(2**40), 2**45, "int64")
    out[s + "categorical"] = r.categorical(k, np.log(np.arange(1, 13, dtype="f4").reshape(3, 4)), axis=1)
    out[s + "permutation"] = r.permutation(k, 50)
path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../tests/data/random_reference.npz")
np.savez_compressed(path, **{k: np.asarray(v) for k, v in out.items()})
