"""What the documentation programs of functorch compute, by torch.func on small models: per-sample gradients, Jacobians and Hessians, an
ensemble, a neural tangent kernel. For tests/tutorials_test.cpp.

needs: torch numpy
writes: tests/data/tutorials_reference.npz"""
import os
import sys

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, hessian, jacrev, jvp, stack_module_state, vjp, vmap
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
gen = torch.Generator().manual_seed(0)
out = {}


def draw(*s, scale=1.0):  # few digits, so that the file stays small
    return ((torch.rand(s, generator=gen) * 2 - 1) * scale).mul(64).round().div(64)


def put(key, v):
    out[key] = v.detach().numpy().copy()


def put_state(prefix, m, scale):
    for p in m.parameters():
        p.data = draw(*p.shape, scale=scale)
    for n, v in m.state_dict().items():
        put(f"{prefix}.p.{n}", v)


# ---- per-sample gradients of a convolutional network
class SimpleCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 3, 3, 1), nn.Conv2d(3, 4, 3, 1)
        self.fc1, self.fc2 = nn.Linear(16, 6), nn.Linear(6, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x.flatten(1)))), dim=1)


cnn, images, targets = SimpleCNN(), draw(5, 1, 8, 8), torch.tensor([0, 2, 1, 1, 2])
put_state("per_sample", cnn, 0.5)
put("per_sample.images", images), put("per_sample.targets", targets)
params = {n: p.detach() for n, p in cnn.named_parameters()}
loss = lambda p, x, t: F.nll_loss(functional_call(cnn, p, (x.unsqueeze(0),)), t.unsqueeze(0))
grads = vmap(grad(loss), in_dims=(None, 0, 0))(params, images, targets)
for n, g in grads.items():
    put(f"per_sample.g.{n}", g)
put("per_sample.norms", sum((g.flatten(1) ** 2).sum(1) for g in grads.values()).sqrt())

# ---- Jacobians and Hessians of the page's function
predict = lambda w, b, x: F.linear(x, w, b).tanh()
w, b, xs = draw(5, 4), draw(5), draw(3, 4)
put("jacobians.w", w), put("jacobians.b", b), put("jacobians.x", xs)
put("jacobians.x_jac", vmap(jacrev(predict, argnums=2), in_dims=(None, None, 0))(w, b, xs))
jw, jb = jacrev(predict, argnums=(0, 1))(w, b, xs[0])
put("jacobians.w_jac", jw), put("jacobians.b_jac", jb)
put("jacobians.x_hess", vmap(hessian(predict, argnums=2), in_dims=(None, None, 0))(w, b, xs))
scalar, v = lambda x: predict(w, b, x).sin().sum(), draw(4)
put("jacobians.v", v), put("jacobians.hvp", jvp(grad(scalar), (xs[1],), (v,))[1])


# ---- an ensemble: predictions, gradients
class SimpleMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(9, 5), nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


models, batches, labels = [SimpleMLP() for _ in range(3)], draw(3, 4, 1, 3, 3), torch.tensor([[0, 1, 2, 1], [2, 2, 0, 1], [1, 0, 0, 2]])
for i, m in enumerate(models):
    put_state(f"ensemble{i}", m, 0.7)
put("ensemble.batches", batches), put("ensemble.labels", labels)
params, buffers = stack_module_state(models)
params = {n: p.detach() for n, p in params.items()}
call = lambda p, x: functional_call(models[0], p, (x,))
put("ensemble.own", vmap(call)(params, batches))
put("ensemble.shared", vmap(call, in_dims=(0, None))(params, batches[0]))
for n, g in vmap(grad(lambda p, x, t: F.cross_entropy(call(p, x), t)))(params, batches, labels).items():
    put(f"ensemble.g.{n}", g)


# ---- a neural tangent kernel, by both methods
class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
        self.fc = nn.Linear(12, 2)

    def forward(self, x):
        return self.fc(self.conv3(self.conv2(self.conv1(x).relu()).relu()).flatten(1))


net, x1, x2 = CNN(), draw(3, 1, 8, 8), draw(2, 1, 8, 8)
put_state("ntk", net, 0.5)
put("ntk.x1", x1), put("ntk.x2", x2)
params = {n: p.detach() for n, p in net.named_parameters()}
single = lambda p, x: functional_call(net, p, (x.unsqueeze(0),)).squeeze(0)
jac = lambda x: [j.flatten(2) for j in vmap(jacrev(single), (None, 0))(params, x).values()]
ntk = sum(torch.einsum("Naf,Mbf->NMab", a, b) for a, b in zip(jac(x1), jac(x2)))


def pair(a, b):
    output, pull = vjp(lambda p: single(p, b), params)
    return vmap(lambda e: jvp(lambda p: single(p, a), (params,), pull(e))[1], out_dims=1)(torch.eye(len(output)))


assert torch.allclose(vmap(vmap(pair, (None, 0)), (0, None))(x1, x2), ntk)
put("ntk.full", ntk)

path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../tests/data/tutorials_reference.npz")
np.savez_compressed(path, **out)
