// Errors of transforms, trees and Programs, each by its message; and that a failed call leaves everything as it was.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <thread>

#include "functra/base/memory.h"
#include "functra/base/pool.h"
#include "functra/core/interp.h"
#include "functra/functra.h"
#include "functra/prims/build.h"
#include "functra/prims/math.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {

Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) * 1.3 + 0.4).reshape(s); }
struct Pair {
  Tensor w, b;
};
// The message of an E, or what came instead.
template <class E> std::string message(auto f) {
  try {
    f();
  } catch (const E& e) { return e.what(); } catch (const std::exception& e) {
    return std::string("another type: ") + e.what();
  }
  return "nothing was thrown";
}

// ---------------------------------------------------------------- derivatives
TEST(ErrorsOfDerivatives, ResultsThatHaveNoGradient) {
  EXPECT_EQ(message<ft::ShapeError>([] {
              ft::grad([](const Tensor& x) { return x * 2.0; })(some({2, 3}));
            }),
            "grad: the function returns shape [2, 3], not a scalar; sum() or mean() it, or use vjp or jacrev");
  EXPECT_EQ(message<ft::ShapeError>([] { ft::grad([](const Tensor& x) {
                                           return std::vector<Tensor>{x, x, x};
                                         })(1.0); }),
            "grad: the function returns 3 tensors, expected one scalar; use vjp or jacrev, or pass ft::has_aux and return a pair (value, aux)");
  EXPECT_EQ(message<ft::ShapeError>([] { ft::grad([](const Tensor&) { return std::vector<Tensor>{}; })(1.0); }),
            "grad: the function returns 0 tensors, expected one scalar; use vjp or jacrev, or pass ft::has_aux and return a pair (value, aux)");
  EXPECT_EQ(message<ft::DTypeError>([] { ft::grad([](const Tensor& x) { return ft::argmax(x); })(some({3})); }),
            "grad: the function returns dtype i64; only floating results have a gradient");
  EXPECT_EQ(message<ft::DTypeError>([] { ft::grad<2>([](int, Tensor x, Tensor i) { return x * i; })(1, 2.0, ft::tensor(3)); }),
            "grad: argument 2 has dtype i64, which has no derivative; convert it with to(f32) or to(f64), or choose other arguments");
}
TEST(ErrorsOfDerivatives, TangentsAndCotangentsThatDoNotFit) {
  Pair p{some({2}), some({3})};
  auto f = [](const Tensor& x, const Pair& q) { return Pair{x * q.w, ft::sum(q.b) * x}; };
  auto [y, pull] = ft::vjp(f, some({2}), p);
  EXPECT_EQ(message<ft::ShapeError>([&, pull = pull] {
              pull({some({2}), some({3})});
            }),
            "vjp: the cotangent of result b has shape [3], expected [2]");
  EXPECT_EQ(message<ft::DTypeError>([&, pull = pull] {
              pull({some({2}), ft::ones({2})});
            }),
            "vjp: the cotangent of result b has dtype f32, expected f64; convert it with to()");
  EXPECT_EQ(message<ft::ShapeError>([&] { ft::vjp([](const Tensor& x) { return x; }, some({2})).second(1.0); }),
            "vjp: the cotangent of the result has shape [], expected [2]");
  EXPECT_EQ(message<ft::DTypeError>([&] {
              ft::vjp([](const Tensor& x) { return x; }, some({2})).second(ft::tensor({1, 2}));
            }),
            "vjp: the cotangent of the result has dtype i64, expected f64; convert it with to()");
  auto [z, push] = ft::linearize(f, some({2}), p);
  EXPECT_EQ(message<ft::ShapeError>([&, push = push] {
              push(some({2}), {some({2}), some({2})});
            }),
            "linearize: the tangent of argument 1.b has shape [2], expected [3]");
  EXPECT_EQ(message<ft::ShapeError>([&] {
              ft::jvp(f, std::tuple{some({2}), p}, std::tuple{ft::none, Pair{some({2}), some({2})}});
            }),
            "jvp: the tangent of argument 1.b has shape [2], expected [3]");
  EXPECT_EQ(message<ft::DTypeError>([&] {
              ft::jvp(f, std::tuple{some({2}), p}, std::tuple{ft::ones({2}), ft::none});
            }),
            "jvp: the tangent of argument 0 has dtype f32, expected f64; convert it with to()");
  auto transposed = ft::linear_transpose([](const Tensor& x) { return x * 3.0; }, some({2}));
  EXPECT_EQ(message<ft::ShapeError>([&] { transposed(some({3})); }), "linear_transpose: the cotangent of the result has shape [3], expected [2]");
}
TEST(ErrorsOfDerivatives, TangentsAndCotangentsOfAnotherStructure) {
  using Map = std::map<std::string, Tensor>;
  struct Choice {
    std::optional<Tensor> a;
    std::variant<Tensor, double> b;
    std::vector<Tensor> l;
  };
  Map m{{"a", some({2})}, {"b", some({2})}}, other{{"a", some({2})}, {"c", some({2})}};
  auto same = [](const auto& t) { return t; };
  EXPECT_EQ(message<ft::StructureError>([&] { ft::vjp([](const Map& t) { return t; }, m).second(other); }),
            "vjp: the cotangent has the structure {\"a\": *, \"c\": *}, the result of the function has {\"a\": *, \"b\": *}");
  EXPECT_EQ(message<ft::StructureError>([&] { ft::jvp([](const Map& t) { return t; }, m, other); }),
            "jvp: argument 0 has the structure {\"a\": *, \"b\": *} and its tangent {\"a\": *, \"c\": *}");
  EXPECT_EQ(message<ft::StructureError>([&] { ft::linearize([](const Map& t) { return t; }, m).second(other); }),
            "linearize: the tangents {\"a\": *, \"c\": *} have another structure than the arguments");
  // As many tensors, but in other places.
  Choice c{some({2}), 0.5, {some({2})}}, d{std::nullopt, some({2}), {some({2})}}, e{some({2}), 0.5, {}};
  EXPECT_EQ(message<ft::StructureError>([&] { ft::jvp(same, c, d); }),
            "jvp: argument 0 has the structure {a: *, b: 0.5, l: [*]} and its tangent {a: none, b: *, l: [*]}");
  EXPECT_EQ(message<ft::StructureError>([&] { ft::vjp(same, c).second(d); }),
            "vjp: the cotangent has the structure {a: none, b: *, l: [*]}, the result of the function has {a: *, b: 0.5, l: [*]}");
  EXPECT_EQ(message<ft::StructureError>([&] { ft::vjp(same, c).second(e); }),
            "vjp: the cotangent has the structure {a: *, b: 0.5, l: []}, the result of the function has {a: *, b: 0.5, l: [*]}");
  c.b = 0.7;  // values of static leaves may differ
  EXPECT_EQ(message<ft::StructureError>([&] { ft::vjp(same, Choice{some({2}), 0.5, {some({2})}}).second(c); }), "nothing was thrown");
}
TEST(ErrorsOfDerivatives, OptionsOutOfRangeAndStrictness) {
  auto f = [](const Tensor& x) { return x * 2.0; };
  EXPECT_EQ(message<ft::ValueError>([&] { ft::jacrev(f, {.chunk_size = 0})(some({2})); }), "jacrev: chunk_size is 0, expected at least 1");
  EXPECT_EQ(message<ft::ValueError>([&] { ft::jacfwd(f, {.chunk_size = -2})(some({2})); }), "jacfwd: chunk_size is -2, expected at least 1");
  EXPECT_EQ(message<ft::ValueError>([&] { ft::jac_and_value(f, {.chunk_size = 0})(some({2})); }),
            "jac_and_value: chunk_size is 0, expected at least 1");
  auto partly = [](const Tensor& x) { return Pair{x, ft::ones({2})}; };
  EXPECT_EQ(message<ft::ValueError>([&] { ft::jvp(partly, some({2}), some({2}), {.strict = true}); }),
            "jvp: strict: output b does not depend on the input");
  EXPECT_EQ(message<ft::MissingRuleError>([] { ft::linear_transpose([](const Tensor& x) { return ft::sin(x); }, some({2}))(some({2})); }),
            "linear_transpose: the function is not linear in its arguments: sin has no transpose rule: it is not linear");
  EXPECT_NE(message<ft::MissingRuleError>([] {
              ft::linear_transpose([](const Tensor& x) { return x * x; }, some({2}))(some({2}));
            }).find("linear_transpose: the function is not linear in its arguments: "),
            std::string::npos);
}
TEST(ErrorsOfDerivatives, CheckGradsNamesWhatDisagrees) {
  auto wrong = ft::custom_jvp(
      [](const Pair& p) {
        return Pair{p.w * p.w, p.b};
      },
      [](auto primals, auto tangents) {
        auto [p] = primals;
        auto [t] = tangents;
        return std::pair{Pair{p.w * p.w, p.b}, Pair{t.w * p.w * 3, t.b}};
      });
  std::string m = message<ft::ValueError>([&] { ft::check_grads(wrong, Pair{some({2}), some({2})}); });
  EXPECT_EQ(m.find("check_grads: jvp of the result.w along argument 0.w gives "), 0u) << m;
  EXPECT_NE(m.find(", but central differences give "), std::string::npos);
  EXPECT_EQ(message<ft::ValueError>([] { ft::check_grads([](const Tensor& x) { return x; }, some({2}), {.order = 0}); }),
            "check_grads: order is 0, expected at least 1");
  EXPECT_EQ(message<ft::DTypeError>([] { ft::check_grads([](const Tensor& x) { return x; }, ft::tensor({1})); }),
            "check_grads: no argument has a floating dtype");
  EXPECT_EQ(message<ft::DTypeError>([] { ft::check_grads([](const Tensor& x) { return x; }, ft::zeros({2}, ft::c128)); }),
            "check_grads: complex arguments are not compared with differences; check real and imaginary parts as arguments of their own");
}

