// Laws of operations that move, pick and summarise elements, of solutions by factors, and of draws; their values are compared with NumPy's and
// PyTorch's in operations_numpy_test.cpp, index_numpy_test.cpp, linalg_test.cpp and random_test.cpp.
#include "functra/functra.h"
#include "laws/row.h"

namespace functra::testing {
namespace {
constexpr DType d = DType::f64;
Tensor real(const Shape& s, int seed = 0) { return random_tensor(s, d, -2, 2, seed); }
Tensor whole(const std::vector<double>& v) { return from_values({static_cast<std::int64_t>(v.size())}, DType::i64, v); }
// Operations of the first operand, of the others too: all results of all of them, one sample.
using Of = std::function<Vec(const Vec&)>;
void add(Row& r, const std::string& name, const Vec& in, const Of& f, bool linear = false) {
  r.samples.push_back({name, in, f, {}});
  r.samples.back().linear = linear;
  if (in[0].dim() < 2) return;
  Vec strided = in;
  strided[0] = transposed_view(in[0]);
  r.samples.push_back({name + " transposed", strided, f, {}});
  r.samples.back().linear = linear;
}
}  // namespace

FUNCTRA_ROW(joined) {
  Row r;
  add(
      r, "cat and stack", {real({2, 3}), real({2, 3}, 1)},
      [](const Vec& x) {
        return Vec{cat({x[0], x[1]}, 1), stack({x[0], x[1]}, 1)};
      },
      true);
  add(
      r, "hstack, vstack, dstack", {real({2, 3}), real({2, 3}, 1)},
      [](const Vec& x) {
        return Vec{hstack({x[0], x[1]}), vstack({x[0], x[1]}), dstack({x[0], x[1]})};
      },
      true);
  add(
      r, "split, chunk, unbind", {real({5, 2})},
      [](const Vec& x) {
        Vec y = split(x[0], 2), c = chunk(x[0], 3), u = unbind(x[0], 1);
        y.insert(y.end(), c.begin(), c.end());
        y.insert(y.end(), u.begin(), u.end());
        return y;
      },
      true);
  return r;
}
FUNCTRA_ROW(turned) {
  Row r;
  add(
      r, "flips and rolls", {real({3, 4})},
      [](const Vec& x) {
        return Vec{flip(x[0], {0, 1}), fliplr(x[0]), flipud(x[0]), roll(x[0], {1, -2}, {0, 1}), roll(x[0], {5})};
      },
      true);
  add(
      r, "dimensions", {real({2, 3, 2})},
      [](const Vec& x) {
        return Vec{movedim(x[0], {0}, {2}), swapaxes(x[0], 0, 1), flatten(x[0], 1), unflatten(x[0], 1, {3, 1}), squeeze(unsqueeze(x[0], 1), 1)};
      },
      true);
  add(
      r, "repeats", {real({1, 3})},
      [](const Vec& x) {
        return Vec{expand(x[0], {2, 3}), broadcast_to(x[0], {2, 2, 3}), tile(x[0], {2, 2}), repeat(x[0], {2, 1, 2})};
      },
      true);
  add(
      r, "parts", {real({3, 4})},
      [](const Vec& x) {
        return Vec{narrow(x[0], 1, 1, 2), select(x[0], 0, 2), diagonal(x[0], 1), diagonal(x[0], -1, 1, 0)};
      },
      true);
  return r;
}
FUNCTRA_ROW(picked) {
  Row r;
  add(r, "index_select, take_along_dim", {real({3, 4}), whole({2, 0, 2})}, [](const Vec& x) {
    return Vec{index_select(x[0], 0, x[1]), take_along_dim(x[0], x[1].reshape({3, 1}), 1)};
  });
  add(r, "take", {real({3, 4}), whole({11, 0, -2})}, [](const Vec& x) { return Vec{take(x[0], x[1])}; });
  add(r, "index_add, index_copy", {real({4, 2}), real({2, 2}, 1), whole({3, 1})}, [](const Vec& x) {
    return Vec{index_add(x[0], 0, x[2], x[1]), index_copy(x[0], 0, x[2], x[1])};
  });
  add(r, "index_put", {real({3, 2}), real({2}, 1)}, [](const Vec& x) {
    return Vec{index_put(x[0], {1}, x[1]), index_put(x[0], {Slice(0, 2)}, x[1], true)};
  });
  add(r, "masked_fill", {real({2, 3}), real({3}, 1), real({}, 2)}, [](const Vec& x) { return Vec{masked_fill(x[0], x[1] > 0, x[2])}; });
  r.samples[r.samples.size() - 2].diff = r.samples.back().diff = {0, 2};
  return r;
}
FUNCTRA_ROW(summarised) {
  Row r;
  add(r, "amax, amin, var", {real({3, 4})}, [](const Vec& x) { return Vec{amax(x[0], 0), amin(x[0], {}, true), var(x[0], 1), var(x[0], {}, 0)}; });
  add(r, "softmax, log_softmax", {real({3, 4})}, [](const Vec& x) { return Vec{softmax(x[0], 0), log_softmax(x[0])}; });
  add(r, "var_mean, aminmax, nansum", {real({2, 3})}, [](const Vec& x) {
    auto [v, m] = var_mean(x[0], 0);
    auto [low, high] = aminmax(x[0], 1);
    return Vec{v, m, low, high, nansum(x[0], 1)};
  });
  add(r, "msort, nanmedian, cumlogsumexp", {real({5, 2})}, [](const Vec& x) {
    return Vec{msort(x[0]), nanmedian(x[0]), lax::cumlogsumexp(x[0], 1, true)};
  });
  add(r, "pairwise_distance", {real({3, 4}), real({3, 4}, 1)}, [](const Vec& x) {
    return Vec{pairwise_distance(x[0], x[1]), pairwise_distance(x[0], x[1], 3)};
  });
  return r;
}
FUNCTRA_ROW(windowed) {
  Row r;
  add(r, "conv1d", {real({2, 2, 5}), real({2, 2, 2}, 1), real({2}, 2)}, [](const Vec& x) { return Vec{conv1d(x[0], x[1], x[2], 2, 1)}; });
  add(r, "conv2d of groups", {real({1, 2, 3, 4}), real({2, 1, 2, 2}, 1)}, [](const Vec& x) { return Vec{conv2d(x[0], x[1], {}, 1, 0, {1, 2}, 2)}; });
  add(r, "conv3d", {real({1, 1, 2, 3, 2}), real({1, 1, 2, 2, 1}, 1)}, [](const Vec& x) { return Vec{conv3d(x[0], x[1])}; });
  add(r, "pools", {real({1, 2, 4, 4})}, [](const Vec& x) { return Vec{max_pool2d(x[0], 2, 1), avg_pool2d(x[0], 2, 2, 1, false)}; });
  add(r, "pools of one dimension", {real({2, 1, 6})}, [](const Vec& x) { return Vec{max_pool1d(x[0], 3), avg_pool1d(x[0], 2)}; });
  return r;
}
FUNCTRA_ROW(solved_by_factors) {
  Row r;
  auto matrix = [](const Tensor& a) { return a + 5.0 * eye(a.size(-1), d); };
  add(r, "inv", {real({3, 3})}, [=](const Vec& x) { return Vec{linalg::inv(matrix(x[0]))}; });
  add(r, "solve_triangular", {real({3, 3}), real({3, 2}, 1)},
      [=](const Vec& x) { return Vec{linalg::solve_triangular(matrix(x[0]), x[1], {.upper = true})}; });
  add(r, "cholesky_solve", {real({3, 3}), real({3, 2}, 1)}, [=](const Vec& x) { return Vec{linalg::cholesky_solve(x[1], matrix(x[0]))}; });
  add(r, "lu_factor, lu_solve", {real({3, 3}), real({3, 1}, 1)}, [=](const Vec& x) {
    auto [lu, pivots] = linalg::lu_factor(matrix(x[0]));
    return Vec{lu, linalg::lu_solve(lu, pivots, x[1])};
  });
  r.grad_tol = 1e-4;
  return r;
}
FUNCTRA_ROW(draws_of_keys) {
  Row r;
  const Tensor key = random::key(7);
  add(r, "numbers", {key}, [](const Vec& k) {
    return Vec{random::uniform(k[0], {3}, d), random::normal(k[0], {2, 2}, d), random::exponential(k[0], {3}, d), random::gumbel(k[0], {3}, d)};
  });
  add(r, "integers and orders", {key}, [](const Vec& k) {
    return Vec{random::randint(k[0], {5}, 0, 9), random::permutation(k[0], 6), random::bernoulli(k[0], 0.3, {7}), random::split(k[0], 3),
               random::fold_in(k[0], 4)};
  });
  add(r, "classes", {real({3, 4}), key}, [](const Vec& x) { return Vec{random::categorical(x[1], x[0])}; });
  r.zero_derivative = true;
  return r;
}

}  // namespace functra::testing
