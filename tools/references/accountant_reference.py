"""Epsilons of Opacus for tests/privacy_test.cpp, and of Google's dp-accounting at integer orders, where it is exact (at fractional
ones it takes the absolute values of an alternating series, which only bounds the divergence).

needs: dp-accounting opacus(alone)   of opacus only the file of formulas is loaded, which needs no torch
writes: tests/data/accountant_reference.inc"""
import importlib.util
import os

import dp_accounting as dp
from dp_accounting.rdp import rdp_privacy_accountant as rdp

root = importlib.util.find_spec("opacus").submodule_search_locations[0]
spec = importlib.util.spec_from_file_location("opacus_rdp", os.path.join(root, "accountants/analysis/rdp.py"))
opacus = importlib.util.module_from_spec(spec)
spec.loader.exec_module(opacus)

INTEGERS = list(range(2, 64)) + [128, 256, 512]
ORDERS = [i / 10 for i in range(11, 110)] + list(range(12, 64)) + [128, 256, 512]
print("// {sampling rate, noise multiplier, steps, delta, epsilon (Opacus), epsilon over integer orders (dp-accounting)}")
print("// written by tools/references/accountant_reference.py")
for q, sigma, steps, delta in [
    (512 / 60000, 0.8, 352, 1e-5), (512 / 60000, 0.8, 703, 1e-5), (512 / 60000, 1.1, 7030, 1e-5), (0.01, 0.5, 100, 1e-5), (0.01, 4.0, 10000, 1e-6),
    (0.001, 1.0, 100000, 1e-7), (0.1, 1.5, 500, 1e-5), (0.3, 5.0, 200, 1e-5), (1.0, 2.0, 1, 1e-5), (1.0, 20.0, 10, 1e-3), (1e-4, 0.7, 10, 1e-5), (0.2, 0.9, 1, 1e-9),
]:
    spent, _ = opacus.get_privacy_spent(orders=ORDERS, rdp=opacus.compute_rdp(q=q, noise_multiplier=sigma, steps=steps, orders=ORDERS), delta=delta)
    a = rdp.RdpAccountant(INTEGERS, dp.NeighboringRelation.ADD_OR_REMOVE_ONE)
    event = dp.GaussianDpEvent(sigma)
    a.compose(dp.PoissonSampledDpEvent(q, event) if q < 1 else event, steps)
    print(f"{{{q!r}, {sigma!r}, {steps}, {delta!r}, {float(spent)!r}, {float(a.get_epsilon(delta))!r}}},")