// ---------------------------------------------------------------- missing rules: primitives that have none
using ft::core::Call;
using ft::core::Primitive;
void shape_of_first(const Call&, std::span<const ft::Aval> in, std::span<ft::Aval> out) { out[0] = in[0]; }
void first(const Call&, ft::Ins in, ft::Outs out) { out[0] = in[0]; }
constexpr Primitive opaque_p = {.name = "opaque", .n_in = 1, .shape = shape_of_first, .eval = first};
constexpr Primitive curved_p = {
    .name = "curved", .n_in = 1, .shape = shape_of_first, .eval = first, .jvp = [](const Call& c, ft::Ins x, ft::Ins t, ft::Outs y, ft::Outs dy) {
      ft::core::bind_prim(c, x, y);
      dy[0] = ft::prims::sin(t[0]);  // not linear in the tangent
    }};
Tensor opaque(const Tensor& x) { return ft::core::bind1(opaque_p, x); }
Tensor curved(const Tensor& x) { return ft::core::bind1(curved_p, x); }

TEST(ErrorsOfMissingRules, NameThePrimitiveTheTransformAndTheWayOut) {
  Tensor x = some({2});
  const char* derivative = "opaque has no derivative rule, needed by ";
  const char* way_out = "; wrap the part that uses it in custom_jvp or stop_gradient";
  EXPECT_EQ(message<ft::MissingRuleError>([&] { ft::grad([](const Tensor& v) { return ft::sum(opaque(v)); })(x); }),
            std::string(derivative) + "grad" + way_out);
  EXPECT_EQ(message<ft::MissingRuleError>([&] { ft::jvp(opaque, x, x); }), std::string(derivative) + "jvp" + way_out);
  EXPECT_EQ(message<ft::MissingRuleError>([&] { ft::grad([](const Tensor& v) { return ft::sum(ft::jit(opaque)(v)); })(x); }),
            std::string(derivative) + "linearize" + way_out);
  EXPECT_EQ(message<ft::MissingRuleError>([&] { ft::vmap(opaque)(x); }), "opaque has no batching rule, needed by vmap");
  EXPECT_EQ(message<ft::MissingRuleError>([&] { ft::vmap(opaque, {.axis_name = "batch"})(x); }),
            "opaque has no batching rule, needed by vmap over axis 'batch'");
  EXPECT_EQ(message<ft::MissingRuleError>([&] { ft::grad([](const Tensor& v) { return ft::sum(curved(v)); })(x); }),
            "sin of a tangent: a derivative rule must be linear in its tangents, and sin has no transpose rule");
  // Where the rule is not needed nothing is missing.
  expect_close(ft::grad([&](const Tensor& v) { return ft::sum(v * opaque(x)); })(x), x);
  expect_close(ft::jit(opaque)(x), x);
}

