"""Layers, losses and initialisers of torch.nn for tests/nn_layers_test.cpp: state, input, output, and gradients for a cotangent.

needs: torch numpy
writes: tests/data/nn_reference.npz"""
import os
import sys
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
warnings.filterwarnings("ignore", message="reduction: 'mean' divides")
gen = torch.Generator().manual_seed(0)
out = {}


def draw(*s, lo=-1.0, hi=1.0):  # few digits, so that the file stays small
    return (torch.rand(s, generator=gen) * (hi - lo) + lo).mul(64).round().div(64)


def put(key, v):
    out[key] = v.detach().numpy().copy()


def layer(name, m, *xs, call=None):
    """NAME.p.*: state before; .x0 ..: inputs; .y0 ..: outputs; .c0 ..: cotangents; .gp.*, .gx0 ..: gradients; .a.*: buffers after."""
    for p in m.parameters():
        p.data = draw(*p.shape)
    for n, b in m.named_buffers():
        if b.dtype.is_floating_point:
            b.copy_(draw(*b.shape, lo=0.5))
    for n, v in m.state_dict().items():
        put(f"{name}.p.{n}", v)
    xs = [x.requires_grad_() if x.dtype.is_floating_point else x for x in xs]
    ys = call(m, *xs) if call else m(*xs)
    ys = [ys] if torch.is_tensor(ys) else list(ys)
    total = 0
    for i, y in enumerate(ys):
        c = draw(*y.shape)
        put(f"{name}.c{i}", c), put(f"{name}.y{i}", y)
        total = total + (c * y).sum()
    total.backward()
    for i, x in enumerate(xs):
        put(f"{name}.x{i}", x)
        if x.dtype.is_floating_point:
            put(f"{name}.gx{i}", x.grad)
    for n, p in m.named_parameters():
        if p.grad is not None:
            put(f"{name}.gp.{n}", p.grad)
    for n, b in m.named_buffers():
        put(f"{name}.a.{n}", b)


def function(name, f, *xs):
    class Module(nn.Module):
        def forward(self, *a):
            return f(*a)

    layer(name, Module(), *xs)


# ---- linear maps and tables
layer("linear", nn.Linear(3, 4), draw(2, 3))
layer("linear_no_bias", nn.Linear(3, 2, bias=False), draw(2, 2, 3))
layer("embedding", nn.Embedding(5, 3), torch.tensor([[0, 4], [4, 2]]))
layer("embedding_padding", nn.Embedding(5, 3, padding_idx=4), torch.tensor([0, 4, 4, 2]))

# ---- convolutions
layer("conv1d", nn.Conv1d(2, 3, 3, stride=2, padding=1), draw(2, 2, 7))
layer("conv2d", nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2), draw(2, 2, 6, 5))
layer("conv2d_no_bias", nn.Conv2d(1, 2, 2, bias=False), draw(1, 3, 3))
layer("conv3d", nn.Conv3d(1, 2, 2, padding=1), draw(1, 1, 3, 2, 3))
layer("conv_transpose1d", nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1, output_padding=1), draw(2, 2, 4))
layer("conv_transpose2d", nn.ConvTranspose2d(4, 2, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(0, 2), groups=2, dilation=(2, 1)), draw(2, 4, 3, 2))
layer("conv_transpose3d", nn.ConvTranspose3d(1, 2, 2, stride=2, bias=False), draw(1, 1, 2, 1, 2))

# ---- normalisation
layer("batch_norm1d", nn.BatchNorm1d(3), draw(4, 3))
layer("batch_norm1d_3", nn.BatchNorm1d(3, eps=1e-3, momentum=0.3), draw(2, 3, 4))
layer("batch_norm2d", nn.BatchNorm2d(2, momentum=None), draw(2, 2, 3, 2))
layer("batch_norm2d_plain", nn.BatchNorm2d(2, affine=False, track_running_stats=False).eval(), draw(2, 2, 3, 2))
layer("batch_norm3d", nn.BatchNorm3d(2), draw(2, 2, 2, 1, 3))
layer("batch_norm2d_eval", nn.BatchNorm2d(2).eval(), draw(2, 2, 3, 2))
layer("instance_norm1d", nn.InstanceNorm1d(3, affine=True), draw(2, 3, 4))
layer("instance_norm2d", nn.InstanceNorm2d(2), draw(2, 3, 2))
layer("instance_norm3d", nn.InstanceNorm3d(2, affine=True), draw(1, 2, 2, 2, 1))
layer("layer_norm", nn.LayerNorm(4), draw(2, 3, 4))
layer("layer_norm2", nn.LayerNorm((3, 4), bias=False), draw(2, 3, 4))
layer("group_norm", nn.GroupNorm(2, 4), draw(2, 4, 3))
layer("rms_norm", nn.RMSNorm(4), draw(3, 4))
layer("rms_norm_eps", nn.RMSNorm((2, 4), eps=0.1), draw(3, 2, 4))

