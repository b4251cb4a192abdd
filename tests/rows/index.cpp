// Windows at computed positions: references are the definitions of XLA's gather and scatter, written as loops.
#include <algorithm>

#include "functra/prims/gather.h"
#include "functra/prims/index.h"
#include "laws/row.h"

namespace functra::testing {
namespace {

using prims::GatherParams;
using prims::ScatterParams;
using Coordinates = std::vector<std::int64_t>;
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
Coordinates unravel(std::int64_t i, const Shape& s) {
  Coordinates c(s.size());
  for (std::size_t d = s.size(); d-- > 0;) {
    c[d] = i % s[d];
    i /= s[d];
  }
  return c;
}
std::size_t ravel(const Coordinates& c, const Shape& s) {
  std::int64_t i = 0;
  for (std::size_t d = 0; d < s.size(); ++d) i = i * s[d] + c[d];
  return at(i);
}
// The operand's position that element c of the packed array (gather's result, scatter's updates) stands for; false: outside.
bool position(const Coordinates& c, const Array& x, const Array& indices, const Shape& window_dims, const Shape& dropped, const Shape& map,
              const Shape& x_batch, const Shape& i_batch, const Shape& sizes, bool clamp, Coordinates& out) {
  Coordinates b, w, start(x.shape.size());
  for (std::size_t i = 0; i < c.size(); ++i) (window_dims.has(static_cast<std::int64_t>(i)) ? w : b).push_back(c[i]);
  bool inside = true;
  for (std::size_t k = 0; k < map.size(); ++k) {
    Coordinates where = b;
    where.push_back(static_cast<std::int64_t>(k));
    auto v = static_cast<std::int64_t>(indices[ravel(where, indices.shape)]), limit = x.shape[at(map[k])] - sizes[at(map[k])];
    if (v < 0 || v > limit) {
      inside = clamp;
      v = std::clamp<std::int64_t>(v, 0, limit);
    }
    start[at(map[k])] = v;
  }
  for (std::size_t k = 0; k < x_batch.size(); ++k) start[at(x_batch[k])] = b[at(i_batch[k])];
  std::size_t k = 0;
  for (std::size_t d = 0; d < x.shape.size(); ++d)
    if (!dropped.has(static_cast<std::int64_t>(d)) && !x_batch.has(static_cast<std::int64_t>(d))) start[d] += w[k++];
  out = start;
  return inside;
}
Reference gathered(const GatherParams& p, const Shape& out) {
  return [p, out](const std::vector<Array>& in) {
    Array y{out, std::vector<double>(at(out.numel()))};
    for (std::int64_t i = 0; i < out.numel(); ++i) {
      Coordinates from;
      bool inside =
          position(unravel(i, out), in[0], in[1], p.offset_dims, p.collapsed, p.start_map, p.operand_batch, p.indices_batch, p.sizes, !p.fill, from);
      y[at(i)] = inside ? in[0][ravel(from, in[0].shape)] : p.value.real();
    }
    return std::vector<Array>{y};
  };
}
Reference scattered(const ScatterParams& p, const Shape& sizes, double (*combine)(double, double)) {
  return [p, sizes, combine](const std::vector<Array>& in) {
    Array y = in[0];
    // Row-major over batch positions; windows do not overlap themselves, so the order within one does not matter.
    std::vector<std::pair<Coordinates, std::int64_t>> order;
    for (std::int64_t i = 0; i < in[2].shape.numel(); ++i) {
      Coordinates b, c = unravel(i, in[2].shape);
      for (std::size_t d = 0; d < c.size(); ++d)
        if (!p.window_dims.has(static_cast<std::int64_t>(d))) b.push_back(c[d]);
      order.emplace_back(b, i);
    }
    std::stable_sort(order.begin(), order.end(), [](auto& a, auto& b) { return a.first < b.first; });
    for (auto& [b, i] : order) {
      Coordinates to;
      if (!position(unravel(i, in[2].shape), in[0], in[1], p.window_dims, p.inserted, p.scatter_map, p.operand_batch, p.indices_batch, sizes, !p.drop,
                    to))
        continue;
      double& v = y[ravel(to, y.shape)];
      v = combine(v, in[2][at(i)]);
    }
    return std::vector<Array>{y};
  };
}
struct Case {
  std::string name;
  Shape x, indices;
  std::vector<double> values;
  Shape window_dims, dropped, map, x_batch, i_batch, sizes, packed;
};
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"rows, repeated", {4, 3}, {5, 1}, {2, 0, 2, 3, 2}, {1}, {0}, {0}, {}, {}, {1, 3}, {5, 3}},
      {"columns in front", {3, 4}, {2, 1}, {3, 1}, {0}, {1}, {1}, {}, {}, {3, 1}, {3, 2}},
      {"elements", {3, 4}, {2, 2, 2}, {0, 1, 2, 3, 0, 1, 1, 1}, {}, {0, 1}, {0, 1}, {}, {}, {1, 1}, {2, 2}},
      {"windows", {5, 4}, {3, 2}, {0, 0, 2, 1, 1, 2}, {1, 2}, {}, {0, 1}, {}, {}, {2, 2}, {3, 2, 2}},
      {"outside", {4, 2}, {4, 1}, {-1, 0, 4, 9}, {1}, {0}, {0}, {}, {}, {1, 2}, {4, 2}},
      {"windows that reach outside", {5}, {3, 1}, {-2, 3, 4}, {1}, {}, {0}, {}, {}, {2}, {3, 2}},
      {"along a dimension", {3, 4}, {3, 2, 1}, {0, 3, 1, 1, 2, 0}, {}, {1}, {1}, {0}, {0}, {1, 1}, {3, 2}},
      {"batched windows", {2, 4, 3}, {2, 1}, {2, 1}, {1, 2}, {}, {1}, {0}, {0}, {1, 2, 3}, {2, 2, 3}},
      {"one position", {4, 3}, {1}, {2}, {0}, {0}, {0}, {}, {}, {1, 3}, {3}},
      {"no positions", {4, 3}, {0, 1}, {}, {1}, {0}, {0}, {}, {}, {1, 3}, {0, 3}},
  };
  return all;
}
Row scatter_row(Tensor (*prim)(const Tensor&, const Tensor&, const Tensor&, const ScatterParams&), double (*combine)(double, double), bool exact) {
  Row r;
  r.ulp = exact ? 0 : 2;
  r.atol = exact ? 0 : 1e-6;
  for (bool drop : {false, true})
    for (const Case& k : cases()) {
      ScatterParams p{k.window_dims, k.dropped, k.map, k.x_batch, k.i_batch, drop, false};
      Fn f = [p, prim](const Vec& v) { return Vec{prim(v[0], v[1], v[2], p)}; };
      for (DType d : {DType::f32, DType::f64, DType::i32}) {
        Tensor i = from_values(k.indices, d == DType::f32 ? DType::i32 : DType::i64, k.values);
        r.samples.push_back({std::string(name_of(d)) + " " + k.name + (drop ? ", drop" : ", clip"),
                             {transposed_view(random_tensor(k.x, d, -4, 4)), i, sliced_view(random_tensor(k.packed, d, -3, 5, 1))},
                             f,
                             scattered(p, k.sizes, combine),
                             {0, 2}});
        if (d == DType::i32) r.samples.back().diff = {};
      }
    }
  return r;
}
}  // namespace

