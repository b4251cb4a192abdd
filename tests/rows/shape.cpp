// Movement without arithmetic: references walk over row-major positions.
#include <functional>

#include "functra/prims/index.h"
#include "laws/row.h"

namespace functra::testing {
namespace {

using Coordinates = std::vector<std::int64_t>;
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
  return static_cast<std::size_t>(i);
}
// out[c] = in[from(c)]
Reference picked(const Shape& out, const std::function<Coordinates(const Coordinates&)>& from) {
  return [out, from](const std::vector<Array>& in) {
    Array y{out, std::vector<double>(static_cast<std::size_t>(out.numel()))};
    for (std::int64_t i = 0; i < out.numel(); ++i) y[static_cast<std::size_t>(i)] = in[0][ravel(from(unravel(i, out)), in[0].shape)];
    return std::vector<Array>{y};
  };
}
void add(Row& r, const Shape& s, const Fn& f, const Reference& ref, const std::string& what = {}) {
  for (DType d : {DType::f32, DType::f64, DType::i32}) {
    Tensor x = random_tensor(s, d, -4, 4);
    std::string name = what + " " + std::string(name_of(d)) + " " + s.str();
    r.samples.push_back({name, {x}, f, ref});
    if (s.size() > 1) r.samples.push_back({name + " transposed", {transposed_view(x)}, f, ref});
    if (s.numel()) r.samples.push_back({name + " strided", {sliced_view(x)}, f, ref});
  }
}
}  // namespace

