// The user's own C++ inside transformed functions: ordered effects (debug::print, debug::callback), pure callbacks, functions with a
// batching rule of their own, and new primitives.
#pragma once
#include <functional>

#include "functra/transforms/callable.h"

namespace functra {

// What vmap does with a C++ function that has no batching rule.
enum class CallbackVmap : std::uint8_t {
  error,         // a MissingRuleError
  sequential,    // one example after another
  expand_dims,   // one call; mapped arguments have a leading dimension, the others one of extent 1
  broadcast_all  // one call; all arguments have the leading dimension
};
struct CallbackOptions {
  CallbackVmap vmap = CallbackVmap::error;
  std::string name{};  // under which Programs print it; made up where empty, unique in the process
};

namespace erased {
void debug_print(std::string format, std::span<const Tensor> values);
void debug_callback(std::string name, std::function<void(std::span<const Tensor>)> f, std::span<const Tensor> leaves);
std::vector<Tensor> pure_callback(const CallbackOptions& o, std::function<std::vector<Tensor>(std::span<const Tensor>)> f, TreeRef like,
                                  std::span<const Tensor> leaves);
// rule(size, mapped per leaf, leaves with the mapped dimension in front) -> results, and whether they are mapped.
using VmapRuleFn =
    std::function<std::pair<std::vector<Tensor>, bool>(std::int64_t size, const std::vector<std::uint8_t>& mapped, std::vector<Tensor> in)>;
void custom_vmap(Refs args, Call f, VmapRuleFn rule);
}  // namespace erased

namespace detail {
// "{}" of an argument of several tensors becomes "({}, {})".
template <class T> void format_argument(std::vector<std::string>& parts, std::vector<Tensor>& values, const T& t) {
  if constexpr (Number<T>) {
    parts.push_back("{}");
    values.push_back(Tensor(t));
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    parts.push_back(std::string(std::string_view(t)));
  } else if constexpr (StaticLeaf<T>) {
    parts.push_back(tree::static_text(t));
  } else {
    auto leaves = tree::leaves(TreeRef(t));
    std::string s;
    for (std::size_t i = 0; i < leaves.size(); ++i) s += i ? ", {}" : "{}";
    parts.push_back(leaves.size() == 1 ? s : "(" + s + ")");
    values.insert(values.end(), leaves.begin(), leaves.end());
  }
}
std::string expand_format(std::string_view format, const std::vector<std::string>& parts);  // ValueError: another number of {}
template <class... T> std::vector<Tensor> all_leaves(const T&... t) {
  const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
  return tree::leaves(refs);
}
}  // namespace detail

namespace debug {

// Prints a line when the program runs, "{}" standing for the arguments ("{{" for a brace): once under grad, per example under vmap, at
// every run of a compiled function, at every step of a loop; only where a branch is taken. Lines keep their order; they are not removed.
template <class... T> void print(std::string_view format, const T&... values) {
  std::vector<std::string> parts;
  std::vector<Tensor> leaves;
  (detail::format_argument(parts, leaves, values), ...);
  erased::debug_print(detail::expand_format(format, parts), leaves);
}
// Where print writes its lines; null: standard output.
void set_sink(std::function<void(const std::string& line)> sink);

// Calls f on the arguments as print would print them. What f returns is ignored.
template <class F, class... T> void callback(F f, const T&... args) {
  auto values = std::tuple<T...>(args...);
  std::apply([](auto&... t) { (tree::clear(TreeRef(t)), ...); }, values);
  auto call = [f = std::move(f), values](std::span<const Tensor> leaves) {
    auto copy = values;
    std::apply(
        [&](auto&... t) {
          const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
          tree::assign(refs, leaves);
        },
        copy);
    std::apply(f, std::as_const(copy));
  };
  erased::debug_callback({}, std::move(call), detail::all_leaves(args...));
}

}  // namespace debug

// What stands inside a value of grad, vjp, jvp or vmap: the primal, or the batch with the mapped dimension where it lies; through every
// level (recurse), or one. For looking at values while a transform runs: computing with it loses the derivative, or the mapping.
// TracerError for a value that is only recorded (jit, make_fx), which has nothing inside; a plain tensor is returned as it is.
Tensor debug_unwrap(const Tensor& x, bool recurse = true);

// f(args...) computed by C++ that transforms do not look into: f gets tensors whose values can be read and returns a tree like `like`
// (its tensors give shapes and dtypes, see eval_shape). f must not depend on anything but its arguments: a call may be made again, or
// not at all. It has no derivative (wrap it in custom_jvp or custom_vjp); under vmap the options say what to do.
template <class F, class R, class... T> R pure_callback(CallbackOptions o, F f, const R& like, const T&... args) {
  auto values = std::tuple<T...>(args...);
  std::apply([](auto&... t) { (tree::clear(TreeRef(t)), ...); }, values);
  auto call = [f = std::move(f), values](std::span<const Tensor> leaves) {
    auto copy = values;
    std::apply(
        [&](auto&... t) {
          const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
          tree::assign(refs, leaves);
        },
        copy);
    const R r = std::apply(f, std::as_const(copy));
    return tree::leaves(TreeRef(r));
  };
  R result = like;
  auto out = erased::pure_callback(o, std::move(call), TreeRef(result), detail::all_leaves(args...));
  tree::assign(TreeRef(result), out);
  return result;
}
template <class F, class R, class... T>
requires(!std::is_same_v<F, CallbackOptions>) R pure_callback(F f, const R& like, const T&... args) {
  return functra::pure_callback(CallbackOptions{}, std::move(f), like, args...);
}

namespace detail {
template <class F, class Rule> class CustomVmap : public Callable<CustomVmap<F, Rule>, signature_t<F>> {
 public:
  CustomVmap(F f, Rule rule) : f_(std::move(f)), rule_(std::move(rule)) {}
  template <std::size_t> using Lift = LiftAll;
  template <class... T> auto run(T&... t) const {
    if constexpr (!check_call<F, T...>()) return Anything{};
    else {
      using R = result_t<F, T...>;
      auto example = std::tuple<T...>(t...);
      std::apply([](auto&... x) { (tree::clear(TreeRef(x)), ...); }, example);
      auto rule = [rule = rule_, example](std::int64_t size, const std::vector<std::uint8_t>& mapped, std::vector<Tensor> in) {
        auto args = example;
        std::array<bool, sizeof...(T)> of_argument{};
        std::size_t at = 0, k = 0;
        auto take = [&](TreeRef x) {  // an argument of which some tensors are mapped is mapped whole
          std::size_t n = tree::count(x);
          for (std::size_t i = 0; i < n; ++i) of_argument[k] |= mapped[at + i] != 0;
          std::vector<Tensor> leaves(in.begin() + static_cast<std::ptrdiff_t>(at), in.begin() + static_cast<std::ptrdiff_t>(at + n));
          for (std::size_t i = 0; i < n; ++i)
            if (of_argument[k] && !mapped[at + i]) leaves[i] = repeat_in_front(leaves[i], size);
          tree::assign(x, leaves);
          at += n;
          ++k;
        };
        std::apply([&](auto&... x) { (take(TreeRef(x)), ...); }, args);
        auto r = std::apply([&](const auto&... x) { return rule(size, std::as_const(of_argument), x...); }, args);
        static_assert(is_pair<decltype(r)>, "functra: the rule of custom_vmap must return a pair (results, whether they are mapped)");
        const R y = std::get<0>(r);
        return std::pair<std::vector<Tensor>, bool>(tree::leaves(TreeRef(y)), std::get<1>(r));
      };
      Runner<F, false, T...> f(f_, t...);
      const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
      erased::custom_vmap(refs, f, std::move(rule));
      return f.take();
    }
  }

 private:
  static Tensor repeat_in_front(const Tensor& t, std::int64_t size) { return t.unsqueeze(0).expand(t.sizes().with(0, size)); }
  F f_;
  Rule rule_;
};
}  // namespace detail

// f, of which vmap calls the rule instead: rule(size, mapped, args...) with `mapped` a std::array<bool, N>, mapped arguments with a leading
// dimension of that size, returns a pair (results, whether they are mapped: a leading dimension of that size). Derivatives are those of f.
template <class F, class Rule> auto custom_vmap(F f, Rule rule) { return detail::CustomVmap<F, Rule>(std::move(f), std::move(rule)); }

// ---------------------------------------------------------------- new primitives
struct TensorType {
  DType dtype;
  Shape shape;
  bool operator==(const TensorType&) const = default;
};
// Memory for one result, row-major.
struct OutputBuffer {
  DType dtype;
  Shape shape;
  void* data;
  // DTypeError unless T is the element type.
  template <Element T> std::span<T> span() const {
    if (dtype != dtype_of<T>) wrong_type();
    return {static_cast<T*>(data), static_cast<std::size_t>(shape.numel())};
  }
  [[noreturn]] void wrong_type() const;
};
// What a primitive is. `shape` gives the types of the results from those of the operands, and raises where they do not fit; `eval` reads
// contiguous operands (span<T>()) and fills the buffers; both must be safe to call from several threads. The rules are in terms of
// tensor operations, and may use the primitive itself:
//   jvp(operands, results, tangents) -> tangents of the results; an undefined Tensor is a zero, in and out
//   transpose(cotangents, operands) -> cotangents of the operands without a value (the linear ones), undefined elsewhere; a primitive
//     that has it is linear in those operands and may be used on tangents
//   batch(size, operands, dims) -> results and the mapped dimension of each; dims say which dimension of an operand is mapped, -1: none
struct PrimitiveDefinition {
  std::string name;
  int results = 1;
  std::function<std::vector<TensorType>(std::span<const TensorType>)> shape;
  std::function<void(std::span<const Tensor>, std::span<const OutputBuffer>)> eval;
  std::function<std::vector<Tensor>(std::span<const Tensor>, std::span<const Tensor>, std::span<const Tensor>)> jvp{};
  std::function<std::vector<Tensor>(std::span<const Tensor>, std::span<const std::optional<Tensor>>)> transpose{};
  std::function<std::pair<std::vector<Tensor>, std::vector<int>>(std::int64_t, std::span<const Tensor>, std::span<const int>)> batch{};
  CallbackVmap vmap = CallbackVmap::error;  // where there is no batch rule
};
class DefinedPrimitive {
 public:
  // The results; of a primitive with one result, convertible to it.
  struct Results : std::vector<Tensor> {
    using std::vector<Tensor>::vector;
    operator Tensor() const { return front(); }
  };
  template <class... T> Results operator()(const T&... operands) const {
    const Tensor in[] = {Tensor(operands)...};
    return call(in);
  }
  Results call(std::span<const Tensor> operands) const;

 private:
  friend DefinedPrimitive define_primitive(PrimitiveDefinition d);
  std::shared_ptr<const void> op_;
};
// ValueError for a name that is taken, or a definition without name, shape or eval. Keep the object as long as Programs use it.
DefinedPrimitive define_primitive(PrimitiveDefinition d);

}  // namespace functra
