// Contractions: the reference is a loop over every pair of elements.
#include "functra/prims/contract.h"
#include "rows/strided.h"

namespace functra::testing {
namespace {

Reference product(const prims::DotParams& p) {
  return [p](const std::vector<Array>& in) {
    const Shape &a = in[0].shape, &b = in[1].shape;
    Shape fa = p.left.concat(p.left_batch).others(a.size()), fb = p.right.concat(p.right_batch).others(b.size());
    Array y = filled(a.pick(p.left_batch).concat(a.pick(fa)).concat(b.pick(fb)), 0);
    for (std::int64_t i = 0; i < a.numel(); ++i)
      for (std::int64_t k = 0; k < b.numel(); ++k) {
        Shape c = unravel(i, a), e = unravel(k, b);
        if (!(c.pick(p.left) == e.pick(p.right)) || !(c.pick(p.left_batch) == e.pick(p.right_batch))) continue;
        y[ravel(c.pick(p.left_batch).concat(c.pick(fa)).concat(e.pick(fb)), y.shape)] +=
            in[0][static_cast<std::size_t>(i)] * in[1][static_cast<std::size_t>(k)];
      }
    return std::vector<Array>{y};
  };
}
void add(Row& r, const Shape& a, const Shape& b, const prims::DotParams& p) {
  for (DType d : {DType::f32, DType::f64}) {
    Tensor x = random_tensor(a, d, -2, 2, 1), y = random_tensor(b, d, -2, 2, 2);
    auto f = [p](const Vec& v) { return Vec{prims::dot_general(v[0], v[1], p)}; };
    std::string name = std::string(name_of(d)) + " " + a.str() + " " + b.str();
    r.samples.push_back({name, {x, y}, f, product(p)});
    r.samples.push_back({name + " strided", {transposed_view(x), sliced_view(y)}, f, product(p)});
  }
}

}  // namespace

FUNCTRA_ROW(dot_general) {
  Row r;
  add(r, {3, 4}, {4, 2}, {{1}, {0}, {}, {}});
  add(r, {5}, {5}, {{0}, {0}, {}, {}});
  add(r, {3}, {2}, {{}, {}, {}, {}});
  add(r, {2, 3, 4}, {2, 4, 2}, {{2}, {1}, {0}, {0}});
  add(r, {3, 2, 4}, {4, 3, 2}, {{0, 2}, {1, 0}, {1}, {2}});
  add(r, {2, 3, 2}, {3, 2, 2}, {{0, 1}, {1, 0}, {}, {}});
  add(r, {3, 0}, {0, 2}, {{1}, {0}, {}, {}});
  add(r, {17, 9}, {9, 13}, {{1}, {0}, {}, {}});
  r.rtol = 1e-6;
  return r;
}

}  // namespace functra::testing