# ---- pooling
layer("max_pool1d", nn.MaxPool1d(3, stride=2, padding=1), draw(2, 2, 7))
layer("max_pool2d", nn.MaxPool2d(2, dilation=2), draw(2, 2, 5, 6))
layer("max_pool3d", nn.MaxPool3d(2, stride=1), draw(1, 2, 3, 3, 2))
layer("avg_pool1d", nn.AvgPool1d(3, stride=1, padding=1), draw(2, 2, 4))
layer("avg_pool2d", nn.AvgPool2d((2, 3), stride=2, padding=1, count_include_pad=False), draw(2, 2, 5, 6))
layer("avg_pool3d", nn.AvgPool3d(2), draw(1, 4, 2, 2))
layer("adaptive_avg_pool1d", nn.AdaptiveAvgPool1d(3), draw(2, 2, 7))
layer("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d((2, 3)), draw(2, 2, 5, 7))
layer("adaptive_avg_pool3d", nn.AdaptiveAvgPool3d(1), draw(2, 2, 2, 3, 2))

# ---- recurrent layers
layer("rnn", nn.RNN(3, 2), draw(4, 2, 3), draw(1, 2, 2))
layer("rnn_relu", nn.RNN(3, 2, nonlinearity="relu", batch_first=True, bias=False), draw(2, 4, 3))
layer("rnn_layers", nn.RNN(3, 2, num_layers=2, bidirectional=True), draw(3, 2, 3), draw(4, 2, 2))
layer("lstm", nn.LSTM(3, 2), draw(4, 2, 3), call=lambda m, x: (lambda y, s: (y, *s))(*m(x)))
layer("lstm_layers", nn.LSTM(3, 2, num_layers=2, bidirectional=True, batch_first=True), draw(2, 3, 3), draw(4, 2, 2), draw(4, 2, 2),
      call=lambda m, x, h, c: (lambda y, s: (y, *s))(*m(x, (h, c))))
layer("gru", nn.GRU(3, 2), draw(4, 2, 3), draw(1, 2, 2))
layer("gru_unbatched", nn.GRU(3, 2, num_layers=2), draw(4, 3))

# ---- attention: batch first; no weights
attention = lambda **k: (lambda m, q, *kv: m(q, *(kv or (q, q)), need_weights=False, **k)[0])
layer("attention", nn.MultiheadAttention(4, 2, batch_first=True), draw(2, 3, 4), call=attention())
layer("attention_cross", nn.MultiheadAttention(4, 2, kdim=3, vdim=5, bias=False, batch_first=True), draw(2, 3, 4), draw(2, 2, 3), draw(2, 2, 5),
      call=attention())
layer("attention_causal", nn.MultiheadAttention(4, 2), draw(3, 2, 4), call=attention(is_causal=True, attn_mask=nn.Transformer.generate_square_subsequent_mask(3)))
layer("attention_mask", nn.MultiheadAttention(4, 2, batch_first=True), draw(2, 3, 4),
      call=attention(attn_mask=torch.tensor([[False, True, False], [False, False, True], [False, False, False]]),
                     key_padding_mask=torch.tensor([[False, False, True], [False, False, False]])))
layer("attention_float_mask", nn.MultiheadAttention(4, 1, batch_first=True), draw(3, 4), call=attention(attn_mask=torch.arange(9.0).reshape(3, 3) / 8))
layer("attention_weights", nn.MultiheadAttention(4, 2, batch_first=True), draw(2, 3, 4), call=lambda m, x: m(x, x, x))

# ---- activations; the points avoid kinks
x = draw(2, 9, lo=-4, hi=4) + 0.007
for name, f in dict(
        relu=F.relu, relu6=F.relu6, leaky_relu=F.leaky_relu, elu=F.elu, selu=F.selu, celu=lambda v: F.celu(v, 0.7), gelu=F.gelu,
        gelu_tanh=lambda v: F.gelu(v, approximate="tanh"), silu=F.silu, mish=F.mish, softplus=F.softplus, softplus_beta=lambda v: F.softplus(v, 2.0, 3.0),
        softsign=F.softsign, tanhshrink=F.tanhshrink, softshrink=F.softshrink, hardshrink=F.hardshrink, hardtanh=F.hardtanh,
        hardsigmoid=F.hardsigmoid, hardswish=F.hardswish, logsigmoid=F.logsigmoid, sigmoid=torch.sigmoid, tanh=torch.tanh,
        threshold=lambda v: F.threshold(v, 0.5, -2.0), softmin=lambda v: F.softmin(v, -1), softmax=lambda v: F.softmax(v, 0),
        log_softmax=lambda v: F.log_softmax(v, 1)).items():
    function("act_" + name, f, x.clone())
function("act_glu", F.glu, draw(3, 4))
layer("prelu", nn.PReLU(3), draw(2, 3, 4) + 0.007)

# ---- losses, each with reductions mean, sum, none
logits, classes = draw(4, 3, lo=-3, hi=3), torch.tensor([0, 2, 1, 2])
images, pixels = draw(2, 3, 2, 2, lo=-3, hi=3), torch.tensor([[[0, 2], [1, -100]], [[2, 2], [0, 1]]])
w3, prob = torch.tensor([0.5, 2.0, 1.25]), torch.softmax(draw(4, 3), 1)
a, b, c = draw(4, 3), draw(4, 3) + 0.007, draw(4, 3)
sign, y01 = torch.tensor([1.0, -1.0, -1.0, 1.0]), draw(4, 3, lo=0, hi=1)
p01 = draw(4, 3, lo=0.1, hi=0.9)
put("target_unit", y01)
for r in ["mean", "sum", "none"]:
    k = dict(reduction=r)
    function(f"cross_entropy_{r}", lambda l: F.cross_entropy(l, classes, **k), logits.clone())
    function(f"cross_entropy_smooth_{r}", lambda l: F.cross_entropy(l, classes, w3, label_smoothing=0.1, ignore_index=1, **k), logits.clone())
    function(f"cross_entropy_images_{r}", lambda l: F.cross_entropy(l, pixels, w3, **k), images.clone())
    function(f"cross_entropy_soft_{r}", lambda l, t: F.cross_entropy(l, t, w3, label_smoothing=0.2, **k), logits.clone(), prob.clone())
    function(f"nll_{r}", lambda l: F.nll_loss(l, classes, w3, ignore_index=2, **k), logits.clone())
    function(f"mse_{r}", lambda u, v: F.mse_loss(u, v, **k), a.clone(), b.clone())
    function(f"l1_{r}", lambda u, v: F.l1_loss(u, v, **k), a.clone(), b.clone())
    function(f"smooth_l1_{r}", lambda u, v: F.smooth_l1_loss(u, v, beta=0.5, **k), a.clone(), b.clone())
    function(f"huber_{r}", lambda u, v: F.huber_loss(u, v, delta=0.4, **k), a.clone(), b.clone())
    function(f"bce_{r}", lambda u: F.binary_cross_entropy(u, y01, **k), p01.clone())
    function(f"bce_logits_{r}", lambda u: F.binary_cross_entropy_with_logits(u, y01, weight=w3, pos_weight=w3, **k), logits.clone())
    function(f"kl_{r}", lambda u, v: F.kl_div(u, v, **k), a.clone(), prob.clone())
    function(f"kl_log_{r}", lambda u, v: F.kl_div(u, v, log_target=True, **k), a.clone(), b.clone())
    function(f"hinge_embedding_{r}", lambda u: F.hinge_embedding_loss(u, sign[:, None].expand(4, 3), margin=0.6, **k), b.clone())
    function(f"cosine_embedding_{r}", lambda u, v: F.cosine_embedding_loss(u, v, sign, margin=-0.2, **k), a.clone(), b.clone())
    function(f"margin_ranking_{r}", lambda u, v: F.margin_ranking_loss(u, v, sign[:, None], margin=0.3, **k), a.clone(), b.clone())
    function(f"triplet_{r}", lambda u, v, w: F.triplet_margin_loss(u, v, w, margin=0.8, **k), a.clone(), b.clone(), c.clone())
    function(f"triplet_swap_{r}", lambda u, v, w: F.triplet_margin_loss(u, v, w, margin=2.0, swap=True, **k), a.clone(), b.clone(), c.clone())
    function(f"soft_margin_{r}", lambda u: F.soft_margin_loss(u, sign[:, None].expand(4, 3), **k), a.clone())
    function(f"poisson_nll_{r}", lambda u: F.poisson_nll_loss(u, y01, **k), a.clone())
    function(f"poisson_nll_rate_{r}", lambda u: F.poisson_nll_loss(u, y01, log_input=False, **k), p01.clone())
    function(f"gaussian_nll_{r}", lambda u, v: F.gaussian_nll_loss(u, y01, v, **k), a.clone(), p01.clone())
function("kl_batchmean", lambda u, v: F.kl_div(u, v, reduction="batchmean"), a.clone(), prob.clone())
function("cosine_similarity", lambda u, v: F.cosine_similarity(u, v), a.clone(), b.clone())
function("pairwise_distance", lambda u, v: F.pairwise_distance(u, v), a.clone(), b.clone())
function("normalize", lambda u: F.normalize(u), a.clone())

# ---- initialisers: deviation and largest magnitude of many draws
torch.manual_seed(1)
for name, m in dict(linear=nn.Linear(400, 500), conv2d=nn.Conv2d(40, 50, 5, groups=2), conv_transpose2d=nn.ConvTranspose2d(40, 60, 5, groups=2),
                    embedding=nn.Embedding(400, 500), lstm=nn.LSTM(100, 200), attention=nn.MultiheadAttention(256, 4)).items():
    for n, p in m.named_parameters():
        out[f"init_{name}.{n}"] = np.array([p.std(correction=0).item(), p.abs().max().item()])
for name in ["xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"]:
    p = getattr(nn.init, name + "_")(torch.empty(300, 40, 5))
    out["init_" + name] = np.array([p.std(correction=0).item(), p.abs().max().item()])

path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../tests/data/nn_reference.npz")
np.savez_compressed(path, **out)
