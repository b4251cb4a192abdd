#include "laws/emitter_law.h"

#include <cmath>

#include "functra/core/interp.h"
#include "functra/functra.h"
#include "support/test_emitter.h"

namespace functra::testing {
namespace {
template <class F> void with_type(DType d, F f) {
  switch (d) {
    case DType::bool_: return f(bool());
    case DType::u8: return f(std::uint8_t());
    case DType::u16: return f(std::uint16_t());
    case DType::u32: return f(std::uint32_t());
    case DType::u64: return f(std::uint64_t());
    case DType::i8: return f(std::int8_t());
    case DType::i16: return f(std::int16_t());
    case DType::i32: return f(std::int32_t());
    case DType::i64: return f(std::int64_t());
    case DType::f32: return f(float());
    case DType::f64: return f(double());
    default: throw std::logic_error("no symbolic arithmetic for this dtype");
  }
}
}  // namespace

std::optional<bool> lowering_agrees(const std::string& primitive, const Sample& s) {
  const core::Primitive* p = core::find_primitive(primitive);
  if (!p || p->lowering.kind != core::Lowering::Kind::scalar) return std::nullopt;
  Program traced = make_fx([&](const Vec& v) { return s.f(v); })(s.in);
  const core::Program& ir = *traced.ir();
  if (ir.eqns.size() != 1 || ir.eqns[0].prim != p || ir.eqns[0].n_in != s.in.size() || ir.inputs.size() != s.in.size()) return std::nullopt;
  for (std::size_t k = 0; k < s.in.size(); ++k)
    if (ir.operands(ir.eqns[0])[k] != ir.inputs[k]) return std::nullopt;
  core::Params params = ir.eqns[0].params;
  const void* values = p->lowering.formula_params ? p->lowering.formula_params(params) : params.value;
  Tensor y = s.f(s.in)[0].contiguous();
  std::int64_t n = std::min<std::int64_t>(y.numel(), 20);
  std::vector<Tensor> in;
  for (const Tensor& t : s.in) in.push_back(t.contiguous());
  for (std::int64_t i = 0; i < n; ++i) {
    TestEmitter e;
    std::vector<Sym> syms;
    for (const Tensor& t : in) {
      auto* at = static_cast<const std::byte*>(t.bytes()) + (t.numel() == 1 ? 0 : i) * static_cast<std::int64_t>(size_of(t.raw_dtype()));
      with_type(t.raw_dtype(), [&](auto x) {
        std::memcpy(&x, at, sizeof x);
        syms.push_back(e.input(x));
      });
    }
    Sym r = p->lowering.formula->emit(e, syms, values);
    bool same = r.dtype == y.raw_dtype();
    auto* at = static_cast<const std::byte*>(y.bytes()) + i * static_cast<std::int64_t>(size_of(y.raw_dtype()));
    with_type(y.raw_dtype(), [&](auto want) {
      using T = decltype(want);
      std::memcpy(&want, at, sizeof want);
      T got = e.value<T>(r);
      if constexpr (std::is_floating_point_v<T>)  // fused steps may differ in the last places
        same &= got == want || (got != got && want != want) || std::fabs(got - want) <= 8 * std::numeric_limits<T>::epsilon() * std::fabs(want);
      else same &= got == want;
    });
    if (!same) return false;
  }
  return true;
}

}  // namespace functra::testing