// ---------------------------------------------------------------- traced values
TEST(ErrorsOfTracing, ReadingNamesTheTransformAndTheWayOut) {
  Tensor x = some({2});
  auto item = [](const Tensor& v) { return v * v.sum().item<double>(); };
  auto branch = [](const Tensor& v) { return v.sum() > 0 ? v : -v; };
  auto vector = [](const Tensor& v) { return v * v.to_vector<double>()[0]; };
  auto data = [](const Tensor& v) { return v * v.data<double>()[0]; };
  for (std::string t : {"jit", "make_fx"}) {
    auto run = [&](auto f) {
      return t == "jit" ? message<ft::TracerError>([&] { ft::jit(f)(x); }) : message<ft::TracerError>([&] { ft::make_fx(f)(x); });
    };
    std::string unknown = " is not known while " + t + " traces the function; ";
    EXPECT_EQ(run(item), "item(): the value" + unknown + "pass it as a static argument (a number), or read it outside of " + t);
    EXPECT_EQ(run(branch), "if: the condition" + unknown + "use where(condition, a, b), or let it depend on static arguments (numbers) only");
    EXPECT_EQ(run(vector), "to_vector(): the value" + unknown + "pass it as a static argument (a number), or read it outside of " + t);
    EXPECT_EQ(run(data), "data(): the value" + unknown + "pass it as a static argument (a number), or read it outside of " + t);
  }
  EXPECT_EQ(message<ft::TracerError>([&] {
              ft::vmap(vector)(ft::stack({x, x}));
            }),
            "to_vector(): the value differs from example to example under vmap, so it cannot be read; compute with the tensor, or return it and read "
            "outside");
  // Under grad and jvp values are known.
  expect_close(ft::grad([&](const Tensor& v) { return ft::sum(branch(v) * item(v)); })(x), x * 2.0 * ft::sum(x));
}
TEST(ErrorsOfTracing, MasksAndDrawsNameTheWayOut) {
  Tensor x = some({3});
  auto masked = [](const Tensor& v) { return v[v > 0]; };
  EXPECT_EQ(message<ft::TracerError>([&] { ft::jit(masked)(x); }).find("operator[]: the value is not known while jit traces the function"), 0u);
  EXPECT_EQ(message<ft::TracerError>([&] { ft::vmap(masked)(ft::stack({x, x})); }).find("operator[]: the value differs from example to example"), 0u);
  EXPECT_EQ(message<ft::TracerError>([&] { ft::jit([](const Tensor& v) { return v + ft::randn({3}, ft::f64); })(x); }),
            "draw_bits: drawing from the stateful generator while tracing (jit) would fix one draw for ever; pass a key and use ft::random "
            "(random::normal(key, shape))");
  EXPECT_EQ(message<ft::ValueError>([&] {
              ft::vmap([](const Tensor& v) { return v + ft::rand({3}, ft::f64); })(ft::stack({x, x}));
            }),
            "vmap: a draw from the stateful generator with randomness error; give vmap .randomness = Randomness::same (one draw for all slices) or "
            "::different (one each), or pass a key per slice to ft::random");
}