FUNCTRA_ROW(gather) {
  Row r;
  r.ulp = 0;
  for (bool fill : {false, true})
    for (const Case& k : cases()) {
      GatherParams p{k.window_dims, k.dropped, k.map, k.x_batch, k.i_batch, k.sizes, fill, Scalar(0.0)};
      Fn f = [p](const Vec& v) { return Vec{prims::gather(v[0], v[1], p)}; };
      for (DType d : {DType::f32, DType::f64, DType::i32}) {
        Tensor x = random_tensor(k.x, d, -4, 4), i = from_values(k.indices, d == DType::f32 ? DType::i32 : DType::i64, k.values);
        std::string name = std::string(name_of(d)) + " " + k.name + (fill ? ", fill" : ", clip");
        r.samples.push_back({name, {x, i}, f, gathered(p, k.packed)});
        r.samples.push_back({name + " strided", {sliced_view(x), transposed_view(i)}, f, gathered(p, k.packed)});
      }
    }
  return r;
}
FUNCTRA_ROW(scatter) {
  return scatter_row(
      prims::scatter, [](double, double b) { return b; }, true);
}
FUNCTRA_ROW(scatter_add) {
  return scatter_row(
      prims::scatter_add, [](double a, double b) { return a + b; }, false);
}
FUNCTRA_ROW(scatter_min) {
  return scatter_row(
      prims::scatter_min, [](double a, double b) { return a < b ? a : b; }, true);
}
FUNCTRA_ROW(scatter_max) {
  return scatter_row(
      prims::scatter_max, [](double a, double b) { return a > b ? a : b; }, true);
}
FUNCTRA_ROW(scatter_mul) {
  double (*product)(double, double) = [](double a, double b) { return a * b; };
  Row r = scatter_row(prims::scatter_mul, product, false);
  r.rtol = 1e-6;
  ScatterParams p{{}, {0}, {0}, {}, {}, false, false};
  for (const std::vector<double>& u : {std::vector<double>{2, 0, 3, 4, 5}, {2, 0, 0, 4, 0}, {0, 0, 0, 4, 0}})  // derivatives at zeros
    r.samples.push_back(
        {"zeros",
         {from_values({3}, DType::f64, {1.5, 2, 0}), from_values({5, 1}, DType::i64, {0, 0, 0, 1, 2}), from_values({5}, DType::f64, u)},
         [p](const Vec& v) { return Vec{prims::scatter_mul(v[0], v[1], v[2], p)}; },
         scattered(p, {1}, product),
         {0, 2}});
  r.grad_tol = 1e-4;
  return r;
}

