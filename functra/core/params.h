// Typed parameters of primitives. A parameter struct is a plain aggregate; equality, hash, text and reading text derive from
// its fields, so that none of them can forget one.
//
// `Params` is a view: an op call passes its parameters from the stack, only recording copies them into a box.
#pragma once
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "functra/base/function_ref.h"
#include "functra/base/refcount.h"
#include "functra/base/reflect.h"
#include "functra/core/text.h"
#include "functra/tensor/aval.h"

namespace functra::core {

struct Program;
using ProgramPtr = std::shared_ptr<const Program>;
using Mask = std::vector<std::uint8_t>;

inline std::size_t mix(std::size_t a, std::size_t b) { return (a ^ (b + 0x9e3779b97f4a7c15 + (a << 6) + (a >> 2))) * 0xff51afd7ed558ccd; }

// What a field can be. `write` appends text that `read` takes back.
inline std::size_t hash_of(std::int64_t v) { return static_cast<std::size_t>(v) * 0x9e3779b97f4a7c15; }
std::size_t hash_of(const Shape& s);
std::size_t hash_of(const std::string& s);
std::size_t hash_of(const Scalar& s);
std::size_t hash_of(const Aval& a);
std::size_t hash_of(const ProgramPtr& p);
inline bool same(const Scalar& a, const Scalar& b) { return a.str() == b.str() && a.type() == b.type(); }
bool same(const ProgramPtr& a, const ProgramPtr& b);
void write(std::string& out, std::int64_t v);
void write(std::string& out, const Shape& s);
void write(std::string& out, const std::string& s);
void write(std::string& out, const Scalar& s);
void write(std::string& out, DType d);
void write(std::string& out, const Aval& a);
void write(std::string& out, const ProgramPtr& p);
void read(TextReader& in, Shape& s);
void read(TextReader& in, std::string& s);
void read(TextReader& in, Scalar& s);
void read(TextReader& in, DType& d);
void read(TextReader& in, Aval& a);
void read(TextReader& in, ProgramPtr& p);

template <class T>
concept Plain = std::is_integral_v<T> || std::is_enum_v<T>;
template <Plain T> std::size_t hash_of(T v) { return hash_of(static_cast<std::int64_t>(v)); }
template <class T> std::size_t hash_of(const std::vector<T>& v) {
  std::size_t h = v.size();
  for (const T& x : v) h = mix(h, hash_of(x));
  return h;
}
template <class T> std::size_t hash_of(const std::optional<T>& v) { return v ? mix(1, hash_of(*v)) : 0; }
template <class T> bool same(const T& a, const T& b) { return a == b; }
template <class T> bool same(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same(a[i], b[i])) return false;
  return true;
}
template <Plain T> void write(std::string& out, T v) {
  if constexpr (std::is_same_v<T, bool>) out += v ? "true" : "false";
  else write(out, static_cast<std::int64_t>(v));
}
template <class T> void write(std::string& out, const std::vector<T>& v) {
  out += '(';
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (i) out += ", ";
    write(out, v[i]);
  }
  out += ')';
}
template <class T> void write(std::string& out, const std::optional<T>& v) {
  if (v) write(out, *v);
  else out += "none";
}
template <Plain T> void read(TextReader& in, T& v) {
  if constexpr (std::is_same_v<T, bool>) v = static_cast<bool>(in.number());
  else v = static_cast<T>(in.integer());
}
template <class T> void read(TextReader& in, std::vector<T>& v) {
  in.expect("(");
  while (!in.eat(")")) {
    read(in, v.emplace_back());
    in.eat(",");
  }
}
template <class T> void read(TextReader& in, std::optional<T>& v) {
  if (in.eat("none")) v.reset();
  else read(in, v.emplace());
}

// Does the text of a field say all that it is? A pointer to what is not a Program, a function of the user's for example, is told by a name
// that means nothing to another process.
template <class T> inline constexpr bool text_tells = true;
template <class T> inline constexpr bool text_tells<std::shared_ptr<T>> = std::is_same_v<T, const Program>;
template <class T> inline constexpr bool text_tells<std::vector<T>> = text_tells<T>;
template <class T> inline constexpr bool text_tells<std::optional<T>> = text_tells<T>;

struct ParamBox;
struct ParamType {
  bool (*equal)(const void*, const void*);
  std::size_t (*hash)(const void*);
  void (*write)(std::string&, const void*);  // "dims=[0, 1] keep=true"
  ParamBox* (*read)(TextReader&);            // up to, not including, the closing brace
  ParamBox* (*box)(const void*);
  void (*programs)(const void*, std::vector<ProgramPtr>&);                              // those among the fields, in order
  ParamBox* (*map_programs)(const void*, function_ref<ProgramPtr(const ProgramPtr&)>);  // a copy with each of them replaced
  void (*drop)(ParamBox*);
  bool text_tells;  // of all fields
};
struct ParamBox {
  RefCount refs;
  const ParamType* type;
  const void* value;
};
template <class P> struct Boxed : ParamBox { P v; };

struct Params {
  const ParamType* type = nullptr;
  const void* value = nullptr;
  ParamBox* box = nullptr;  // set where the parameters already live in a Program
  template <class P> const P& get() const { return *static_cast<const P*>(value); }
};

