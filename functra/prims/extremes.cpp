// Largest and smallest values, and where they are.
#include "functra/prims/families.h"
#include "functra/prims/math.h"
#include "functra/prims/reduce.h"

namespace functra::prims {
namespace {

// Elements that equal the extreme share its derivative evenly, as torch.amax.
constexpr JvpRule jvp_extreme = [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  bind_prim(c, x, y);
  if (!is_differentiable(y[0].raw_dtype())) return;
  auto& dims = c.params.get<DimsParams>().dims;
  Tensor at = eq(x[0], unreduce(y[0], x[0].sizes(), dims));
  Tensor count = core::sum(convert(at, y[0].dtype()), dims);
  dy[0] = div(core::sum(select(at, t[0], like(0, t[0])), dims), count);
};

void shape_arg(const Call& c, std::span<const Aval> in, std::span<Aval> out) {
  std::int64_t d = c.params.get<ArgParams>().dim;
  const Shape& s = in[0].shape;
  if (d < 0 || d >= s.rank())
    throw IndexError(std::string(c.prim.name) + ": dimension " + std::to_string(d) + " is out of range for shape " + s.str());
  if (s[static_cast<std::size_t>(d)] == 0)
    throw ShapeError(std::string(c.prim.name) + ": dimension " + std::to_string(d) + " of shape " + s.str() + " is empty and has no extreme");
  if (is_complex(in[0].dtype))
    throw DTypeError(std::string(c.prim.name) + ": " + std::string(name_of(in[0].dtype)) + " has no order; use abs or a real part");
  out[0] = {DType::i64, false, s.without(static_cast<std::size_t>(d))};
}
template <bool max> void eval_arg(const Call& c, Ins in, Outs out) {
  auto d = static_cast<int>(c.params.get<ArgParams>().dim);
  const Tensor& x = in[0];
  Tensor r = Tensor::uninitialized(DType::i64, x.shape_ref().without(static_cast<std::size_t>(d)));
  kernels::arg_reduce(max, x.raw_dtype(), x.bytes(), x.shape_ref(), x.strides_ref(), d, static_cast<std::int64_t*>(r.mutable_bytes()));
  out[0] = std::move(r);
}
template <bool max> constexpr Primitive arg_p(const char* name) {
  Primitive p{.name = name};
  p.params = &param_type<ArgParams>;
  p.n_in = 1;
  p.shape = shape_arg;
  p.eval = eval_arg<max>;
  p.jvp = jvp_zero;
  p.batch = [](const Call& c, const BatchContext&, std::span<Batched> in, std::span<Batched> out) {
    std::int64_t d = c.params.get<ArgParams>().dim;
    bool after = d >= in[0].dim;
    out[0] = {bind1(c.prim, in[0].value, ArgParams{d + after}), in[0].dim - !after};
  };
  p.lowering = {.kind = Lowering::Kind::kernel};
  return p;
}

}  // namespace

// ---------------------------------------------------------------- reduce_max, reduce_min
constexpr Primitive reduce_max_p = reduction_p<kernels::Reduce::max>("reduce_max", core::ReduceOp::max, jvp_extreme);
constexpr Primitive reduce_min_p = reduction_p<kernels::Reduce::min>("reduce_min", core::ReduceOp::min, jvp_extreme);
Tensor reduce_max(const Tensor& x, const Shape& dims) { return dims.empty() ? x : bind1(reduce_max_p, x, DimsParams{dims}); }
Tensor reduce_min(const Tensor& x, const Shape& dims) { return dims.empty() ? x : bind1(reduce_min_p, x, DimsParams{dims}); }

// ---------------------------------------------------------------- argmax, argmin
constexpr Primitive argmax_p = arg_p<true>("argmax");
constexpr Primitive argmin_p = arg_p<false>("argmin");
Tensor argmax(const Tensor& x, int dim) { return bind1(argmax_p, x, ArgParams{dim}); }
Tensor argmin(const Tensor& x, int dim) { return bind1(argmin_p, x, ArgParams{dim}); }

Table extremes_table() {
  static constexpr const Primitive* t[] = {&reduce_max_p, &reduce_min_p, &argmax_p, &argmin_p};
  return t;
}

}  // namespace functra::prims
