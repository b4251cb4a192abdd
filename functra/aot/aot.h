// AOT autograd: a function whose forward and backward halves are Programs that go to compilers of the user's choice.
#pragma once
#include "functra/aot/partition.h"
#include "functra/aot/rewrite.h"
#include "functra/transforms/jit.h"

namespace functra {

namespace compile {

// A compiled Program: takes its arguments over (they may be released as they are used), returns its outputs.
using Compiled = std::function<std::vector<Tensor>(std::vector<Tensor> args)>;
// Called once per half, at the first call that needs it, with that call's arguments as examples.
using Compiler = std::function<Compiled(const Program& program, const std::vector<Tensor>& examples)>;

Compiled nop(const Program& program, const std::vector<Tensor>& examples);            // evaluates the Program as it is
Compiled print_compile(const Program& program, const std::vector<Tensor>& examples);  // prints it to standard output, then nop
Compiled jit(const Program& program, const std::vector<Tensor>& examples);            // what ft::jit does with it
Compiler draw_graph_compile(std::string path);                                        // draws it (see draw_graph), then nop

struct AotOptions {
  Compiler fw_compiler = nop;
  Compiler bw_compiler{};  // the forward one if not given
  Partitioner partition_fn = default_partition;
  Decompositions decompositions{};  // applied to the function, and to its joint program
  Compiler inference_compiler{};    // of the whole function where nobody differentiates; the forward one if not given
};

// The programs of an AOT function for arguments like those given.
struct AotPrograms {
  JointProgram joint;
  Partition parts;
};

// Of the whole process: how often an AOT function was traced, since the start or the last clear_compile_cache().
std::int64_t num_of_recompilations();
void clear_compile_cache();  // every AOT function forgets its programs

}  // namespace compile

namespace erased {
class AotState;
using AotPtr = std::shared_ptr<AotState>;
AotPtr new_aot(compile::AotOptions o);
void aot_call(AotState&, Refs args, const JitHooks& hooks);
compile::AotPrograms aot_programs(AotState&, Refs args, const JitHooks& hooks);
JitStats aot_stats(AotState&);
void aot_clear(AotState&);
std::string aot_explain(AotState&, Refs args);
}  // namespace erased

namespace detail {

template <class F> class Aot : public Callable<Aot<F>, signature_t<F>> {
 public:
  Aot(F f, compile::AotOptions o) : f_(std::move(f)), state_(erased::new_aot(std::move(o))) {}
  template <std::size_t> using Lift = LiftNone;
  template <class... T> auto run(T&... t) const {
    if constexpr (!check_call<F, T...>()) return Anything{};
    else {
      JitRunner<F, T...> f(f_, t...);
      const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
      with_hooks(f, [&](const erased::JitHooks& hooks) { erased::aot_call(*state_, refs, hooks); });
      return f.take();
    }
  }
  // The joint program for arguments like these and its halves; nothing is computed or compiled.
  template <class... T> compile::AotPrograms programs(T&&... t) const {
    auto args = arguments<F, LiftNone>(static_cast<T&&>(t)...);
    return std::apply(
        [&]<class... A>(A&... a) {
          if constexpr (!check_call<F, A...>()) return compile::AotPrograms{};
          else {
            JitRunner<F, A...> f(f_, a...);
            const std::array<TreeRef, sizeof...(A)> refs{TreeRef(a)...};
            return with_hooks(f, [&](const erased::JitHooks& hooks) { return erased::aot_programs(*state_, refs, hooks); });
          }
        },
        args);
  }
  std::size_t cache_size() const { return cache_stats().size; }
  JitStats cache_stats() const { return erased::aot_stats(*state_); }
  void cache_clear() const { erased::aot_clear(*state_); }
  template <class... T> std::string explain_miss(T&&... t) const {
    auto args = arguments<F, LiftNone>(static_cast<T&&>(t)...);
    return std::apply(
        [&]<class... A>(A&... a) {
          const std::array<TreeRef, sizeof...(A)> refs{TreeRef(a)...};
          return erased::aot_explain(*state_, refs);
        },
        args);
  }

 private:
  F f_;
  erased::AotPtr state_;  // shared by copies
};

}  // namespace detail

namespace compile {

// f, traced like jit(f) does, its derivative taken ahead of time: where f is differentiated, the joint Program of results and gradients
// is cut in two by partition_fn and each half goes to its compiler. Any transform takes the result; under vmap, and for derivatives of
// the derivative, the halves' Programs are transformed and evaluated, not compiled.
template <class F> auto aot_function(F f, AotOptions o = {}) { return detail::Aot<F>(std::move(f), std::move(o)); }

// A module and its AOT-compiled call: itself a tree with the parameters of the module, called like it.
template <class M> class AotModule {
  struct Forward {
    template <class... T> auto operator()(const M& m, const T&... x) const { return m(x...); }
  };

 public:
  M module;
  AotModule(M m, AotOptions o) : module(std::move(m)), call_(Forward{}, std::move(o)) {}
  template <class... T> auto operator()(const T&... x) const { return call_(module, x...); }
  template <class... T> AotPrograms programs(const T&... x) const { return call_.programs(module, x...); }
  JitStats cache_stats() const { return call_.cache_stats(); }
  FUNCTRA_TREE(AotModule, module);

 private:
  detail::Aot<Forward> call_;
};
template <class M> AotModule<M> aot_module(M m, AotOptions o = {}) { return {std::move(m), std::move(o)}; }

// The halves keep as little as possible between them and are compiled: for functions whose time goes to memory traffic.
template <class F> auto memory_efficient_fusion(F f) {
  return aot_function(std::move(f), {.fw_compiler = jit, .bw_compiler = jit, .partition_fn = min_cut_rematerialization_partition});
}

}  // namespace compile

}  // namespace functra