// ---------------------------------------------------------------- compiled functions and Programs
TEST(ErrorsOfJit, BoundCallsAndDonations) {
  auto f = ft::jit([](const Pair& p, int n) { return p.w * p.b * n; });
  Pair p{some({2}), some({2})};
  auto call = f.bind(p, 3);
  EXPECT_EQ(message<ft::ShapeError>([&] {
              call(Pair{some({2}), some({3})}, 3);
            }),
            "bind: argument 0.b has type f64[3], prepared for f64[2]; call the jitted function itself, or bind again");
  EXPECT_EQ(message<ft::ShapeError>([&] {
              call(Pair{some({2}), ft::ones({2})}, 3);
            }),
            "bind: argument 0.b has type f32[2], prepared for f64[2]; call the jitted function itself, or bind again");
  EXPECT_EQ(message<ft::StructureError>([&] { call(p, 4); }),
            "bind: a static value or the structure of an argument differs from the prepared call; bind again, or call the jitted function itself");
  EXPECT_EQ(message<ft::StructureError>([&] { call(Pair{some({2}), {}}, 3); }), "bind: the call has fewer tensors than the prepared one");
  auto less = ft::jit([](const Pair& q) { return q.w; }).bind(Pair{some({2}), {}});
  EXPECT_EQ(message<ft::StructureError>([&] { less(p); }), "bind: the call has more tensors than the prepared one");
  expect_close(call(p, 3), p.w * p.b * 3.0);  // still in order
  auto donating = ft::jit([](const Tensor& x) { return x; }, {.donate = {1}});
  EXPECT_EQ(message<ft::IndexError>([&] { donating(some({2})); }), "jit: donate names argument 1 of 1");
}
TEST(ErrorsOfPrograms, CallsThatDoNotFit) {
  ft::Program empty, p = ft::make_fx([](const Tensor&a, const Tensor&b) { return a + b; })(some({2}), some({2}));
  Tensor held = some({2});
  ft::Program q = ft::make_fx([&](const Tensor& a) { return a * held; })(some({2}));
  for (auto f : {+[](const ft::Program& e) { e.verify(); }, +[](const ft::Program& e) { e({}); }, +[](const ft::Program& e) { (void)e.str(); },
                 +[](const ft::Program& e) { (void)e.inputs(); }})
    EXPECT_EQ(message<ft::ValueError>([&] { f(empty); }), "Program: this one is empty (default constructed)");
  EXPECT_EQ(message<ft::ValueError>([&] { p({some({2})}); }), "Program: takes 2 leaves, got 1");
  EXPECT_EQ(message<ft::ValueError>([&] { q({}); }), "Program: takes 1 leaves after the 1 tensors it captured, got 0");
  EXPECT_EQ(message<ft::ShapeError>([&] { p({some({2}), some({3})}); }), "Program: input 1 has type f64[2], got f64[3]");
  EXPECT_EQ(message<ft::ShapeError>([&] { p({some({2}), ft::ones({2})}); }), "Program: input 1 has type f64[2], got f32[2]");
  EXPECT_EQ(message<ft::ValueError>([&] {
              p({some({2}), Tensor()});
            }),
            "Program: input 1 has type f64[2], got an undefined Tensor (default constructed)");
  EXPECT_EQ(message<ft::ShapeError>([&] { ft::make_fx([](const Tensor& i) { return i; })(1)({2.5}); }),
            "Program: input 0 has type ~i64[], got ~f64[]");
}
TEST(ErrorsOfPrograms, TextThatIsNoProgramNamesLineAndColumn) {
  auto parse = [](const char* text) { return message<ft::ValueError>([&] { ft::Program::parse(text); }); };
  auto body = [&](const std::string& equations) { return parse(("program(v0: f32[2], v1: f32[2]) {\n" + equations + "\n}").c_str()); };
  EXPECT_EQ(parse(""), "Program::parse: line 1, column 1: expected 'program', got ''");
  EXPECT_EQ(parse("program(v0: f32[2]"), "Program::parse: line 1, column 19: expected ',', got ''");
  EXPECT_EQ(parse("program(v0: q32[2]) { return v0 }"), "Program::parse: line 1, column 16: unknown dtype 'q32', got '[2]) { return v0 }'");
  EXPECT_EQ(parse("program(v0: f32[-2]) { return v0 }"), "Program::parse: line 1, column 20: the extent -2 is negative, got ') { return v0 }'");
  EXPECT_EQ(parse("program(v0: ~f32[2]) { return v0 }"), "Program::parse: line 1, column 20: a weak type is 0-d, got ') { return v0 }'");
  EXPECT_EQ(parse("program(v0: f32[2], v0: f32[2]) { return v0 }"),
            "Program::parse: line 1, column 31: 'v0' is defined twice, got ') { return v0 }'");
  EXPECT_EQ(parse("program(v0: f32[2], captured v1: f32[2]) { return v0 }"),
            "Program::parse: line 1, column 29: captured inputs come first, got ' v1: f32[2]) { return v0'");
  EXPECT_EQ(body("  return v7"), "Program::parse: line 2, column 12: 'v7' is not defined, got ''");
  EXPECT_EQ(body("  v0: f32[2] = sin(v1)\n  return v0"), "Program::parse: line 2, column 23: 'v0' is defined twice, got ''");
  EXPECT_EQ(body("  v2: f32[2] = sine(v0)\n  return v2"), "Program::parse: line 2, column 20: unknown primitive 'sine', got '(v0)'");
  EXPECT_EQ(body("  v2: f32[] = reduce_sum(v0)\n  return v2"), "Program::parse: line 3, column 3: expected '{', got 'return v2'");
  EXPECT_EQ(body("  v2: f32[] = reduce_sum(v0) {dims=[x]}\n  return v2"), "Program::parse: line 2, column 37: expected an integer, got 'x]}'");
  EXPECT_EQ(body("  return f32[2](1, 2"), "Program::parse: line 3, column 1: expected ',', got '}'");
  EXPECT_EQ(body("  return f32[9999999999](1)"), "Program::parse: line 2, column 28: a literal of shape [9999999999] with 1 numbers, got ''");
  EXPECT_EQ(body("  return 1.5e"), "Program::parse: line 2, column 10: expected a number, got '1.5e'");
  EXPECT_EQ(parse("program() { return 1 } x"), "Program::parse: line 1, column 24: text after the end of the program, got 'x'");
  EXPECT_EQ(body("  v2: f64[2] = sin(v0)\n  return v2"),
            "Program::verify: equation 0 (sin): v2 is recorded as f64[2], but the operation gives f32[2]");
  EXPECT_EQ(body("  v2: f32[2] = add(v0)\n  return v2"), "Program::verify: equation 0 (add): takes 2 operands, has 1");
  EXPECT_EQ(body("  v2: f32[2], v3: f32[2] = sin(v0)\n  return v2"), "Program::verify: equation 0 (sin): gives 1 results, binds 2");
  EXPECT_EQ(body("  v2: f32[2] = slice(v0) {start=[0] limit=[5] stride=[1]}\n  return v2"),
            "Program::verify: equation 0 (slice): slice: start [0], limit [5], stride [1] do not fit shape [2]");
  EXPECT_NE(body("  v2: f32[2] = add(v0, 1.0:f64)\n  return v2").find("equation 0 (add): add: operands f32[2], f64[] have different dtypes"),
            std::string::npos);
}
TEST(ErrorsOfPrograms, DamagedTextNeverDoesWorseThanRaise) {
  auto f = [](const Tensor& x) {
    auto [v, i] = ft::sort(ft::matmul(x, x.t())[ft::tensor({0, 1, 0})] * 2.5 + ft::cumsum(x, 0).index({ft::Slice(0, 1), ft::Slice(0, 1)}));
    return std::pair{ft::jit([](const Tensor& y) { return ft::exp(y); })(v), i};
  };
  std::string text = ft::to_string(ft::make_fx(f)(some({3, 2})));
  const char junk[] = "0-9:,()[]{}=~ \nvf\"";
  std::uint64_t state = 7;
  auto random = [&](std::size_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>(state >> 33) % n;
  };
  int parsed = 0, refused = 0;
  for (int k = 0; k < 3000; ++k) {
    std::string t = text;
    for (std::size_t edits = 1 + random(3); edits-- > 0;) {
      std::size_t at = random(t.size());
      if (random(3) == 0) t.erase(at, 1 + random(12));
      else if (random(2)) t[at] = junk[random(sizeof junk - 1)];
      else t.insert(at, t.substr(random(t.size()), random(16)));
    }
    try {
      ft::Program p = ft::Program::parse(t);
      EXPECT_TRUE(ft::Program::parse(ft::to_string(p)) == p);
      ++parsed;
    } catch (const ft::Error&) { ++refused; }
  }
  EXPECT_GT(parsed, 0);
  EXPECT_GT(refused, 1000);
}

