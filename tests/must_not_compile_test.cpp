// Misuse that the compiler refuses: what the first error says, and that nothing else is reported.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

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
    {"opaque static without members", "ft::jit([](Tensor a, Opaque) { return a; })(x, Opaque());",
     "must list the members that tell two values of Type apart"},
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
      << "#include <functra/functra.h>\n#include <string>\nnamespace ft = functra;\nusing ft::Tensor;\ninline Tensor sq(Tensor x) { return x * x; }\n"
         "class Opaque { double d = 0; FUNCTRA_STATIC(Opaque); };\n";
  auto built = run(cxx + flags + "-x c++-header " + pre + " -o " + pre + ".gch");
  ASSERT_EQ(built.status, 0) << built.output;
  for (const Misuse& m : cases) {
    std::string file = (dir / "case.cpp").string();
    std::ofstream(file) << "void use(Tensor x) {\n  (void)x;\n  " << m.code << "\n}\n";
    auto r = run(cxx + flags + "-fsyntax-only -include " + pre + " " + file);
    bool good = m.message ? r.status != 0 && r.output.find(m.message) != std::string::npos && errors_in(r.output) == 1 : r.status == 0;
    functra::testing::count_law(good);
    EXPECT_TRUE(good) << m.name << ": expected one error with \"" << (m.message ? m.message : "") << "\", got\n" << r.output;
  }
  fs::remove_all(dir);
}

}  // namespace
