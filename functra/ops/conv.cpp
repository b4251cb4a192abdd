#include "functra/ops/conv.h"

#include "functra/ops/checked.h"
#include "functra/ops/elementwise.h"
#include "functra/ops/factories.h"
#include "functra/ops/linear.h"
#include "functra/ops/reduction.h"
#include "functra/ops/shape.h"
#include "functra/prims/conv.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"
#include "functra/prims/window.h"

namespace functra {
namespace {

using core::Site;

Shape each(const Shape& s, std::size_t n, const char* who, const char* what) {
  if (s.size() == n) return s;
  if (s.size() == 1) return Shape::filled(n, s[0]);
  throw ShapeError(std::string(who) + ": " + what + " " + s.str() + " needs one entry or " + std::to_string(n));
}
Shape or_filled(const Shape& s, std::size_t n, std::int64_t v) { return s.empty() ? Shape::filled(n, v) : s; }

// x with a dimension of examples: [C, spatial...] becomes [1, C, spatial...].
Tensor with_examples(const Tensor& x, std::size_t n, const char* who) {
  auto rank = static_cast<std::size_t>(x.dim());
  if (rank == n + 2) return x;
  if (rank == n + 1) return prims::reshape(x, x.sizes().with(0, 1));
  throw ShapeError(std::string(who) + ": x has shape " + x.sizes().str() + "; it is [N, C, spatial...] or [C, spatial...] with " + std::to_string(n) +
                   " spatial dimensions");
}
Tensor like_given(const Tensor& y, const Tensor& x, std::size_t n) {
  return static_cast<std::size_t>(x.dim()) == n + 1 ? prims::reshape(y, y.sizes().without(0)) : y;
}

// The last n extents: a window must lie somewhere in the padded input.
void fits(const Shape& x, const Shape& window, const Shape& pad, const Shape& dilation, std::size_t n, const char* who) {
  for (std::size_t i = 0; i < n; ++i) {
    std::int64_t have = x[x.size() - n + i], size = window[window.size() - n + i];
    if (pad[i] < 0) throw ValueError(std::string(who) + ": padding " + pad.str() + " must not be negative");
    if (have + 2 * pad[i] < dilation[i] * (size - 1) + 1)
      throw ShapeError(std::string(who) + ": a window of " + std::to_string(size) +
                       (dilation[i] > 1 ? " dilated by " + std::to_string(dilation[i]) : "") + " does not fit an extent of " + std::to_string(have) +
                       " padded by " + std::to_string(pad[i]) + ", in x of shape " + x.str());
  }
}

Tensor with_bias(Tensor y, const Tensor& bias, const Tensor& x, std::size_t n, const char* who) {
  if (bias.defined()) {
    Shape s = y.sizes();
    if (bias.dim() != 1 || bias.size(0) != s[1])
      throw ShapeError(std::string(who) + ": bias has shape " + bias.sizes().str() + ", the result " + std::to_string(s[1]) + " channels");
    y = core::add(y, core::broadcast_in_dim(core::convert(bias, y.dtype()), s, {1}));
  }
  return like_given(y, x, n);
}

Tensor conv(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& dilation,
            std::int64_t groups, std::size_t n, const char* who) {
  Tensor a = x, b = w;
  ops::promote(a, b, who);
  Shape pad = each(padding, n, who, "padding"), dilate = each(dilation, n, who, "dilation");
  a = with_examples(a, n, who);
  if (static_cast<std::size_t>(b.dim()) == n + 2) fits(a.sizes(), b.sizes(), pad, dilate, n, who);
  Tensor y = prims::conv_general_dilated(a, b, {each(stride, n, who, "stride"), pad, pad, Shape::filled(n, 1), dilate, groups});
  return with_bias(y, bias, x, n, who);
}

// As the gradient of conv by its input: strides become gaps in x, and the kernel is turned over with its channels exchanged.
Tensor conv_transpose(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& output_padding,
                      std::int64_t groups, const Shape& dilation, std::size_t n, const char* who) {
  Tensor a = x, b = w;
  ops::promote(a, b, who);
  Shape step = each(stride, n, who, "stride"), pad = each(padding, n, who, "padding"), extra = each(output_padding, n, who, "output_padding"),
        dilate = each(dilation, n, who, "dilation");
  a = with_examples(a, n, who);
  Shape k = b.sizes();
  if (k.size() != n + 2 || groups < 1 || k[0] % groups || a.size(1) != k[0])
    throw ShapeError(std::string(who) + ": weight has shape " + k.str() + "; it is [C, O / groups, spatial...] with " + std::to_string(n) +
                     " spatial dimensions, for x " + a.sizes().str() + " and " + std::to_string(groups) + (groups == 1 ? " group" : " groups"));
  Shape split{groups, k[0] / groups}, exchanged{0, 2, 1}, turned{groups * k[1], k[0] / groups}, low, high;
  for (std::size_t i = 0; i < n; ++i) {
    std::int64_t reach = dilate[i] * (k[i + 2] - 1);
    if (step[i] < 1 || dilate[i] < 1 || pad[i] < 0)
      throw ValueError(std::string(who) + ": strides and dilations are at least 1, paddings at least 0");
    if (extra[i] < 0 || (extra[i] >= step[i] && extra[i] >= dilate[i]))
      throw ValueError(std::string(who) + ": output_padding " + extra.str() + " must be smaller than stride " + step.str() + " or dilation " +
                       dilate.str());
    if (step[i] * (a.size(static_cast<std::int64_t>(i) + 2) - 1) + reach + extra[i] + 1 - 2 * pad[i] < 1)
      throw ShapeError(std::string(who) + ": nothing is left of x " + a.sizes().str() + " by padding " + pad.str());
    low.push_back(reach - pad[i]);
    high.push_back(reach - pad[i] + extra[i]);
    turned.push_back(k[i + 2]);
    exchanged.push_back(static_cast<std::int64_t>(i) + 3);
  }
  split = split.concat(k.pick(Shape::iota(n + 1, 1)));
  b = prims::rev(prims::reshape(core::permute(prims::reshape(b, split), exchanged), turned), Shape::iota(n, 2));
  Tensor y = prims::conv_general_dilated(a, b, {Shape::filled(n, 1), low, high, step, dilate, groups});
  return with_bias(y, bias, x, n, who);
}

struct Pool {
  Tensor x;
  prims::WindowParams p;
  std::size_t n;
};
Pool pool(const Tensor& x, const Shape& window, const Shape& stride, const Shape& padding, const Shape& dilation, std::size_t n, const char* who) {
  Tensor v = with_examples(ops::firm(x), n, who);
  Shape size = each(window, n, who, "window"), step = stride.empty() ? size : each(stride, n, who, "stride"), pad = each(padding, n, who, "padding"),
        gaps = each(dilation, n, who, "dilation");
  for (std::size_t i = 0; i < n; ++i)
    if (pad[i] < 0 || 2 * pad[i] > size[i])
      throw ValueError(std::string(who) + ": padding " + pad.str() + " is at most half of the window " + size.str());
  fits(v.sizes(), size, pad, Shape::filled(n, 1), n, who);
  Shape ones{1, 1}, zeros{0, 0};
  return {v, {ones.concat(size), ones.concat(step), zeros.concat(pad), zeros.concat(pad), Shape::filled(n + 2, 1), ones.concat(gaps)}, n};
}
Tensor max_pool(const Tensor& x, const Pool& q) { return like_given(prims::reduce_window_max(q.x, q.p), x, q.n); }
Tensor avg_pool(const Tensor& x, const Pool& q, bool count_include_pad, const char* who) {
  if (!is_floating(q.x.dtype()))
    throw DTypeError(std::string(who) + ": not defined for dtype " + std::string(name_of(q.x.dtype())) + "; convert with to(f32) or to(f64)");
  Tensor total = prims::reduce_window_sum(q.x, q.p), count = prims::like(static_cast<double>(q.p.size.numel()), total);
  if (!count_include_pad) count = prims::reduce_window_sum(core::broadcast_in_dim(prims::like(1, q.x), q.x.sizes(), {}), q.p);
  return like_given(prims::div(total, count), x, q.n);
}

// Windows along different dimensions are independent, so each dimension is averaged by itself: where its windows are alike by a mean
// over parts, else by the product with a matrix [m, n].
Tensor adaptive_avg_pool(const Tensor& x, const Shape& output, std::size_t n, const char* who) {
  Tensor y = with_examples(ops::firm(x), n, who);
  if (!is_floating(y.dtype()))
    throw DTypeError(std::string(who) + ": not defined for dtype " + std::string(name_of(y.dtype())) + "; convert with to(f32) or to(f64)");
  Shape m = each(output, n, who, "output");
  for (std::size_t i = 0; i < n; ++i) {
    std::int64_t have = y.size(static_cast<std::int64_t>(i) + 2), want = m[i];
    if (want < 1 || have < 1) throw ShapeError(std::string(who) + ": cannot average x " + x.sizes().str() + " over windows of an output " + m.str());
    if (have == want) continue;
    Shape s = y.sizes();
    if (have % want == 0) {
      s[i + 2] = want;
      y = ops::mean_over(prims::reshape(y, s.with(i + 3, have / want)), {static_cast<std::int64_t>(i) + 3});
      continue;
    }
    std::vector<double> weights(static_cast<std::size_t>(have * want), 0.0);
    for (std::int64_t o = 0; o < want; ++o) {
      std::int64_t from = o * have / want, to = ((o + 1) * have + want - 1) / want;
      for (std::int64_t k = from; k < to; ++k) weights[static_cast<std::size_t>(o * have + k)] = 1.0 / static_cast<double>(to - from);
    }
    Tensor by = core::convert(from_raw(weights.data(), f64, weights.size(), {want, have}), y.dtype());
    y = movedim(linear(movedim(y, static_cast<std::int64_t>(i) + 2, -1), by), -1, static_cast<std::int64_t>(i) + 2);
  }
  return like_given(y, x, n);
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& dilation,
              std::int64_t groups) {
  Site site(FUNCTRA_SITE);
  return conv(x, w, bias, stride, padding, dilation, groups, 1, "conv1d");
}
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& dilation,
              std::int64_t groups) {
  Site site(FUNCTRA_SITE);
  return conv(x, w, bias, stride, padding, dilation, groups, 2, "conv2d");
}
Tensor conv3d(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& dilation,
              std::int64_t groups) {
  Site site(FUNCTRA_SITE);
  return conv(x, w, bias, stride, padding, dilation, groups, 3, "conv3d");
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& output_padding,
                        std::int64_t groups, const Shape& dilation) {
  Site site(FUNCTRA_SITE);
  return conv_transpose(x, w, bias, stride, padding, output_padding, groups, dilation, 1, "conv_transpose1d");
}
Tensor conv_transpose2d(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& output_padding,
                        std::int64_t groups, const Shape& dilation) {
  Site site(FUNCTRA_SITE);
  return conv_transpose(x, w, bias, stride, padding, output_padding, groups, dilation, 2, "conv_transpose2d");
}
Tensor conv_transpose3d(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& output_padding,
                        std::int64_t groups, const Shape& dilation) {
  Site site(FUNCTRA_SITE);
  return conv_transpose(x, w, bias, stride, padding, output_padding, groups, dilation, 3, "conv_transpose3d");
}

Tensor max_pool1d(const Tensor& x, const Shape& window, const Shape& stride, const Shape& padding, const Shape& dilation) {
  Site site(FUNCTRA_SITE);
  return max_pool(x, pool(x, window, stride, padding, dilation, 1, "max_pool1d"));
}
Tensor max_pool2d(const Tensor& x, const Shape& window, const Shape& stride, const Shape& padding, const Shape& dilation) {
  Site site(FUNCTRA_SITE);
  return max_pool(x, pool(x, window, stride, padding, dilation, 2, "max_pool2d"));
}
Tensor avg_pool1d(const Tensor& x, const Shape& window, const Shape& stride, const Shape& padding, bool count_include_pad) {
  Site site(FUNCTRA_SITE);
  return avg_pool(x, pool(x, window, stride, padding, 1, 1, "avg_pool1d"), count_include_pad, "avg_pool1d");
}
Tensor avg_pool2d(const Tensor& x, const Shape& window, const Shape& stride, const Shape& padding, bool count_include_pad) {
  Site site(FUNCTRA_SITE);
  return avg_pool(x, pool(x, window, stride, padding, 1, 2, "avg_pool2d"), count_include_pad, "avg_pool2d");
}
Tensor max_pool3d(const Tensor& x, const Shape& window, const Shape& stride, const Shape& padding, const Shape& dilation) {
  Site site(FUNCTRA_SITE);
  return max_pool(x, pool(x, window, stride, padding, dilation, 3, "max_pool3d"));
}
Tensor avg_pool3d(const Tensor& x, const Shape& window, const Shape& stride, const Shape& padding, bool count_include_pad) {
  Site site(FUNCTRA_SITE);
  return avg_pool(x, pool(x, window, stride, padding, 1, 3, "avg_pool3d"), count_include_pad, "avg_pool3d");
}
Tensor adaptive_avg_pool1d(const Tensor& x, const Shape& output) {
  Site site(FUNCTRA_SITE);
  return adaptive_avg_pool(x, output, 1, "adaptive_avg_pool1d");
}
Tensor adaptive_avg_pool2d(const Tensor& x, const Shape& output) {
  Site site(FUNCTRA_SITE);
  return adaptive_avg_pool(x, output, 2, "adaptive_avg_pool2d");
}
Tensor adaptive_avg_pool3d(const Tensor& x, const Shape& output) {
  Site site(FUNCTRA_SITE);
  return adaptive_avg_pool(x, output, 3, "adaptive_avg_pool3d");
}

namespace lax {

Tensor conv_general_dilated(const Tensor& x, const Tensor& w, const ConvDims& d) {
  Site site(FUNCTRA_SITE);
  ops::Checked checked;
  Tensor a = x, b = w;
  ops::promote(a, b, "conv_general_dilated");
  Shape s = a.sizes();
  if (s.size() < 3) throw ShapeError("conv_general_dilated: x has shape " + s.str() + "; it is [N, C, spatial...]");
  std::size_t n = s.size() - 2;
  std::int64_t groups = d.feature_group_count, cut = d.batch_group_count;
  if (cut != 1) {
    if (groups != 1) throw ValueError("conv_general_dilated: one of feature_group_count and batch_group_count is 1");
    if (cut < 1 || s[0] % cut)
      throw ShapeError("conv_general_dilated: " + std::to_string(s[0]) + " examples of x " + s.str() + " are not divisible into " +
                       std::to_string(cut) + " groups");
    Shape split = s.with(1, s[0] / cut), merged = s;
    split[0] = cut;
    merged[0] = s[0] / cut;
    merged[1] = cut * s[1];
    a = prims::reshape(core::move_dim(prims::reshape(a, split), 0, 1), merged);
    groups = cut;
  }
  return prims::conv_general_dilated(a, b,
                                     {or_filled(d.strides, n, 1), or_filled(d.padding_low, n, 0), or_filled(d.padding_high, n, 0),
                                      or_filled(d.lhs_dilation, n, 1), or_filled(d.rhs_dilation, n, 1), groups});
}

Tensor reduce_window(const Tensor& x, WindowOp op, const WindowDims& d) {
  Site site(FUNCTRA_SITE);
  ops::Checked checked;
  Tensor v = ops::firm(x);
  auto n = static_cast<std::size_t>(v.dim());
  prims::WindowParams p{d.size,
                        or_filled(d.strides, n, 1),
                        or_filled(d.padding_low, n, 0),
                        or_filled(d.padding_high, n, 0),
                        or_filled(d.base_dilation, n, 1),
                        or_filled(d.window_dilation, n, 1)};
  return op == WindowOp::add ? prims::reduce_window_sum(v, p) : op == WindowOp::max ? prims::reduce_window_max(v, p) : prims::reduce_window_min(v, p);
}

}  // namespace lax
}  // namespace functra
