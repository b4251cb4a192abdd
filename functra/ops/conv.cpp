#include "functra/ops/conv.h"

#include "functra/ops/checked.h"
#include "functra/ops/elementwise.h"
#include "functra/prims/conv.h"
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

Tensor conv(const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& dilation,
            std::int64_t groups, std::size_t n, const char* who) {
  Tensor a = x, b = w;
  ops::promote(a, b, who);
  Shape pad = each(padding, n, who, "padding"), dilate = each(dilation, n, who, "dilation");
  a = with_examples(a, n, who);
  if (static_cast<std::size_t>(b.dim()) == n + 2) fits(a.sizes(), b.sizes(), pad, dilate, n, who);
  Tensor y = prims::conv_general_dilated(a, b, {each(stride, n, who, "stride"), pad, pad, Shape::filled(n, 1), dilate, groups});
  if (bias.defined()) {
    Shape s = y.sizes();
    if (bias.dim() != 1 || bias.size(0) != s[1])
      throw ShapeError(std::string(who) + ": bias has shape " + bias.sizes().str() + ", the result " + std::to_string(s[1]) + " channels");
    y = core::add(y, core::broadcast_in_dim(core::convert(bias, y.dtype()), s, {1}));
  }
  return like_given(y, x, n);
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
