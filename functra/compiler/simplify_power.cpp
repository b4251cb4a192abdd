// pow(x, k/2) for a constant k in roots, reciprocals and products. Special values are those of pow: pow(-0, 1/2) is 0 and pow(-inf, 1/2)
// inf, where sqrt gives -0 and NaN. Results differ from pow by rounding.
#include <cmath>

#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/math.h"
#include "functra/prims/reduce.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;

// Is t above or at 0 whatever its operands are (or NaN), and never -0: looks a few equations back.
bool not_negative(const Match& m, const Tensor& t, int depth = 4) {
  if (auto c = m.constant(t)) return c->real() >= 0 && !std::signbit(c->real());
  Made e = m.made(t);
  if (!e || depth == 0) return false;
  const Primitive* p = e.prim();
  if (p == &abs_p || p == &exp_p || p == &exp2_p || p == &logistic_p || p == &softplus_p || p == &cosh_p) return true;
  if (p == &integer_pow_p) return e.params<IntegerPowParams>().n % 2 == 0 || not_negative(m, e[0], depth - 1);
  if (p == &mul_p && e[0].kind() == Tensor::Kind::Var && e[1].kind() == Tensor::Kind::Var && e[0].var() == e[1].var()) return true;
  if (p == &mul_p || p == &core::add_p) return not_negative(m, e[0], depth - 1) && not_negative(m, e[1], depth - 1);
  if (p == &core::reduce_sum_p || p == &reduce_max_p || p == &core::broadcast_in_dim_p || p == &core::transpose_p || p == &reshape_p ||
      p == &slice_p || p == &sqrt_p)
    return not_negative(m, e[0], depth - 1);
  return false;
}

Tensor constant_power(const Match& m) {
  auto c = m.constant(m[1]);
  DType d = m[0].raw_dtype();
  if (!c || (d != DType::f32 && d != DType::f64)) return {};
  const double twice = 2 * c->real();
  if (std::fabs(twice) > 8 || std::rint(twice) != twice) return {};
  const int k = static_cast<int>(twice), n = std::abs(k);
  const Shape shape = m.result_shape();
  Tensor x = spread(m[0], shape);
  if (k == 0) return spread(like(1, m[0]), shape);
  if (k % 2 == 0) return prims::integer_pow(x, k / 2);
  const bool plain = not_negative(m, m[0]);
  Tensor y = plain ? x : core::add(x, like(0, x));  // 0 for -0
  Tensor root = prims::sqrt(y), r;
  if (k > 0) r = k == 1 ? root : mul(prims::integer_pow(y, n / 2), root);
  else if (k == -1) r = div(like(1, x), root);
  else if (k >= -5) {  // from 1 / x and its root, which both powers share, and with them a power and its derivative
    const Tensor over = div(like(1, x), y);
    r = mul(k == -3 ? over : mul(over, over), prims::sqrt(over));
  } else r = div(prims::integer_pow(y, -(n / 2)), root);
  if (plain) return r;
  const double inf = std::numeric_limits<double>::infinity();
  return core::select(eq(x, like(-inf, x)), like(k > 0 ? inf : 0, x), r);
}

constexpr Rule rules[] = {
    {&pow_p, "constant_power", "pow(x, k/2) as roots, reciprocals and products", constant_power},
};

}  // namespace

Rules power_rules() { return rules; }

}  // namespace functra::compiler
