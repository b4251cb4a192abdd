// jit: f traced once per structure, shapes and dtypes of its arguments, then run as a compiled program.
#pragma once
#include "functra/transforms/callable.h"
#include "functra/transforms/disable_jit.h"
#include "functra/transforms/stages.h"
#include "functra/transforms/vjp.h"

namespace functra {

namespace detail {

template <class F> inline constexpr char type_identity = 0;

// Trees without static leaves and containers of varying extent: nothing but tensors can change between calls.
template <class T> constexpr bool only_tensors();
template <class Fields> struct all_only_tensors;
template <class... T> struct all_only_tensors<std::tuple<T...>> { static constexpr bool value = (only_tensors<std::remove_cvref_t<T>>() && ...); };
template <class T> constexpr bool only_tensors() {
  if constexpr (std::is_same_v<T, Tensor> || tree::Empty<T>) return true;
  else if constexpr (StaticLeaf<T> || tree::ListLike<T> || tree::MapLike<T> || tree::is_of<T, std::optional> || tree::is_of<T, std::variant>)
    return false;
  else if constexpr (tree::is_array<T>) return only_tensors<typename T::value_type>();
  else if constexpr (tree::is_of<T, std::pair>) return only_tensors<typename T::first_type>() && only_tensors<typename T::second_type>();
  else if constexpr (tree::Product<T>) return all_only_tensors<T>::value;
  else return all_only_tensors<decltype(tree::fields_of(std::declval<T&>()))>::value;
}

// f on the argument copies, and its result kept without tensors, for the cache.
template <class F, class... T> class JitRunner : public Runner<F, false, T...> {
 public:
  using R = typename Runner<F, false, T...>::R;
  using Runner<F, false, T...>::Runner;
  std::shared_ptr<const void> keep() const { return std::make_shared<const R>(without_tensors(*this->result)); }
  TreeRef restore(const void* kept) {
    this->result.emplace(*static_cast<const R*>(kept));
    return TreeRef(*this->result);
  }
};
template <class Run, class Use> decltype(auto) with_hooks(Run& f, Use use) {
  auto keep = [&] { return f.keep(); };
  auto restore = [&](const void* kept) { return f.restore(kept); };
  return use(erased::JitHooks{f, keep, restore});
}

// The static values and structures of arguments as a text; nothing where there are none.
template <class A> void append_statics(std::string& key, const A& a) {
  if constexpr (!only_tensors<A>()) tree::append_key(key, TreeRef(a));
}
[[noreturn]] inline void other_statics() {
  throw StructureError(
      "bind: a static value or the structure of an argument differs from the prepared call; bind again, or call the jitted function itself");
}

// A prepared call: arguments of the shapes and static values it was bound with, no lookup; nothing is asked of the heap, but by kernels of
// oneDNN (convolutions, large products of f32). The result is overwritten by the next call unless a copy of it is held. One thread at a
// time: copies share their workspace.
template <class R, class... T> class Bound {
 public:
  Bound(std::shared_ptr<erased::BoundState> s, R result, const T&... t) : state_(std::move(s)), result_(std::move(result)) {
    (append_statics(key_, t), ...);
  }
  const R& operator()(const T&... t) {
    if constexpr (!(only_tensors<T>() && ...)) {
      scratch_.clear();
      (append_statics(scratch_, t), ...);
      if (scratch_ != key_) other_statics();
    }
    const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
    erased::bound_call(*state_, refs, TreeRef(result_));
    return result_;
  }

 private:
  std::shared_ptr<erased::BoundState> state_;
  R result_;
  std::string key_, scratch_;
};

// The stages of a function f, for arguments T... and a result R: what they compile to takes those arguments too, of the types and static
// values that f was traced for, and gives f's result. Any number of threads may call it.
template <class R, class... T> struct TracedFor {
  erased::JitTrace traced;
  R result;  // without its tensors
  std::string key;
};
template <class R, class... T> class CompiledFor : public CompiledProgram {
 public:
  explicit CompiledFor(std::shared_ptr<const TracedFor<R, T...>> f) : CompiledProgram(f->traced.program), f_(std::move(f)) {}
  using CompiledProgram::operator();
  template <class... A>
  requires(sizeof...(A) == sizeof...(T) && (std::is_convertible_v<const A&, T> && ...)) R operator()(const A&... a) const { return call(a...); }

 private:
  R call(const T&... t) const {
    std::string key;
    (append_statics(key, t), ...);
    if (key != f_->key) other_statics();
    const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
    R r = f_->result;
    erased::traced_call(f_->traced.entry.get(), refs, TreeRef(r));
    return r;
  }
  std::shared_ptr<const TracedFor<R, T...>> f_;
};
template <class R, class... T> class LoweredFor : public Lowered {
 public:
  explicit LoweredFor(std::shared_ptr<const TracedFor<R, T...>> f) : Lowered(f->traced.program), f_(std::move(f)) {}
  CompiledFor<R, T...> compile() const { return CompiledFor<R, T...>(f_); }

 private:
  std::shared_ptr<const TracedFor<R, T...>> f_;
};
template <class R, class... T> class StagesFor : public Stages {
 public:
  explicit StagesFor(TracedFor<R, T...> f) : Stages(f.traced.program), f_(std::make_shared<const TracedFor<R, T...>>(std::move(f))) {}
  LoweredFor<R, T...> lower() const { return LoweredFor<R, T...>(f_); }

 private:
  std::shared_ptr<const TracedFor<R, T...>> f_;
};

template <class F> class Jit : public Callable<Jit<F>, signature_t<F>> {
 public:
  Jit(F f, JitOptions o) : f_(std::move(f)), state_(erased::new_jit(std::move(o), &type_identity<F>)) {}
  template <std::size_t> using Lift = LiftNone;
  template <class... T> auto run(T&... t) const {
    if constexpr (!check_call<F, T...>()) return Anything{};
    else {
      JitRunner<F, T...> f(f_, t...);
      const std::array<TreeRef, sizeof...(T)> refs{TreeRef(t)...};
      with_hooks(f, [&](const erased::JitHooks& hooks) { erased::jit_call(*state_, refs, hooks); });
      return f.take();
    }
  }
  std::size_t cache_size() const { return erased::jit_cache_size(*state_); }
  void cache_clear() const { erased::jit_cache_clear(*state_); }
  JitStats cache_stats() const { return erased::jit_stats(*state_); }
  // Why a call with these arguments would be traced again: what differs from the nearest entry of the cache, a line each, by path.
  template <class... T> std::string explain_miss(T&&... t) const {
    auto args = arguments<F, LiftNone>(static_cast<T&&>(t)...);
    return std::apply(
        [&]<class... A>(A&... a) {
          const std::array<TreeRef, sizeof...(A)> refs{TreeRef(a)...};
          return erased::jit_explain(*state_, refs);
        },
        args);
  }

  // The program for arguments like these, traced or found in the cache; nothing is evaluated.
  template <class... T> auto trace(T&&... t) const {
    auto args = arguments<F, LiftNone>(static_cast<T&&>(t)...);
    return std::apply(
        [&]<class... A>(A&... a) {
          if constexpr (!check_call<F, A...>()) return Stages({});
          else {
            using R = typename JitRunner<F, A...>::R;
            JitRunner<F, A...> f(f_, a...);
            const std::array<TreeRef, sizeof...(A)> refs{TreeRef(a)...};
            erased::JitTrace traced = with_hooks(f, [&](const erased::JitHooks& hooks) { return erased::jit_trace(*state_, refs, hooks); });
            std::string key;
            (append_statics(key, a), ...);
            return StagesFor<R, A...>(TracedFor<R, A...>{std::move(traced), f.take(), std::move(key)});
          }
        },
        args);
  }

  // A prepared call for arguments like these: `auto call = fast.bind(x); const R& r = call(x);`.
  template <class... T> auto bind(T&&... t) const {
    auto args = arguments<F, LiftNone>(static_cast<T&&>(t)...);
    return std::apply(
        [&]<class... A>(A&... a) {
          if constexpr (!check_call<F, A...>()) return Anything{};
          else {
            JitRunner<F, A...> f(f_, a...);
            const std::array<TreeRef, sizeof...(A)> refs{TreeRef(a)...};
            auto state = with_hooks(f, [&](const erased::JitHooks& hooks) { return erased::jit_bind(*state_, refs, hooks); });
            auto r = f.take();
            return Bound<decltype(r), A...>(std::move(state), std::move(r), a...);
          }
        },
        args);
  }

 private:
  F f_;
  erased::JitPtr state_;  // shared by copies
};

}  // namespace detail

// f compiled: traced at the first call with arguments of a structure, shapes, dtypes and static values, and run as a program after
// that; the last 1,024 of these are kept, and of threads that call at a time one traces and the others wait. Tensors that f captures keep
// the values they had when it was traced. donate: numbers of arguments whose memory the call may reuse when it holds the last reference.
// A jitted function is a function: any transform takes it, and transforms its program.
template <class F> auto jit(F f, JitOptions o = {}) { return detail::Jit<F>(std::move(f), std::move(o)); }

}  // namespace functra