// ---------------------------------------------------------------- trees
struct Listed {
  Tensor shown, hidden;
  FUNCTRA_TREE(Listed, shown);
  Listed(Tensor a, Tensor b) : shown(std::move(a)), hidden(std::move(b)) {}
};
TEST(ErrorsOfTrees, StructuresAndMembersThatAreNotThere) {
  struct Out {
    Tensor a, b;
  };
  auto j = ft::jacrev([](const Pair& p) { return Listed(p.w.sum(), p.b.sum()); })(Pair{some({2}), some({2})});
  EXPECT_EQ(message<ft::StructureError>([&] { (void)j[&Listed::hidden]; }),
            "Jacobian: the member asked for is not one of the fields that the struct lists in FUNCTRA_TREE");
  auto [leaves, structure] = ft::tree_flatten(Pair{some({2}), some({2})});
  EXPECT_EQ(message<ft::StructureError>([&, structure = structure] { ft::tree_unflatten<Pair>(structure, std::vector<Tensor>{some({2})}); }),
            "the tree has 2 tensors, but 1 were given");
  EXPECT_EQ(message<ft::StructureError>([&, structure = structure, leaves = leaves] { ft::tree_unflatten<Out>(structure, leaves); }),
            "tree_unflatten: the structure is that of another type");
  EXPECT_EQ(message<ft::StructureError>(
                [&] { ft::tree_map([](const Tensor& a, const Tensor& b) { return a + b; }, std::vector<Tensor>{some({2})}, std::vector<Tensor>{}); }),
            "tree_map: tree 1 has the structure [], but the first has [*]");
}
TEST(ErrorsOfThreads, NumbersOutOfRange) {
  EXPECT_EQ(message<ft::ValueError>([] { ft::set_num_threads(0); }), "set_num_threads: 0 threads; give a number from 1 to 1024");
}

