// A transpose of what is computed element by element from a contraction is made where it costs nothing: by the order of the contraction's
// operands and of their dimensions. Its readers then read it as it lies in memory.
#include <algorithm>

#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/contract.h"
#include "functra/prims/index.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;
using Kind = core::Lowering::Kind;

bool elementwise(const Match& m, const Made& e, const Tensor& t) {
  const Kind k = e.prim()->lowering.kind;
  if (k != Kind::scalar && k != Kind::convert) return false;
  for (std::size_t i = 0; i < e.size(); ++i)
    if (!e[i].rank0() && !(m.shape(e[i]) == m.shape(t))) return false;
  return true;
}

// Values with their dimensions in another order: dimension i is perm[i] of what it was.
class Turned {
 public:
  explicit Turned(const Match& m) : m_(m) {}
  // Can t be turned without a copy of something as large? Then contractions() says of how many products.
  bool possible(const Tensor& t, const Shape& perm) {
    constexpr int most = 64;  // equations
    if (++seen_ > most) return false;
    if (t.rank0()) return true;
    Made e = m_.made(t);
    if (!e) return false;
    if (e.prim() == &core::broadcast_in_dim_p || e.prim() == &iota_p) return true;
    if (!m_.once(t)) return false;
    if (elementwise(m_, e, t)) {
      for (std::size_t i = 0; i < e.size(); ++i)
        if (!possible(e[i], perm)) return false;
      return true;
    }
    if (e.prim() != &dot_general_p) return false;
    const auto p = product(t, e, perm);
    ++contractions_;
    return p.has_value();
  }
  int contractions() const { return contractions_; }
  Tensor made(const Tensor& t, const Shape& perm) {
    if (t.rank0()) return t;
    Made e = m_.made(t);
    if (e.prim() == &dot_general_p) {
      const Product p = *product(t, e, perm);
      return prims::dot_general(operand(e[p.first], p.perm[0]), operand(e[1 - p.first], p.perm[1]), p.dims);
    }
    if (e.prim() == &iota_p) {
      const auto& q = e.params<IotaParams>();
      return iota(q.dtype, q.shape.pick(perm), perm.find(q.dim));
    }
    if (e.prim() == &core::broadcast_in_dim_p) return core::permute(t, perm);
    std::vector<Tensor> in(e.size());
    for (std::size_t i = 0; i < e.size(); ++i) in[i] = made(e[i], perm);
    Tensor r;
    core::bind_prim({*e.prim(), e.any_params()}, in, {&r, 1});
    return r;
  }

 private:
  struct Product {
    std::size_t first;  // the operand that comes first
    Shape perm[2];      // of the operands, in their new order
    DotParams dims;
  };
  Tensor operand(const Tensor& t, const Shape& perm) const {
    if (perm == Shape::iota(perm.size())) return t;
    Turned computed(m_);
    return computed.possible(t, perm) ? computed.made(t, perm) : core::permute(t, perm);
  }
  std::optional<Product> product(const Tensor& t, const Made& e, const Shape& perm) const {
    const DotParams& p = e.params<DotParams>();
    const Shape summed[2] = {p.left, p.right}, batch[2] = {p.left_batch, p.right_batch};
    const std::size_t n = p.left_batch.size();
    Shape free[2];
    for (std::size_t k : {0u, 1u}) free[k] = summed[k].concat(batch[k]).others(m_.shape(e[k]).size());
    Shape order, turned[2];  // of the shared dimensions, and of those of each operand
    std::size_t first = 0;
    for (std::size_t i = 0; i < perm.size(); ++i) {
      const std::size_t d = at(perm[i]), k = d < n + free[0].size() ? 0 : 1;
      if (i < n) {
        if (d >= n) return {};
        order.push_back(perm[i]);
        continue;
      }
      if (d < n) return {};
      if (i == n) first = k;
      if (k == first && !turned[1 - first].empty()) return {};  // those of one operand stand together
      turned[k].push_back(free[k][d - n - (k ? free[0].size() : 0)]);
    }
    Product r{first, {}, {}};
    for (std::size_t k : {0u, 1u}) {
      Shape& q = r.perm[k == first ? 0 : 1] = Shape::iota(m_.shape(e[k]).size());
      for (std::size_t i = 0; i < free[k].size(); ++i) q[at(free[k][i])] = turned[k][i];
      const bool moved = !(turned[k] == free[k]);
      if (moved && 2 * m_.shape(e[k]).numel() > m_.shape(t).numel()) return {};
    }
    const std::size_t second = 1 - first;
    r.dims = {summed[first], summed[second], batch[first].pick(order), batch[second].pick(order)};
    return r;
  }

  const Match& m_;
  int seen_ = 0, contractions_ = 0;
};

Tensor transpose_of_computed(const Match& m) {
  Made e = m.made(m[0]);
  if (!e || !m.once(m[0]) || !elementwise(m, e, m[0])) return {};
  const Shape& perm = m.params<PermParams>().perm;
  Turned t(m);
  return t.possible(m[0], perm) && t.contractions() ? t.made(m[0], perm) : Tensor();
}

constexpr Rule rules[] = {
    {&core::transpose_p, "transpose_of_computed", "what is computed from a contraction is computed in the other order", transpose_of_computed},
};

}  // namespace

Rules turn_rules() { return rules; }

}  // namespace functra::compiler
