// custom_jvp and custom_vjp: a function with derivative rules of the user's.
#pragma once
#include "functra/transforms/jvp.h"

namespace functra {

namespace detail {

// Arguments and results of f and its rules as lists of leaves, for one call.
template <class F, class... T> class Packed {
 public:
  using R = result_t<F, T...>;
  Packed(const F& f, T&... t) : f_(f), args(t...), refs{TreeRef(t)...} {}
  std::vector<Tensor> call_f(std::span<const Tensor> leaves) {
    tree::assign(refs, leaves);
    std::apply([&](const auto&... t) { result.emplace(call(f_, t...)); }, args);
    return tree::leaves(TreeRef(*result));
  }
  // Result leaves of the whole call, in the structure that f returned.
  R finish(std::span<const Tensor> leaves) {
    tree::assign(TreeRef(*result), leaves);
    return R(std::move(*result));
  }
  // For messages: " at force", " of argument 0.w".
  auto result_path() const {
    return [this](std::size_t i) {
      std::string path = tree::paths(TreeRef(*result))[i];
      return path.empty() ? path : " at " + path;
    };
  }
  auto argument_path() const {
    return [this](std::size_t i) { return " of " + tree::argument_paths(refs)[i]; };
  }

 private:
  const F& f_;

 public:
  std::tuple<T&...> args;
  std::array<TreeRef, sizeof...(T)> refs;
  std::optional<R> result;
};
template <class T> void append_leaves(std::vector<Tensor>& out, const T& t) {
  for (Tensor& x : tree::leaves(TreeRef(t))) out.push_back(std::move(x));
}
void check_rule_leaves(const char* who, const std::string& what, TreeRef is, TreeRef should);  // StructureError unless of one structure

template <class F, class Rule> class CustomJvp : public Callable<CustomJvp<F, Rule>, signature_t<F>> {
 public:
  CustomJvp(F f, Rule rule) : f_(std::move(f)), rule_(std::move(rule)) {}
  template <std::size_t> using Lift = LiftAll;
  template <class... T> auto run(T&... t) const {
    if constexpr (!check_call<F, T...>()) return Anything{};
    else {
      using P = Packed<F, T...>;
      P packed(f_, t...);
      auto f = [&](std::span<const Tensor> leaves) { return packed.call_f(leaves); };
      auto rule = [&](std::span<const Tensor> both) {
        std::size_t n = both.size() / 2;
        tree::assign(packed.refs, both.subspan(n));
        auto tangents = std::apply([](auto&... x) { return std::tuple<tangent_t<T>...>(tangent_copy(x)...); }, packed.args);
        tree::assign(packed.refs, both.first(n));
        auto primals = std::tuple<T...>(packed.args);
        auto r = rule_(std::as_const(primals), std::as_const(tangents));
        constexpr bool pair = is_pair<decltype(r)>;
        static_assert(pair, "functra: the rule of custom_jvp must return a pair (value, tangent)");
        std::vector<Tensor> out;
        if constexpr (pair) {
          const typename P::R y = std::get<0>(r);
          out = tree::leaves(TreeRef(y));
          if constexpr (std::is_same_v<std::decay_t<decltype(std::get<1>(r))>, NoneType>) out.resize(2 * out.size());  // a zero tangent
          else {
            const typename P::R dy = std::get<1>(r);
            check_rule_leaves("custom_jvp", "the tangent", TreeRef(dy), TreeRef(y));
            append_leaves(out, dy);
          }
        }
        return out;
      };
      std::vector<Tensor> x = tree::leaves(packed.refs);
      std::vector<Tensor> y = erased::custom_jvp(x, f, rule, packed.result_path());
      return packed.finish(y);
    }
  }

 private:
  template <class T> static tangent_t<T> tangent_copy(const T& t) {
    if constexpr (StaticLeaf<T>) return none;
    else return t;
  }
  F f_;
  Rule rule_;
};

template <class F, class Fwd, class Bwd> class CustomVjp : public Callable<CustomVjp<F, Fwd, Bwd>, signature_t<F>> {
 public:
  CustomVjp(F f, Fwd fwd, Bwd bwd) : f_(std::move(f)), fwd_(std::move(fwd)), bwd_(std::move(bwd)) {}
  template <std::size_t> using Lift = LiftAll;
  template <class... T> auto run(T&... t) const {
    if constexpr (!check_call<F, T...>()) return Anything{};
    else if constexpr (!check_call<Fwd, T...>()) return Anything{};
    else if constexpr (!check_forward<result_t<Fwd, T...>>()) return Anything{};
    else {
      using P = Packed<F, T...>;
      using Residuals = aux_t<result_t<Fwd, T...>>;
      P packed(f_, t...);
      std::optional<Residuals> residuals;
      const std::vector<Tensor> x = tree::leaves(packed.refs);
      auto f = [&](std::span<const Tensor> leaves) { return packed.call_f(leaves); };
      auto fwd = [&](std::span<const Tensor> leaves) {
        tree::assign(packed.refs, leaves);
        auto r = std::apply([&](const auto&... x) { return call(fwd_, x...); }, packed.args);
        const typename P::R y = std::get<0>(r);
        residuals.emplace(std::get<1>(r));
        std::vector<Tensor> out = tree::leaves(TreeRef(y));
        append_leaves(out, *residuals);
        return out;
      };
      auto bwd = [&](std::span<const Tensor> in) {
        std::size_t n = tree::count(TreeRef(*residuals));
        tree::assign(TreeRef(*residuals), in.first(n));
        typename P::R cotangent = *packed.result;
        tree::assign(TreeRef(cotangent), in.subspan(n));
        tree::assign(packed.refs, x);  // what cotangents are checked against
        auto g = bwd_(std::as_const(*residuals), std::as_const(cotangent));
        constexpr int given = list_size<decltype(g)>;
        constexpr bool bare = sizeof...(T) == 1 && given != 1, each = given == static_cast<int>(sizeof...(T));
        static_assert(bare || each, "functra: the backward rule of custom_vjp must return one cotangent per argument of f (ft::none at static ones)");
        std::vector<Tensor> out;
        if constexpr (bare) (put_cotangent<T>(out, g, std::get<0>(packed.args), 0), ...);
        else if constexpr (each) {
          [&]<std::size_t... I>(std::index_sequence<I...>) { (put_cotangent<T>(out, std::get<I>(g), std::get<I>(packed.args), I), ...); }
          (std::index_sequence_for<T...>{});
        }
        return out;
      };
      std::vector<Tensor> y = erased::custom_vjp(x, f, fwd, bwd, packed.result_path(), packed.argument_path());
      return packed.finish(y);
    }
  }

 private:
  template <class R> static constexpr bool check_forward() {
    static_assert(is_pair<R>, "functra: the forward rule of custom_vjp must return a pair (value, residuals)");
    return is_pair<R>;
  }
  // Leaves of the cotangent g of argument t; undefined ones for none.
  template <class T, class G> static void put_cotangent(std::vector<Tensor>& out, const G& g, T& t, std::size_t number) {
    if constexpr (std::is_same_v<G, NoneType> || StaticLeaf<T>) out.resize(out.size() + tree::count(TreeRef(t)));
    else {
      constexpr bool converts = std::is_convertible_v<const G&, T>;
      static_assert(converts, "functra: a cotangent of the backward rule has another type than its argument (see T and G in 'put_cotangent<T, G>')");
      if constexpr (converts) {
        const T like = g;
        check_rule_leaves("custom_vjp", "the cotangent of argument " + std::to_string(number), TreeRef(like), TreeRef(t));
        append_leaves(out, like);
      }
    }
  }
  F f_;
  Fwd fwd_;
  Bwd bwd_;
};

}  // namespace detail

// f with a forward-mode rule: rule(primals, tangents) -> (value, tangent), both tuples with an entry per argument (none for the
// tangent of a static one); the tangent may be none where it is zero. The rule is differentiated for higher derivatives.
template <class F, class Rule> auto custom_jvp(F f, Rule rule) { return detail::CustomJvp<F, Rule>(std::move(f), std::move(rule)); }

// f with a reverse-mode rule: fwd(x...) -> (value, residuals), bwd(residuals, cotangent) -> a tuple with a cotangent per argument, or
// the bare cotangent of the only one; none at static arguments and where it is zero.
template <class F, class Fwd, class Bwd> auto custom_vjp(F f, Fwd fwd, Bwd bwd) {
  return detail::CustomVjp<F, Fwd, Bwd>(std::move(f), std::move(fwd), std::move(bwd));
}

}  // namespace functra
