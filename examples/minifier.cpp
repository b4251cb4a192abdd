// Using the minifier. After the page of that name in functorch's documentation.
//
// minifier(program, inputs, fails) makes a failing program small: it ends it earlier, turns equations into inputs with the values that
// they had, and drops what nothing uses, for as long as fails(program, inputs) says yes.
#include <functra/compile.h>
#include <functra/io/repro.h>

#include "support/check.h"

using namespace example;
namespace fc = ft::compile;
using ft::Program;
using Inputs = std::vector<Tensor>;

namespace {

bool has(const Program& p, const std::string& op) {
  for (const auto& e : p.equations())
    if (e.op == op) return true;
  return false;
}
bool any_nan(const Inputs& v) {
  for (const Tensor& t : v)
    if (ft::any(ft::isnan(t)).item<bool>()) return true;
  return false;
}
// Inputs, equations and the return, one line each.
std::size_t lines(const Program& p) { return p.inputs().size() + p.size() + 1; }
fc::Minified shown(const std::string& title, const Program& p, const Inputs& in, const fc::Fails& fails) {
  fmt::print("---- {}\nstarted off with {} lines\n{}\n", title, lines(p), p.str());
  fc::Minified m = fc::minifier(p, in, fails, {.found = [](const Program& q, const Inputs&) { fmt::print("current size: {}\n", lines(q)); }});
  fmt::print("{} programs tried; {} lines\n{}\n", m.tried, lines(m.program), m.program.str());
  check("it still fails", fails(m.program, m.inputs));
  return m;
}

// A compiler with a bug: it takes tanh for its argument.
Program miscompiled(const Program& p) {
  return fc::rewrite(p, [](const Program::Equation& e, const Inputs& in) -> std::optional<Inputs> {
    if (e.op == "tanh") return Inputs{in[0]};
    return std::nullopt;
  });
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  Tensor x = ft::tensor({0.5, 1.0, 2.0}), y = ft::tensor({3.0, 6.0, -1.0});

  // Let us pretend that a program fails if there is a multiplication in it.
  auto multiplies = [](const Program& p, const Inputs&) { return has(p, "mul"); };
  Program p = ft::make_fx([](Tensor x, Tensor y) {
    y = y / 3.0;
    x = x + 3.0;
    x = x * y;
    return x + y;
  })(x, y);
  auto m = shown("a multiplication", p, {x, y}, multiplies);
  check("four lines are left", lines(m.program) == 4);
  check("the two operands are inputs, with their values", m.inputs.size() == 2 && ft::allclose(m.program(m.inputs)[0], (x + 3.0) * (y / 3.0)));
  fc::draw_graph(p, out + "/minifier_before.svg", {.title = "before"});
  fc::draw_graph(m.program, out + "/minifier_after.svg", {.title = "after"});

  // A failure that depends on values: a NaN out of inputs without one. Somewhere zero is divided by zero.
  auto makes_nan = [](const Program& p, const Inputs& in) { return !any_nan(in) && any_nan(p(in)); };
  m = shown("zero by zero", ft::make_fx([](Tensor x) {
              x = ft::cos(x * 3.0 + 5.0);
              Tensor zero = x - x;
              return (zero / zero + 3.0) * 2.0;
            })(x),
            {x}, makes_nan);
  check("three lines are left", lines(m.program) == 3);
  check("a division of zeros", has(m.program, "div") && ft::equal(m.inputs[0], ft::zeros({3})));

  // A failure without any equation: an input that is returned as it is.
  auto returns_input = [](const Program& p, const Inputs&) {
    for (const auto& o : p.outputs())
      for (const auto& i : p.inputs())
        if (o.name == i.name) return true;
    return false;
  };
  m = shown("an input returned", ft::make_fx([](Tensor a, Tensor b, Tensor c) {
              a = ft::sin(a);
              c = ft::cos(c);
              return std::tuple{a, b, c, a * c};
            })(x, y, x),
            {x, y, x}, returns_input);
  check("two lines are left", lines(m.program) == 2 && m.program.size() == 0);

  // Where does the program come from? AOT autograd gives each half to a compiler: print_compile shows it; this one keeps it as files,
  // text and inputs, for another day or another person.
  auto foo = [](const Tensor& v) { return ft::sum(ft::cos(ft::cos(v))); };
  fmt::print("---- the halves of an AOT function\n");
  (void)ft::grad(fc::aot_function(foo, {.fw_compiler = fc::print_compile}))(x);
  auto keep = [&](const Program& half, const Inputs& examples) {
    ft::io::save_repro(out + "/minifier_backward", half, examples);
    return fc::nop(half, examples);
  };
  (void)ft::grad(fc::aot_function(foo, {.bw_compiler = keep}))(x);
  auto kept = ft::io::load_repro(out + "/minifier_backward/program.txt", out + "/minifier_backward/inputs.npz");
  m = shown("the backward half, from its files", kept.program, kept.inputs, multiplies);
  check("four lines are left", lines(m.program) == 4);

  // The use of it all: a compiler that gives wrong results. What fails is the comparison with the program as it is.
  auto wrong = [](const Program& p, const Inputs& in) {
    Inputs want = p(in), got = miscompiled(p)(in);
    for (std::size_t i = 0; i < want.size(); ++i)
      if (!ft::allclose(got[i], want[i])) return true;
    return false;
  };
  auto model = [](const Tensor& x, const Tensor& w) { return ft::mean(ft::square(ft::matmul(ft::tanh(ft::matmul(w, x)) + 1.0, w))); };
  Tensor w = ft::random::normal(ft::random::key(0), {3, 3});
  Program gradient = ft::make_fx(ft::grad<0, 1>(model))(x, w);
  m = shown("a wrong compiler", gradient, {x, w}, wrong);
  check("one equation is left, the one that it does not understand", m.program.size() == 1 && has(m.program, "tanh"));
  check("and it is wrong by what tanh differs from its argument",
        ft::allclose(miscompiled(m.program)(m.inputs)[0] - m.program(m.inputs)[0], m.inputs[0] - ft::tanh(m.inputs[0])));

  // Kept as text, inputs and a C++ file that compiles and fails alike. The command functra-minify does all this with files.
  ft::io::save_repro(out + "/minifier_repro", m.program, m.inputs, "return true;");
  auto again = ft::io::load_repro(out + "/minifier_repro/program.txt", out + "/minifier_repro/inputs.npz");
  check("read back it fails again", again.program == m.program && wrong(again.program, again.inputs));
  return failures != 0;
}