FUNCTRA_ROW(dynamic_slice) {
  Row r;
  r.ulp = 0;
  auto of = [&](const Shape& s, const Shape& sizes, const std::vector<double>& starts) {
    Fn f = [sizes](const Vec& v) { return Vec{prims::dynamic_slice(v[0], Ins(v).subspan(1), sizes)}; };
    Reference ref = [sizes](const std::vector<Array>& in) {
      Array y{sizes, std::vector<double>(at(sizes.numel()))};
      for (std::int64_t i = 0; i < sizes.numel(); ++i) {
        Coordinates c = unravel(i, sizes);
        for (std::size_t d = 0; d < c.size(); ++d)
          c[d] += std::clamp<std::int64_t>(static_cast<std::int64_t>(in[d + 1][0]), 0, in[0].shape[d] - sizes[d]);
        y[at(i)] = in[0][ravel(c, in[0].shape)];
      }
      return std::vector<Array>{y};
    };
    for (DType d : {DType::f32, DType::f64, DType::i32}) {
      Vec in{transposed_view(random_tensor(s, d, -4, 4))};
      for (double v : starts) in.push_back(from_values({}, d == DType::f32 ? DType::i32 : DType::i64, {v}));
      r.samples.push_back({std::string(name_of(d)) + " " + s.str() + sizes.str(), in, f, ref});
    }
  };
  of({5}, {2}, {1});
  of({5}, {2}, {9});
  of({5}, {2}, {-3});
  of({4, 3}, {2, 3}, {1, 1});
  of({4, 3}, {0, 2}, {1, 1});
  of({}, {}, {});
  return r;
}
FUNCTRA_ROW(dynamic_update_slice) {
  Row r;
  r.ulp = 0;
  auto of = [&](const Shape& s, const Shape& sizes, const std::vector<double>& starts) {
    Fn f = [](const Vec& v) { return Vec{prims::dynamic_update_slice(v[0], v[1], Ins(v).subspan(2))}; };
    Reference ref = [](const std::vector<Array>& in) {
      Array y = in[0];
      for (std::int64_t i = 0; i < in[1].shape.numel(); ++i) {
        Coordinates c = unravel(i, in[1].shape);
        for (std::size_t d = 0; d < c.size(); ++d)
          c[d] += std::clamp<std::int64_t>(static_cast<std::int64_t>(in[d + 2][0]), 0, in[0].shape[d] - in[1].shape[d]);
        y[ravel(c, y.shape)] = in[1][at(i)];
      }
      return std::vector<Array>{y};
    };
    for (DType d : {DType::f32, DType::f64, DType::i32}) {
      Vec in{transposed_view(random_tensor(s, d, -4, 4)), sliced_view(random_tensor(sizes, d, 5, 9, 1))};
      for (double v : starts) in.push_back(from_values({}, d == DType::f32 ? DType::i32 : DType::i64, {v}));
      r.samples.push_back({std::string(name_of(d)) + " " + s.str() + sizes.str(), in, f, ref});
    }
  };
  of({5}, {2}, {1});
  of({5}, {2}, {9});
  of({4, 3}, {2, 2}, {-1, 1});
  of({4, 3}, {0, 2}, {1, 1});
  return r;
}

}  // namespace functra::testing
