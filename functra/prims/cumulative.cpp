// Running sums, products, extremes and log-sum-exps, and the first-order linear recurrence that is the derivative of some.
#include <limits>

#include "functra/kernels/recurrence.h"
#include "functra/prims/families.h"
#include "functra/prims/gather.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"

namespace functra::prims {
namespace {

void check_dim(const Call& c, const Shape& s) {
  std::int64_t d = c.params.get<CumulativeParams>().dim;
  if (d < 0 || d >= s.rank())
    throw IndexError(std::string(c.prim.name) + ": dimension " + std::to_string(d) + " is out of range for shape " + s.str());
}
constexpr Primitive cumulative_family(const char* name, JvpRule jvp, decltype(Primitive::eval) eval) {
  Primitive p{.name = name};
  p.params = &param_type<CumulativeParams>;
  p.n_in = 1;
  p.shape = [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
    check_dim(c, in[0].shape);
    out[0] = in[0];
  };
  p.eval = eval;
  p.jvp = jvp;
  p.batch = [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
    auto& q = c.params.get<CumulativeParams>();
    out[0] = {bind1(c.prim, in[0].value, CumulativeParams{q.dim + (q.dim >= in[0].dim), q.reverse}), in[0].dim};
  };
  p.lowering = {.kind = Lowering::Kind::kernel};
  return p;
}
template <kernels::Reduce op> constexpr Primitive cumulative_p(const char* name, JvpRule jvp) {
  return cumulative_family(name, jvp, [](const Call& c, Ins in, Outs out) {
    auto& q = c.params.get<CumulativeParams>();
    const Tensor& x = in[0];
    Tensor r = Tensor::uninitialized(x.raw_dtype(), x.shape_ref());
    kernels::cumulative(op, q.reverse, x.raw_dtype(), x.bytes(), x.shape_ref(), x.strides_ref(), static_cast<int>(q.dim), r.mutable_bytes());
    out[0] = std::move(r);
  });
}
// x one place later along dim (earlier if reverse), `fill` in the gap.
Tensor shifted_along(const Tensor& x, double fill, int dim, bool reverse) {
  Shape none = Shape::filled(x.sizes().size(), 0), one = none, back = none;
  one[static_cast<std::size_t>(dim)] = 1;
  back[static_cast<std::size_t>(dim)] = -1;
  return reverse ? pad(x, like(fill, x), back, one, none) : pad(x, like(fill, x), one, back, none);
}

}  // namespace

// ---------------------------------------------------------------- cumsum
constexpr Primitive cumsum_p = [] {
  Primitive p = cumulative_p<kernels::Reduce::sum>("cumsum", jvp_linear);
  p.linear = true;
  p.transpose = [](const Call& c, Ins ct, std::span<const Operand>, Outs g) {
    auto& q = c.params.get<CumulativeParams>();
    g[0] = cumsum(ct[0], static_cast<int>(q.dim), !q.reverse);
  };
  return p;
}();
Tensor cumsum(const Tensor& x, int dim, bool reverse) { return bind1(cumsum_p, x, CumulativeParams{dim, reverse}); }

// ---------------------------------------------------------------- cumprod
// y_i = x_i y_{i-1}, so dy_i = x_i dy_{i-1} + y_{i-1} t_i: nothing is divided, and zeros are as good as other values.
constexpr Primitive cumprod_p = cumulative_p<kernels::Reduce::prod>("cumprod", [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  bind_prim(c, x, y);
  if (!is_differentiable(y[0].raw_dtype())) return;
  auto& q = c.params.get<CumulativeParams>();
  int dim = static_cast<int>(q.dim);
  dy[0] = linear_recurrence(x[0], mul(t[0], shifted_along(y[0], 1, dim, q.reverse)), dim, q.reverse);
});
Tensor cumprod(const Tensor& x, int dim, bool reverse) { return bind1(cumprod_p, x, CumulativeParams{dim, reverse}); }

// ---------------------------------------------------------------- cummax, cummin
Tensor extreme_positions(const Tensor& x, const Tensor& y, int dim, bool reverse) {
  Shape s = x.sizes();
  Tensor at = eq(x, y), where = iota(DType::i64, s, dim);
  if (is_floating(x.raw_dtype())) at = bitwise_or(at, ne(x, x));
  return reverse ? cummin(select(at, where, like(static_cast<double>(s[static_cast<std::size_t>(dim)]), where)), dim, true)
                 : cummax(select(at, where, like(-1, where)), dim, false);
}
namespace {
constexpr JvpRule jvp_running_extreme = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  bind_prim(c, x, y);
  if (!is_differentiable(y[0].raw_dtype())) return;
  auto& q = c.params.get<CumulativeParams>();
  int dim = static_cast<int>(q.dim);
  dy[0] = x[0].numel() ? take_along(t[0], extreme_positions(x[0], y[0], dim, q.reverse), dim) : t[0];
};
}  // namespace
constexpr Primitive cummax_p = cumulative_p<kernels::Reduce::max>("cummax", jvp_running_extreme);
constexpr Primitive cummin_p = cumulative_p<kernels::Reduce::min>("cummin", jvp_running_extreme);
Tensor cummax(const Tensor& x, int dim, bool reverse) { return bind1(cummax_p, x, CumulativeParams{dim, reverse}); }
Tensor cummin(const Tensor& x, int dim, bool reverse) { return bind1(cummin_p, x, CumulativeParams{dim, reverse}); }