// ---------------------------------------------------------------- after an error everything is as it was
using Fn = std::function<Tensor(const Tensor&)>;
struct Layer {
  const char* name;
  Fn (*around)(Fn);  // a transform of f, as a function of the same kind ([n] -> [n])
};
const Layer layers[] = {
    {"grad", [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::grad([&](const Tensor& v) { return ft::sum(f(v)); })(x); }; }},
    {"vjp", [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::vjp(f, x).second(x); }; }},
    {"jvp", [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::jvp(f, x, x).second; }; }},
    {"linearize", [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::linearize(f, x).second(x); }; }},
    {"jacrev", [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::sum(ft::jacrev(f, {.chunk_size = 1})(x), 0); }; }},
    {"jacfwd", [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::sum(ft::jacfwd(f)(x), 0); }; }},
    {"vmap", [](Fn f) -> Fn { return [f](const Tensor& x) {
                                return ft::vmap(f, {.randomness = ft::Randomness::same})(ft::stack({x, x}))[0];
                              }; }},
    {"vmap in chunks", [](Fn f) -> Fn { return [f](const Tensor& x) {
                                          return ft::vmap(f, {.chunk_size = 1})(ft::stack({x, x}))[0];
                                        }; }},
    {"jit", [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::jit(f)(x); }; }},
    {"bind", [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::jit(f).bind(x)(x); }; }},
    {"make_fx", [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::make_fx(f)(x)({x})[0]; }; }},
    {"eval_shape", [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::eval_shape(f, x) + x; }; }},
    {"checkpoint", [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::checkpoint(f)(x); }; }},
    {"cond",
     [](Fn f) -> Fn {
       return [f](const Tensor& x) {
         return ft::cond(
             x[0] > 0, [](const Tensor& v) { return v * 2.0; }, f, x);
       };
     }},
    {"scan",
     [](Fn f) -> Fn {
       return [f](const Tensor& x) {
         return ft::scan([&](const Tensor& c, const Tensor& a) { return std::pair{f(c) * a, a}; }, x, ft::ones({2}, ft::f64)).first;
       };
     }},
    {"while_loop",
     [](Fn f) -> Fn { return [f](const Tensor& x) { return ft::while_loop([](const Tensor& c) { return c[0] < 1.0; }, f, x, {.max_steps = 2}); }; }},
    {"map", [](Fn f) -> Fn { return [f](const Tensor& x) {
                               return ft::map(f, ft::stack({x, x}))[0];
                             }; }},
    {"disable_jit",
     [](Fn f) -> Fn {
       return [f](const Tensor& x) {
         ft::disable_jit guard;
         return ft::jit(f)(x);
       };
     }},
    {"the function of custom_jvp",
     [](Fn f) -> Fn {
       return [f](const Tensor& x) { return ft::custom_jvp(f, [](auto p, auto t) { return std::pair{std::get<0>(p), std::get<0>(t)}; })(x); };
     }},
    {"the rule of custom_jvp",
     [](Fn f) -> Fn {
       return [f](const Tensor& x) {
         auto rule = [f](auto p, auto t) { return std::pair{std::get<0>(p), f(std::get<0>(t))}; };
         return ft::jvp(ft::custom_jvp([](const Tensor& v) { return v; }, rule), x, x).second;
       };
     }},
    {"the forward rule of custom_vjp",
     [](Fn f) -> Fn {
       return [f](const Tensor& x) {
         auto g = ft::custom_vjp([](const Tensor& v) { return v; },
                                 [f](const Tensor& v) {
                                   return std::pair{f(v), v};
                                 },
                                 [](const Tensor&, const Tensor& ct) { return ct; });
         return ft::vjp(g, x).second(x);
       };
     }},
    {"the backward rule of custom_vjp",
     [](Fn f) -> Fn {
       return [f](const Tensor& x) {
         auto g = ft::custom_vjp([](const Tensor& v) { return v; },
                                 [](const Tensor& v) {
                                   return std::pair{v, v};
                                 },
                                 [f](const Tensor&, const Tensor& ct) { return f(ct); });
         return ft::vjp(g, x).second(x);
       };
     }},
};
struct OfUser {
  int code;
};
// Ways to fail in the middle of a computation: the library's errors and the user's own.
const std::pair<const char*, Fn> failures[] = {
    {"a shape that does not fit", [](const Tensor& x) { return ft::matmul(ft::sin(x) * x, ft::ones({3}, ft::f64)); }},
    {"a missing rule",
     [](const Tensor& x) {
       return opaque(ft::sin(x) * x).reshape({-1, -1});
     }},
    {"an index out of range", [](const Tensor& x) { return x * ft::cos(x)[100000]; }},
    {"a standard exception", [](const Tensor& x) -> Tensor { throw std::runtime_error("of the user " + std::to_string((x * x).dim())); }},
    {"a number thrown",
     [](const Tensor& x) -> Tensor {
       Tensor y = ft::exp(x) * x;
       throw OfUser{static_cast<int>(y.dim())};
     }},
};
bool fails(const Fn& f, const Tensor& x) {
  try {
    f(x);
  } catch (const std::exception&) { return true; } catch (const OfUser&) {
    return true;
  }
  return false;
}

