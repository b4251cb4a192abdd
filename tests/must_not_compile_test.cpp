// Misuse that the compiler refuses: what the first error says, and that nothing else is reported.
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "tests/laws_count.h"
#include "tests/support/process.h"

namespace {

struct Misuse {
  const char *name, *code, *message;
};

// Each is the body of a function after the declarations below; the message is part of its only error.
const Misuse cases[] = {
    {"correct use", "ft::grad(sq)(x);", nullptr},
    {"wrong arguments", "ft::vmap([](const Tensor& a) { return a; })(x, x);", "match"},
    {"generic f not callable", "ft::vmap([](auto a, auto b) { return a + b; })(x);", "f cannot be called with (const A&...)"},
    {"mutable lambda", "ft::grad([n = 0](Tensor a) mutable { ++n; return a; })(x);", "f cannot be called with (const A&...)"},
    {"takes a mutable reference", "ft::jit([](Tensor& a) { return a; })(x);", "f cannot be called with (const A&...)"},
    {"returns nothing", "ft::vmap([](Tensor) {})(x);", "f returns void"},
    {"not a tree", "struct P { Tensor* p; }; ft::vmap([](P q) { return *q.p; })(P{&x});", "this type is not a tree"},
    {"base class", "struct B { Tensor t; }; struct D : B { Tensor u; }; ft::tree_leaves(D{});", "list its fields with FUNCTRA_TREE"},
    {"reference member", "struct R { Tensor& t; }; ft::tree_leaves(R{x});", "reference member"},
    {"argument out of range", "ft::grad<1>(sq)(x);", "an argument number is out of range"},
    {"argument twice", "ft::grad<0, -1>(sq)(x);", "an argument number is given twice"},
    {"static argument", "ft::grad<1>([](Tensor a, double s) { return a * s; })(x, 2.0);", "the chosen argument is static"},
    {"plain number", "ft::grad([](Tensor a) { return a.item<double>(); })(x);", "f returns a plain number"},
    {"aux without a pair", "ft::grad(ft::has_aux, sq)(x);", "f must return a pair (value, aux)"},
    {"tangent of a static argument", "ft::jvp([](Tensor a, int n) { return a * n; }, std::tuple{x, 3}, std::tuple{x, 1});",
     "a tangent is given for a static argument"},
    {"too few tangents", "ft::jvp(sq, std::tuple{x}, std::tuple{x, x});", "one tangent per argument"},
    {"argument of another type", "ft::vjp([](Tensor a) { return a; }, std::string());", "an argument does not convert to the type that f takes"},
    {"element of a temporary assigned", "x[0] = 2.0;", "="},
    {"element of a temporary added to", "x[0] += 2.0;", "operator+="},
    {"memory of a temporary", "(void)(x * 2).data<float>();", "deleted"},
    {"span of a temporary", "(void)(x * 2).span<float>();", "deleted"},
    {"a number taken silently", "double d = x; (void)d;", "double"},
    {"overloaded", "ft::grad(over)(x);", "no matching function for call to"},
    {"too few arguments", "ft::grad([](Tensor a, Tensor b) { return a * b; })(x);", "f cannot be called with (const A&...)"},
    {"too many primals", "ft::vjp(sq, x, x);", "f cannot be called with (const A&...)"},
    {"too many arguments to bind", "ft::jit(sq).bind(x, x);", "f cannot be called with (const A&...)"},
    {"a pointer as result", "ft::grad([](Tensor) -> Tensor* { return nullptr; })(x);", "this type is not a tree"},
    {"a hash map", "ft::tree_leaves(std::unordered_map<std::string, Tensor>{});", "this type is not a tree"},
    {"a private member", "class P { Tensor a; public: Tensor b; }; ft::tree_leaves(P{});", "this type is not a tree"},
    {"a C array", "struct A { int n; Tensor t[2]; std::string s; }; ft::tree_leaves(A{});", "a struct with a C array"},
    {"plain number under jacfwd", "ft::jacfwd([](Tensor a) { return a.dim(); })(x);", "f returns a plain number"},
    {"plain number under vjp", "ft::vjp([](Tensor) { return 3; }, x);", "f returns a plain number"},
    {"argument out of range of jacrev", "ft::jacrev<2>(sq)(x);", "an argument number is out of range"},
    {"argument twice in hessian", "ft::hessian<0, 0>(sq)(x);", "an argument number is given twice"},
    {"static argument of jacfwd", "ft::jacfwd<1>([](Tensor a, int n) { return a * n; })(x, 3);", "the chosen argument is static"},
    {"text as the differentiated argument", "ft::grad([](auto a, auto b) { return a * b; })(\"text\", x);", "the chosen argument is static"},
    {"aux without a pair in vjp", "ft::vjp(ft::has_aux, sq, x);", "f must return a pair (value, aux)"},
    {"tangent of another type", "ft::jvp(sq, x, std::string());", "a tangent has another type than its argument"},
    {"too few vectors for hvp", "ft::hvp([](Tensor a, Tensor b) { return a * b; }, std::tuple{x, x}, std::tuple{x});",
     "hvp needs one vector per argument"},
    {"forward rule without residuals", "ft::custom_vjp(sq, [](Tensor a) { return a; }, [](Tensor r, Tensor) { return r; })(x);",
     "the forward rule of custom_vjp must return a pair"},
    {"too few cotangents",
     "ft::custom_vjp([](Tensor a, Tensor b) { return a * b; }, [](Tensor a, Tensor b) { return std::pair{a * b, a}; }, "
     "[](Tensor r, Tensor) { return r; })(x, x);",
     "must return one cotangent per argument"},
    {"cotangent of another type", "ft::custom_vjp(sq, [](Tensor a) { return std::pair{a, a}; }, [](Tensor, Tensor) { return std::string(); })(x);",
     "a cotangent of the backward rule has another type"},
    {"rule without a tangent", "ft::custom_jvp(sq, [](auto p, auto) { return std::get<0>(p); })(x);", "the rule of custom_jvp must return a pair"},
    {"tree_map with too few parameters", "ft::tree_map([](Tensor a) { return a; }, std::vector{x}, std::vector{x});",
     "the function of tree_map takes one Tensor per tree"},
    {"no cotangent", "ft::vjp(sq, x).second(std::string());", "no match"},
    {"opaque static without members", "ft::jit([](Tensor a, Opaque) { return a; })(x, Opaque());",
     "must list the members that tell two values of Type apart"},
    {"layer that captures a tensor", "ft::tree_leaves(ft::nn::Sequential([x](const Tensor& a) { return a * x; }, ft::tanh));",
     "a lambda in nn::Sequential captures more than plain data"},
};

int errors_in(const std::string& output) {
  int n = 0;
  for (std::size_t i = output.find("error:"); i != std::string::npos; i = output.find("error:", i + 1)) ++n;
  return n;
}

TEST(MustNotCompile, OneMessagePerMistake) {
  namespace fs = std::filesystem;
  using functra::testing::run;
  std::string source = functra::testing::source_dir(), cxx = functra::testing::compiler();
  fs::path dir = fs::temp_directory_path() / ("functra_misuse_" + std::to_string(getpid()));
  fs::create_directories(dir);
  std::string pre = (dir / "pre.h").string(), flags = " -std=c++20 -I" + source + " ";
  std::ofstream(pre)
      << "#include <functra/functra.h>\n#include <functra/nn.h>\n#include <string>\n#include <unordered_map>\nnamespace ft = functra;\nusing "
         "ft::Tensor;\ninline Tensor sq(Tensor x) { return x * x; }\n"
         "inline Tensor over(Tensor x) { return x; }\ninline Tensor over(Tensor x, Tensor y) { return x * y; }\n"
         "class Opaque { double d = 0; FUNCTRA_STATIC(Opaque); };\n";
  auto built = run(cxx + flags + "-x c++-header " + pre + " -o " + pre + ".gch");
  ASSERT_EQ(built.status, 0) << built.output;
  std::atomic<std::size_t> next{0};
  std::mutex report;
  auto work = [&](int worker) {
    std::string file = (dir / ("case" + std::to_string(worker) + ".cpp")).string();
    for (std::size_t k; (k = next++) < std::size(cases);) {
      const Misuse& m = cases[k];
      std::ofstream(file) << "void use(Tensor x) {\n  (void)x;\n  " << m.code << "\n}\n";
      auto r = run(cxx + flags + "-fsyntax-only -include " + pre + " " + file);
      bool good = m.message ? r.status != 0 && r.output.find(m.message) != std::string::npos && errors_in(r.output) == 1 : r.status == 0;
      std::lock_guard lock(report);
      functra::testing::count_law(good);
      EXPECT_TRUE(good) << m.name << ": expected one error with \"" << (m.message ? m.message : "") << "\", got\n" << r.output;
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  fs::remove_all(dir);
}

}  // namespace