namespace detail {
template <class P, class F> void each_field(P& p, F f) {
  auto t = reflect::tie(p);
  [&]<std::size_t... I>(std::index_sequence<I...>) { (f(reflect::names<std::remove_const_t<P>>[I], std::get<I>(t)), ...); }
  (std::make_index_sequence<reflect::arity<std::remove_const_t<P>>>{});
}
inline void find_programs(const ProgramPtr& p, std::vector<ProgramPtr>& out) {
  if (p) out.push_back(p);
}
inline void find_programs(const std::vector<ProgramPtr>& v, std::vector<ProgramPtr>& out) {
  for (auto& p : v) find_programs(p, out);
}
template <class T> void find_programs(const T&, std::vector<ProgramPtr>&) {}
inline void map_programs(ProgramPtr& p, function_ref<ProgramPtr(const ProgramPtr&)> f) {
  if (p) p = f(p);
}
inline void map_programs(std::vector<ProgramPtr>& v, function_ref<ProgramPtr(const ProgramPtr&)> f) {
  for (auto& p : v) map_programs(p, f);
}
template <class T> void map_programs(T&, function_ref<ProgramPtr(const ProgramPtr&)>) {}
template <class P> ParamBox* make_box(P&& p);
template <class Fields> inline constexpr bool text_tells_each = false;
template <class... T> inline constexpr bool text_tells_each<std::tuple<T...>> = (text_tells<std::remove_cvref_t<T>> && ...);
template <class P> inline constexpr bool text_tells_all = text_tells_each<decltype(reflect::tie(std::declval<P&>()))>;
}  // namespace detail

template <class P>
inline constexpr ParamType param_type = {.equal =
                                             [](const void* a, const void* b) {
                                               auto x = reflect::tie(*static_cast<const P*>(a)), y = reflect::tie(*static_cast<const P*>(b));
                                               return [&]<std::size_t... I>(std::index_sequence<I...>) {
                                                 return (same(std::get<I>(x), std::get<I>(y)) && ...);
                                               }
                                               (std::make_index_sequence<reflect::arity<P>>{});
                                             },
                                         .hash =
                                             [](const void* a) {
                                               std::size_t h = 7;
                                               detail::each_field(*static_cast<const P*>(a), [&](auto, auto& f) { h = mix(h, hash_of(f)); });
                                               return h;
                                             },
                                         .write =
                                             [](std::string& out, const void* a) {
                                               bool first = true;
                                               detail::each_field(*static_cast<const P*>(a), [&](std::string_view name, auto& f) {
                                                 out += first ? "" : " ";
                                                 first = false;
                                                 out += name;
                                                 out += '=';
                                                 write(out, f);
                                               });
                                             },
                                         .read = [](TextReader& in) -> ParamBox* {
                                           P p{};
                                           detail::each_field(p, [&](std::string_view name, auto& f) {
                                             in.expect(name);
                                             in.expect("=");
                                             read(in, f);
                                           });
                                           return detail::make_box(std::move(p));
                                         },
                                         .box = [](const void* a) -> ParamBox* { return detail::make_box(P(*static_cast<const P*>(a))); },
                                         .programs =
                                             [](const void* a, std::vector<ProgramPtr>& out) {
                                               detail::each_field(*static_cast<const P*>(a), [&](auto, auto& f) { detail::find_programs(f, out); });
                                             },
                                         .map_programs = [](const void* a, function_ref<ProgramPtr(const ProgramPtr&)> f) -> ParamBox* {
                                           P p = *static_cast<const P*>(a);
                                           detail::each_field(p, [&](auto, auto& field) { detail::map_programs(field, f); });
                                           return detail::make_box(std::move(p));
                                         },
                                         .drop = [](ParamBox* b) { delete static_cast<Boxed<P>*>(b); },
                                         .text_tells = detail::text_tells_all<P>};
template <class P> ParamBox* detail::make_box(P&& p) {
  using T = std::remove_cvref_t<P>;
  auto* b = new Boxed<T>{{{}, &param_type<T>, nullptr}, std::forward<P>(p)};
  b->value = &b->v;
  return b;
}
template <class P> Params params(const P& p) { return {&param_type<P>, &p, nullptr}; }

class ParamRef {  // owning; null for primitives without parameters
 public:
  ParamRef() = default;
  explicit ParamRef(const Params& p) : b_(!p.type ? nullptr : p.box ? (p.box->refs.add(), p.box) : p.type->box(p.value)) {}
  static ParamRef adopt(ParamBox* b) {
    ParamRef r;
    r.b_ = b;
    return r;
  }
  ParamRef(const ParamRef& o) : b_(o.b_) {
    if (b_) b_->refs.add();
  }
  ParamRef(ParamRef&& o) noexcept : b_(std::exchange(o.b_, nullptr)) {}
  ParamRef& operator=(ParamRef o) noexcept {
    std::swap(b_, o.b_);
    return *this;
  }
  ~ParamRef() {
    if (b_ && b_->refs.drop()) b_->type->drop(b_);
  }
  operator Params() const { return b_ ? Params{b_->type, b_->value, b_} : Params{}; }

 private:
  ParamBox* b_ = nullptr;
};

}  // namespace functra::core