TEST(AfterAnError, FromInsideNestedTransformsEveryTensorAndTheInterpreterAreAsBefore) {
  const Tensor x = some({5000});  // large enough to be counted
  const std::vector<double> values = x.to_vector<double>();
  auto probe = [&] { return ft::jit(ft::vmap(ft::grad([](const Tensor& v) { return ft::sin(v) * v; })))(x); };
  const Tensor want = probe();
  for (auto& [failure, f] : failures) {
    for (const Layer& inner : layers)
      for (const Layer& outer : layers) {
        Fn both = outer.around(inner.around(f));
        std::string what = std::string(failure) + " in " + inner.name + " in " + outer.name;
        bool threw = fails(both, x);
        if (std::string(inner.name).find("rule") == std::string::npos && std::string(outer.name).find("rule") == std::string::npos)
          EXPECT_TRUE(threw) << what;  // a rule is not always asked
        ASSERT_EQ(ft::core::current, nullptr) << what;
        ASSERT_FALSE(ft::jit_disabled()) << what;
      }
    EXPECT_EQ(x.to_vector<double>(), values);
    EXPECT_TRUE(x.concrete() && x.is_contiguous());
    expect_close(probe(), want, 0);
  }
}
TEST(AfterAnError, NoMemoryIsLost) {
  const Tensor x = some({5000});
  auto all = [&] {
    for (auto& [failure, f] : failures)
      for (const Layer& inner : layers)
        for (const Layer& outer : layers) fails(outer.around(inner.around(f)), x);
  };
  all();  // what is kept on purpose is there now
  std::size_t before = ft::memory_stats().in_use;
  all();
  EXPECT_LE(ft::memory_stats().in_use, before);
}
TEST(AfterAnError, CaughtInsideAnOuterTransformTheOuterOneGoesOn) {
  Tensor x = some({3});
  for (auto& [failure, f] : failures)
    for (const Layer& inner : layers) {
      Fn broken = inner.around(f);
      auto survivor = [&, &f = f](const Tensor& v) {
        Tensor y = ft::sin(v);
        fails(broken, v * y);
        fails(f, y);
        return y * v;
      };
      std::string what = std::string(failure) + " in " + inner.name;
      Tensor want = ft::cos(x) * x + ft::sin(x);
      SCOPED_TRACE(what);
      expect_close(ft::grad([&](const Tensor& v) { return ft::sum(survivor(v)); })(x), want);
      expect_close(ft::jvp(survivor, x, ft::ones({3}, ft::f64)).second, want);
      expect_close(ft::vmap(survivor)(ft::stack({x, x}))[1], ft::sin(x) * x);
      expect_close(ft::jit(survivor)(x), ft::sin(x) * x);
      expect_close(ft::jit(ft::grad([&](const Tensor& v) { return ft::sum(survivor(v)); }))(x), want);
    }
}
TEST(AfterAnError, ACompiledFunctionThatFailedToTraceIsTracedAgain) {
  bool fail = true;
  int traces = 0;
  auto f = ft::jit([&](const Tensor& x) {
    ++traces;
    Tensor y = x * 2.0;
    if (fail) throw OfUser{1};
    return y;
  });
  Tensor x = some({3});
  EXPECT_THROW(f(x), OfUser);
  EXPECT_THROW(ft::grad([&](const Tensor& v) { return ft::sum(f(v)); })(x), OfUser);
  EXPECT_EQ(f.cache_size(), 0u);
  fail = false;
  expect_close(f(x), x * 2.0);
  EXPECT_EQ(f.cache_size(), 1u);
  EXPECT_EQ(traces, 3);
}
TEST(AfterAnError, InPlaceSyntaxLeavesTheTensorAsItWas) {
  Tensor x = some({3}), same = x;
  EXPECT_THROW(x += ft::ones({2}), ft::ShapeError);
  EXPECT_THROW(x *= ft::ones({4, 2}), ft::ShapeError);
  EXPECT_EQ(x.identity(), same.identity());
  std::vector<Tensor> list{x, x};
  EXPECT_THROW(ft::tree_map([](const Tensor& t) -> Tensor { throw OfUser{static_cast<int>(t.dim())}; }, list), OfUser);
  EXPECT_EQ(list[0].identity(), same.identity());
}
TEST(AfterAnError, OfManyThreadsAtOnceEachGoesOn) {
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (std::size_t k = 0; k < good.size(); ++k)
    threads.emplace_back([&, k] {
      Tensor x = some({3}) + static_cast<double>(k);
      for (int round = 0; round < 20; ++round) {
        for (auto& [failure, f] : failures) fails(layers[(k + static_cast<std::size_t>(round)) % std::size(layers)].around(layers[k].around(f)), x);
        good[k] += !ft::core::current && ft::allclose(ft::grad([](const Tensor& v) { return ft::sum(v * v); })(x), x * 2.0);
      }
    });
  for (auto& t : threads) t.join();
  for (int n : good) EXPECT_EQ(n, 20);
}

}  // namespace
