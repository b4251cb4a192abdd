// A workload beside peers: a function and its inputs. Its compiled results are compared with those of plain evaluation before anything
// is timed.
#pragma once
#include "bench/measure.h"

namespace bench {

using Figures = std::vector<std::pair<const char*, double>>;  // further members of a line

struct Row {
  const char* name;
  void (*make)(const Row&);
  const char* note = "";
  // Above 1: a call below a microsecond, timed through a prepared call (`bind`) as the mean of so many; `call_us` is then the same
  // through fast(args).
  int inner = 1;
  // How far compiled results may be from plain evaluation, relative to the largest element of an output; 0: 2e-5 (f32), 1e-10 (f64).
  double tolerance = 0;
  bool plain = false;  // evaluated as it stands

  // ft::jit(f) at these arguments.
  template <class F, class... A> void jit(F f, const A&... args) const;
  // f as it stands.
  template <class F, class... A> void eager(F f, const A&... args) const;

 private:
  // Throws a ValueError that names the output and the element.
  void compare(const std::vector<Tensor>& out, const std::vector<Tensor>& expected) const;
  void report(const std::vector<Tensor>& out, double first, Times t, const Figures& more = {}) const;
};

// The rows of each family; all of them.
std::vector<Row> elementwise_rows(), loop_rows(), small_rows(), dense_rows(), network_rows();
std::vector<Row> all_rows();
// From the traced program to code that can be called: passes and code generation, or what was found on disk. 0 in a build without LLVM.
double code_ms(const ft::CompiledProgram& p);

template <class F, class... A> void Row::jit(F f, const A&... args) const {
  if (plain) return eager(f, args...);
  auto fast = ft::jit(f);
  double t0 = now();
  auto traced = fast.trace(args...);
  double t1 = now();
  auto r = fast(args...);
  double first = now() - t0;
  Figures more{{"trace_ms", (t1 - t0) * 1e3}, {"code_ms", code_ms(traced.lower().compile())}};
  std::vector<Tensor> out = ft::tree_leaves(r);
  compare(out, ft::tree_leaves(f(args...)));
  Times calls = repeat(
      [&] {
        double t = now();
        for (int i = 1; i < inner; ++i) fast(args...);
        auto last = fast(args...);  // freed after the clock is read
        return now() - t;
      },
      inner);
  if (inner == 1) return report(out, first, calls, more);
  auto call = fast.bind(args...);
  compare(ft::tree_leaves(call(args...)), out);
  Times bound = repeat(
      [&] {
        double t = now();
        for (int i = 0; i < inner; ++i) call(args...);
        return now() - t;
      },
      inner);
  more.push_back({"call_us", calls.min * 1e6});
  report(out, first, bound, more);
}

template <class F, class... A> void Row::eager(F f, const A&... args) const {
  double t0 = now();
  std::vector<Tensor> out = ft::tree_leaves(f(args...));
  double first = now() - t0;
  Times calls = repeat(
      [&] {
        double t = now();
        for (int i = 1; i < inner; ++i) f(args...);
        auto last = f(args...);
        return now() - t;
      },
      inner);
  report(out, first, calls);
}

}  // namespace bench