FUNCTRA_ROW(reshape) {
  Row r;
  r.ulp = 0;
  auto to = [&](const Shape& s, const Shape& out) {
    add(
        r, s, [out](const Vec& x) { return Vec{prims::reshape(x[0], out)}; },
        [out](const std::vector<Array>& in) {
          return std::vector<Array>{{out, in[0].v}};
        },
        out.str());
  };
  to({6}, {2, 3});
  to({2, 3, 4}, {6, 4});
  to({2, 3, 4}, {4, 1, 6});
  to({1, 1}, {});
  to({}, {1});
  to({0, 3}, {3, 0, 2});
  return r;
}
FUNCTRA_ROW(transpose) {
  Row r;
  r.ulp = 0;
  auto by = [&](const Shape& s, const Shape& perm) {
    add(
        r, s, [perm](const Vec& x) { return Vec{core::permute(x[0], perm)}; },
        picked(s.pick(perm),
               [perm](const Coordinates& c) {
                 Coordinates from(c.size());
                 for (std::size_t i = 0; i < c.size(); ++i) from[static_cast<std::size_t>(perm[i])] = c[i];
                 return from;
               }),
        perm.str());
  };
  by({2, 3}, {1, 0});
  by({2, 3, 4}, {2, 0, 1});
  by({2, 1, 3, 2}, {3, 1, 0, 2});
  by({17, 33}, {1, 0});
  by({0, 3}, {1, 0});
  return r;
}
FUNCTRA_ROW(broadcast_in_dim) {
  Row r;
  r.ulp = 0;
  auto to = [&](const Shape& s, const Shape& out, const Shape& dims) {
    add(
        r, s, [out, dims](const Vec& x) { return Vec{core::broadcast_in_dim(x[0], out, dims)}; },
        picked(out,
               [dims](const Coordinates& c) {
                 Coordinates from;
                 for (std::int64_t d : dims) from.push_back(c[static_cast<std::size_t>(d)]);
                 return from;
               }),
        out.str());
  };
  to({}, {3}, {});
  to({}, {2, 3}, {});
  to({3}, {2, 3}, {1});
  to({2}, {2, 3}, {0});
  to({2, 4}, {2, 3, 4}, {0, 2});
  to({3}, {0, 3}, {1});
  return r;
}
FUNCTRA_ROW(slice) {
  Row r;
  r.ulp = 0;
  auto of = [&](const Shape& s, const Shape& start, const Shape& limit, const Shape& stride) {
    Shape out;
    for (std::size_t i = 0; i < s.size(); ++i) out.push_back((limit[i] - start[i] + stride[i] - 1) / stride[i]);
    add(
        r, s, [start, limit, stride](const Vec& x) { return Vec{prims::slice(x[0], start, limit, stride)}; },
        picked(out,
               [start, stride](Coordinates c) {
                 for (std::size_t i = 0; i < c.size(); ++i) c[i] = start[i] + c[i] * stride[i];
                 return c;
               }),
        start.str() + limit.str() + stride.str());
  };
  of({7}, {1}, {6}, {1});
  of({7}, {1}, {7}, {3});
  of({7}, {3}, {4}, {5});  // one element, by a step beyond it
  of({7}, {3}, {3}, {1});  // none
  of({4, 5}, {1, 0}, {3, 5}, {1, 2});
  of({2, 3, 4}, {0, 1, 1}, {2, 3, 4}, {1, 1, 2});
  return r;
}
FUNCTRA_ROW(pad) {
  Row r;
  r.ulp = 0;
  auto of = [&](const Shape& s, const Shape& low, const Shape& high, const Shape& interior) {
    Shape out;
    for (std::size_t i = 0; i < s.size(); ++i) out.push_back(low[i] + high[i] + s[i] + std::max<std::int64_t>(0, s[i] - 1) * interior[i]);
    Fn f = [low, high, interior](const Vec& x) { return Vec{prims::pad(x[0], x[1], low, high, interior)}; };
    Reference ref = [out, low, interior](const std::vector<Array>& in) {
      Array y{out, std::vector<double>(static_cast<std::size_t>(out.numel()), in[1][0])};
      for (std::int64_t i = 0; i < in[0].shape.numel(); ++i) {
        Coordinates c = unravel(i, in[0].shape);
        bool inside = true;
        for (std::size_t d = 0; d < c.size(); ++d) {
          c[d] = low[d] + c[d] * (interior[d] + 1);
          inside = inside && c[d] >= 0 && c[d] < out[d];
        }
        if (inside) y[ravel(c, out)] = in[0][static_cast<std::size_t>(i)];
      }
      return std::vector<Array>{y};
    };
    for (DType d : {DType::f32, DType::f64, DType::i64}) {
      Tensor x = random_tensor(s, d, -4, 4), v = random_tensor({}, d, 5, 6);
      std::string name = std::string(name_of(d)) + " " + s.str() + low.str() + high.str() + interior.str();
      r.samples.push_back({name, {x, v}, f, ref});
      if (s.numel()) r.samples.push_back({name + " strided", {sliced_view(x), v}, f, ref});
    }
  };
  of({3}, {1}, {2}, {0});
  of({3}, {0}, {0}, {2});
  of({4}, {-1}, {-2}, {0});
  of({4}, {-2}, {3}, {1});
  of({2, 3}, {1, 0}, {0, 2}, {1, 0});
  of({0}, {1}, {1}, {1});
  return r;
}
FUNCTRA_ROW(concatenate) {
  Row r;
  r.ulp = 0;
  auto of = [&](const std::vector<Shape>& shapes, int dim) {
    for (DType d : {DType::f32, DType::f64, DType::i64}) {
      Sample s;
      s.name = std::string(name_of(d)) + " dim " + std::to_string(dim);
      int seed = 0;
      for (const Shape& shape : shapes) {
        s.name += " " + shape.str();
        s.in.push_back(random_tensor(shape, d, -4, 4, seed++));
      }
      s.in[0] = transposed_view(s.in[0]);
      s.f = [dim](const Vec& x) { return Vec{prims::concatenate(x, dim)}; };
      s.ref = [dim](const std::vector<Array>& in) {
        auto at = static_cast<std::size_t>(dim);
        Shape out = in[0].shape;
        out[at] = 0;
        for (auto& a : in) out[at] += a.shape[at];
        Array y{out, std::vector<double>(static_cast<std::size_t>(out.numel()))};
        std::int64_t from = 0;
        for (auto& a : in) {
          for (std::int64_t i = 0; i < a.shape.numel(); ++i) {
            Coordinates c = unravel(i, a.shape);
            c[at] += from;
            y[ravel(c, out)] = a[static_cast<std::size_t>(i)];
          }
          from += a.shape[at];
        }
        return std::vector<Array>{y};
      };
      r.samples.push_back(s);
    }
  };
  of({{3}, {2}}, 0);
  of({{2, 3}, {2, 1}, {2, 2}}, 1);
  of({{2, 3}, {0, 3}, {1, 3}}, 0);
  return r;
}
FUNCTRA_ROW(rev) {
  Row r;
  r.ulp = 0;
  auto of = [&](const Shape& s, const Shape& dims) {
    add(
        r, s, [dims](const Vec& x) { return Vec{prims::rev(x[0], dims)}; },
        picked(s,
               [s, dims](Coordinates c) {
                 for (std::int64_t d : dims) c[static_cast<std::size_t>(d)] = s[static_cast<std::size_t>(d)] - 1 - c[static_cast<std::size_t>(d)];
                 return c;
               }),
        dims.str());
  };
  of({5}, {0});
  of({2, 3}, {1});
  of({2, 3, 4}, {0, 2});
  of({0, 2}, {0, 1});
  return r;
}
FUNCTRA_ROW(iota) {
  Row r;
  r.ulp = 0;
  r.vmap = false;
  for (DType d : {DType::f32, DType::f64, DType::i32, DType::i64, DType::u8})
    for (auto& [s, dim] : std::vector<std::pair<Shape, int>>{{{4}, 0}, {{2, 3}, 1}, {{2, 3}, 0}, {{0}, 0}})
      r.samples.push_back({std::string(name_of(d)) + " " + s.str(),
                           {},
                           [d, s = s, dim = dim](const Vec&) { return Vec{prims::iota(d, s, dim)}; },
                           [s = s, dim = dim](const std::vector<Array>&) {
                             Array y{s, std::vector<double>(static_cast<std::size_t>(s.numel()))};
                             for (std::int64_t i = 0; i < s.numel(); ++i)
                               y[static_cast<std::size_t>(i)] = static_cast<double>(unravel(i, s)[static_cast<std::size_t>(dim)]);
                             return std::vector<Array>{y};
                           }});
  return r;
}

}  // namespace functra::testing
