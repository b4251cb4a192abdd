// checkpoint: which values a derivative keeps, and which it computes again.
#pragma once
#include "functra/transforms/callable.h"

namespace functra {

// What reverse mode may keep of a checkpointed function besides its arguments.
struct CheckpointPolicy {
  enum class Kind : std::uint8_t { nothing, everything, dots, dots_no_batch, only_names, any_names_but, anything_except } kind = Kind::nothing;
  std::vector<std::string> names{};
};
namespace policies {
inline const CheckpointPolicy nothing_saveable{};
inline const CheckpointPolicy everything_saveable{CheckpointPolicy::Kind::everything};
inline const CheckpointPolicy dots_saveable{CheckpointPolicy::Kind::dots};  // results of contractions: matmul, einsum, dot_general
inline const CheckpointPolicy dots_with_no_batch_dims_saveable{CheckpointPolicy::Kind::dots_no_batch};
// Values that checkpoint_name names so, and no others.
inline CheckpointPolicy save_only_these_names(std::vector<std::string> names) { return {CheckpointPolicy::Kind::only_names, std::move(names)}; }
inline CheckpointPolicy save_any_names_but_these(std::vector<std::string> names) { return {CheckpointPolicy::Kind::any_names_but, std::move(names)}; }
// Every value but those named so.
inline CheckpointPolicy save_anything_except_these_names(std::vector<std::string> names) {
  return {CheckpointPolicy::Kind::anything_except, std::move(names)};
}
}  // namespace policies
struct CheckpointOptions {
  CheckpointPolicy policy{};
};

// A value kept by a derivative: where it comes from ("argument 0.w", "captured tensor", or the operation), and the line of the
// user's program where it is known.
struct SavedResidual {
  DType dtype;
  Shape shape;
  std::int64_t bytes;
  std::string from, where;
};
std::string to_string(const SavedResidual& r);  // "f32[3, 4], 48 bytes: dot_general at model.cpp:12"

namespace erased {
void checkpoint(Refs args, Call f, const CheckpointPolicy& policy);
std::vector<SavedResidual> saved_residuals(Refs args, Call f);
}  // namespace erased

// x, under a name that policies can refer to.
Tensor checkpoint_name(const Tensor& x, const std::string& name);

namespace detail {

template <class F> class Checkpoint : public Callable<Checkpoint<F>, signature_t<F>> {
 public:
  Checkpoint(F f, CheckpointPolicy p) : f_(std::move(f)), policy_(std::move(p)) {}
  template <std::size_t> using Lift = LiftNone;
  template <class... T> auto run(T&... t) const {
    if constexpr (!check_call<F, T...>()) return Anything{};
    else {
      Runner<F, false, T...> f(f_, t...);
      const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
      erased::checkpoint(refs, f, policy_);
      return f.take();
    }
  }

 private:
  F f_;
  CheckpointPolicy policy_;
};
template <class F> class SavedResiduals : public Callable<SavedResiduals<F>, signature_t<F>> {
 public:
  explicit SavedResiduals(F f) : f_(std::move(f)) {}
  template <std::size_t> using Lift = LiftAll;
  template <class... T> std::vector<SavedResidual> run(T&... t) const {
    if constexpr (!check_call<F, T...>()) return {};
    else {
      Runner<F, false, T...> f(f_, t...);
      const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
      return erased::saved_residuals(refs, f);
    }
  }

 private:
  F f_;
};

}  // namespace detail

// f, of which reverse mode keeps the arguments and what the policy allows, and computes the rest again when cotangents arrive. f is
// traced at each call. The policy holds for derivatives of every order; later passes do not undo it.
template <class F> auto checkpoint(F f, CheckpointOptions o = {}) { return detail::Checkpoint<F>(std::move(f), std::move(o.policy)); }

// saved_residuals(f)(args...): what vjp(f, args...) would keep, in the order of the program.
template <class F> auto saved_residuals(F f) { return detail::SavedResiduals<F>(std::move(f)); }

}  // namespace functra
