// Convolution: the reference is the definition.
#include "functra/prims/conv.h"
#include "rows/strided.h"

namespace functra::testing {
namespace {

Reference convolution(const prims::ConvParams& p, const Shape& out) {
  return [=](const std::vector<Array>& in) {
    const Shape &x = in[0].shape, &w = in[1].shape;
    Array y = filled(out, 0);
    std::int64_t per_group = w[0] / p.groups;
    for (std::int64_t i = 0; i < out.numel(); ++i) {
      Shape o = unravel(i, out);
      for (std::int64_t k = 0; k < w.numel() / w[0]; ++k) {
        Shape at = unravel(o[1] * (w.numel() / w[0]) + k, w), from = x;
        from[0] = o[0];
        from[1] = o[1] / per_group * w[1] + at[1];
        bool inside = true;
        for (std::size_t d = 2; d < x.size(); ++d) {
          std::int64_t pos = o[d] * p.strides[d - 2] + at[d] * p.rhs_dilation[d - 2] - p.low[d - 2];
          inside &= pos >= 0 && pos % p.lhs_dilation[d - 2] == 0 && pos / p.lhs_dilation[d - 2] < x[d];
          from[d] = pos / p.lhs_dilation[d - 2];
        }
        if (inside) y[static_cast<std::size_t>(i)] += in[0][ravel(from, x)] * in[1][ravel(at, w)];
      }
    }
    return std::vector<Array>{y};
  };
}
void add(Row& r, const Shape& x, const Shape& w, const prims::ConvParams& p) {
  Shape out{x[0], w[0]};
  for (std::size_t d = 2; d < x.size(); ++d) {
    std::int64_t room = (x[d] - 1) * p.lhs_dilation[d - 2] + 1 + p.low[d - 2] + p.high[d - 2] - ((w[d] - 1) * p.rhs_dilation[d - 2] + 1);
    out.push_back(room < 0 ? 0 : room / p.strides[d - 2] + 1);
  }
  for (DType d : {DType::f32, DType::f64}) {
    Tensor a = random_tensor(x, d, -2, 2, 1), b = random_tensor(w, d, -2, 2, 2);
    auto f = [p](const Vec& v) { return Vec{prims::conv_general_dilated(v[0], v[1], p)}; };
    std::string name = std::string(name_of(d)) + " " + x.str() + " " + w.str();
    r.samples.push_back({name, {a, b}, f, convolution(p, out)});
    if (d == DType::f64) r.samples.push_back({name + " strided", {transposed_view(a), sliced_view(b)}, f, convolution(p, out)});
  }
}

}  // namespace

FUNCTRA_ROW(conv_general_dilated) {
  Row r;
  add(r, {2, 2, 5}, {3, 2, 3}, {{1}, {0}, {0}, {1}, {1}, 1});
  add(r, {1, 2, 5, 4}, {2, 2, 3, 2}, {{2, 1}, {1, 1}, {2, 0}, {1, 1}, {1, 1}, 1});
  add(r, {2, 4, 4, 3}, {4, 2, 2, 2}, {{1, 2}, {0, 1}, {1, 0}, {1, 1}, {1, 1}, 2});  // groups
  add(r, {1, 2, 4, 3}, {2, 2, 2, 2}, {{1, 1}, {1, 0}, {0, 1}, {2, 3}, {1, 1}, 1});  // zeros between inputs
  add(r, {1, 2, 6}, {2, 2, 3}, {{2}, {2}, {1}, {2}, {2}, 1});
  add(r, {2, 2, 6}, {2, 1, 2}, {{1}, {-1}, {-2}, {1}, {2}, 2});  // cropped
  add(r, {1, 1, 3, 2, 3}, {2, 1, 2, 2, 2}, {{1, 1, 2}, {0, 1, 1}, {1, 0, 1}, {1, 1, 1}, {1, 1, 1}, 1});
  add(r, {1, 1, 2}, {1, 1, 4}, {{1}, {0}, {0}, {1}, {1}, 1});  // the kernel does not fit
  r.rtol = 1e-6;
  return r;
}

}  // namespace functra::testing