// ---------------------------------------------------------------- logcumsumexp
// dy_i = exp(y_{i-1} - y_i) dy_{i-1} + exp(x_i - y_i) t_i, whose factors are at most 1; 0 where y is -infinity.
constexpr Primitive logcumsumexp_p = cumulative_family(
    "logcumsumexp",
    [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
      bind_prim(c, x, y);
      auto& q = c.params.get<CumulativeParams>();
      int dim = static_cast<int>(q.dim);
      constexpr double infinity = std::numeric_limits<double>::infinity();
      Tensor top = select(eq(y[0], like(-infinity, y[0])), like(0, y[0]), y[0]);
      Tensor a = exp(core::sub(shifted_along(y[0], -infinity, dim, q.reverse), top));
      dy[0] = linear_recurrence(a, mul(t[0], exp(core::sub(x[0], top))), dim, q.reverse);
    },
    [](const Call& c, Ins in, Outs out) {
      auto& q = c.params.get<CumulativeParams>();
      const Tensor x = in[0].contiguous();
      Tensor r = Tensor::uninitialized(x.raw_dtype(), x.shape_ref());
      kernels::log_cumulative_sum_exp(x.raw_dtype(), x.bytes(), x.shape_ref(), static_cast<int>(q.dim), q.reverse, r.mutable_bytes());
      out[0] = std::move(r);
    });
Tensor logcumsumexp(const Tensor& x, int dim, bool reverse) { return bind1(logcumsumexp_p, x, CumulativeParams{dim, reverse}); }

// ---------------------------------------------------------------- linear_recurrence (a, b): s_i = a_i s_{i-1} + b_i
constexpr Primitive linear_recurrence_p = {
    .name = "linear_recurrence",
    .params = &param_type<CumulativeParams>,
    .n_in = 2,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          check_dim(c, in[0].shape);
          if (!(in[0].shape == in[1].shape))
            throw ShapeError("linear_recurrence: shapes " + in[0].shape.str() + " and " + in[1].shape.str() + " differ");
          if (in[0].dtype != in[1].dtype)
            throw DTypeError("linear_recurrence: dtypes " + std::string(name_of(in[0].dtype)) + " and " + std::string(name_of(in[1].dtype)) +
                             " differ");
          out[0] = in[1];
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& q = c.params.get<CumulativeParams>();
          const Tensor a = in[0].contiguous(), b = in[1].contiguous();
          Tensor r = Tensor::uninitialized(b.raw_dtype(), b.shape_ref());
          kernels::linear_recurrence(b.raw_dtype(), a.bytes(), b.bytes(), b.shape_ref(), static_cast<int>(q.dim), q.reverse, r.mutable_bytes());
          out[0] = std::move(r);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          // ds_i = a_i ds_{i-1} + (da_i s_{i-1} + db_i)
          bind_prim(c, x, y);
          if (!is_differentiable(y[0].raw_dtype())) return;
          auto& q = c.params.get<CumulativeParams>();
          int dim = static_cast<int>(q.dim);
          Tensor moved = is_zero(t[0]) ? Tensor() : mul(t[0], shifted_along(y[0], 0, dim, q.reverse));
          dy[0] = linear_recurrence(x[0], add_ct(std::move(moved), t[1]), dim, q.reverse);
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          // g_i = ct_i + a_{i+1} g_{i+1}
          if (in[0].linear()) Operand::not_known();
          auto& q = c.params.get<CumulativeParams>();
          int dim = static_cast<int>(q.dim);
          g[1] = linear_recurrence(shifted_along(*in[0], 0, dim, !q.reverse), ct[0], dim, !q.reverse);
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          auto& q = c.params.get<CumulativeParams>();
          out[0] = {linear_recurrence(move_dim0(in[0], ctx.size), move_dim0(in[1], ctx.size), static_cast<int>(q.dim) + 1, q.reverse), 0};
        },
    .lowering = {.kind = Lowering::Kind::kernel}};
Tensor linear_recurrence(const Tensor& a, const Tensor& b, int dim, bool reverse) {
  const Tensor in[2] = {a, b};
  return bind1(linear_recurrence_p, in, CumulativeParams{dim, reverse});
}

Table cumulative_table() {
  static constexpr const Primitive* t[] = {&cumsum_p, &cumprod_p, &cummax_p, &cummin_p, &logcumsumexp_p, &linear_recurrence_p};
  return t;
}

}  // namespace functra::prims
