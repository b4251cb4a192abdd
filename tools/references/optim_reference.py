"""Fifty steps of torch.optim's optimisers, and its schedules, for tests/optim_test.cpp: parameters after steps 1, 2, 10 and 50.

needs: torch numpy
writes: tests/data/optim_reference.npz"""
import os
import sys

import numpy as np
import torch
from torch import optim

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
gen = torch.Generator().manual_seed(7)
draw = lambda *s: torch.rand(s, generator=gen).mul(64).round().div(32) - 1
x, y, w0, b0 = draw(16, 3), draw(16, 2), draw(2, 3), draw(2)
out = {"x": x.numpy(), "y": y.numpy(), "w": w0.numpy(), "b": b0.numpy()}


def run(name, make, steps=(1, 2, 10, 50)):
    w, b = w0.clone().requires_grad_(), b0.clone().requires_grad_()
    opt = make([w, b])

    def closure():
        opt.zero_grad()
        loss = (torch.tanh(x @ w.T + b) - y).square().sum() + 0.05 * (w * w).sum().square()
        loss.backward()
        return loss

    for i in range(1, max(steps) + 1):
        if isinstance(opt, optim.LBFGS):
            opt.step(closure)
        else:
            closure()
            opt.step()
        if i in steps:
            out[f"{name}.{i}.w"], out[f"{name}.{i}.b"] = w.detach().numpy().copy(), b.detach().numpy().copy()


run("sgd", lambda p: optim.SGD(p, lr=0.01))
run("sgd_momentum", lambda p: optim.SGD(p, lr=0.005, momentum=0.9, weight_decay=0.1))
run("sgd_dampening", lambda p: optim.SGD(p, lr=0.01, momentum=0.8, dampening=0.3))
run("sgd_nesterov", lambda p: optim.SGD(p, lr=0.005, momentum=0.9, nesterov=True))
run("sgd_maximize", lambda p: optim.SGD(p, lr=0.001, maximize=True))
run("adam", lambda p: optim.Adam(p, lr=0.02))
run("adam_amsgrad", lambda p: optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1, amsgrad=True))
run("adamw", lambda p: optim.AdamW(p, lr=0.02))
run("adamw_amsgrad", lambda p: optim.AdamW(p, lr=0.05, weight_decay=0.3, amsgrad=True, maximize=True))
run("rmsprop", lambda p: optim.RMSprop(p))
run("rmsprop_centered", lambda p: optim.RMSprop(p, lr=0.003, alpha=0.9, momentum=0.5, centered=True, weight_decay=0.1))
run("adagrad", lambda p: optim.Adagrad(p, lr=0.1))
run("adagrad_decay", lambda p: optim.Adagrad(p, lr=0.2, lr_decay=0.05, weight_decay=0.1, initial_accumulator_value=0.2))
run("lbfgs", lambda p: optim.LBFGS(p, lr=0.1, max_iter=2), steps=(1, 2, 10))
run("lbfgs_wolfe", lambda p: optim.LBFGS(p, max_iter=3, history_size=3, line_search_fn="strong_wolfe"), steps=(1, 2, 5))
run("lbfgs_long", lambda p: optim.LBFGS(p, line_search_fn="strong_wolfe"), steps=(1, 2))

g = [draw(2, 3), draw(2)]
for name, p in dict(norm2=2.0, norm1=1.0, norm3=3.0, norm_inf=float("inf")).items():
    for bound in (0.5, 50.0):
        ps = [torch.zeros_like(t) for t in g]
        for q, t in zip(ps, g):
            q.grad = t.clone()
        norm = torch.nn.utils.clip_grad_norm_(ps, bound, p)
        out[f"clip.{name}.{bound}.w"], out[f"clip.{name}.{bound}.b"], out[f"clip.{name}.{bound}.norm"] = ps[0].grad.numpy(), ps[1].grad.numpy(), norm.numpy()
out["clip.w"], out["clip.b"] = g[0].numpy(), g[1].numpy()


def schedule(name, make, n=40, lr=0.3):
    p = torch.zeros(1, requires_grad=True)
    opt = optim.SGD([p], lr=lr)
    s = make(opt)
    values = []
    for _ in range(n):
        values.append(opt.param_groups[0]["lr"])
        opt.step()
        s.step()
    out["schedule." + name] = np.array(values)


S = optim.lr_scheduler
schedule("step", lambda o: S.StepLR(o, 7, gamma=0.4))
schedule("multi_step", lambda o: S.MultiStepLR(o, [3, 10, 10, 25], gamma=0.5))
schedule("exponential", lambda o: S.ExponentialLR(o, 0.9))
schedule("cosine", lambda o: S.CosineAnnealingLR(o, 30, eta_min=0.01), n=31)
schedule("linear", lambda o: S.LinearLR(o))
schedule("linear_long", lambda o: S.LinearLR(o, start_factor=0.1, end_factor=0.7, total_iters=12))
schedule("polynomial", lambda o: S.PolynomialLR(o, total_iters=20, power=2.0))
schedule("warm_restarts", lambda o: S.CosineAnnealingWarmRestarts(o, 8, eta_min=0.02))
schedule("one_cycle", lambda o: S.OneCycleLR(o, max_lr=0.5, total_steps=40), n=40)
schedule("one_cycle_linear", lambda o: S.OneCycleLR(o, max_lr=0.5, total_steps=41, pct_start=0.4, anneal_strategy="linear", three_phase=True, div_factor=10,
                                                    final_div_factor=100), n=41)
schedule("warm_up_cosine", lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.1, total_iters=5), S.CosineAnnealingLR(o, 35)], [5]))

path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../tests/data/optim_reference.npz")
np.savez_compressed(path, **out)
