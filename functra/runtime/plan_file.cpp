// One walk over the fields of a plan, for writing and for reading: neither can forget one.
#include "functra/runtime/plan_file.h"

#include <cstring>

#include "functra/base/reflect.h"
#include "functra/runtime/executable.h"

namespace functra::runtime {

namespace {

template <class T> struct is_vector : std::false_type {};
template <class T> struct is_vector<std::vector<T>> : std::true_type {};
template <class T> struct is_pair : std::false_type {};
template <class A, class B> struct is_pair<std::pair<A, B>> : std::true_type {};

class Writer {
 public:
  std::string bytes;
  void raw(void* from, std::size_t n) { bytes.append(static_cast<const char*>(from), n); }
  void text(std::string& s) {
    auto n = s.size();
    raw(&n, sizeof n);
    bytes += s;
  }
  std::size_t count(std::size_t n) {
    raw(&n, sizeof n);
    return n;
  }
};
class Reader {
 public:
  explicit Reader(std::string_view from) : from_(from) {}
  void raw(void* to, std::size_t n) { std::memcpy(to, take(n).data(), n); }
  void text(std::string& s) { s = take(count(0)); }
  std::size_t count(std::size_t) {
    std::size_t n;
    raw(&n, sizeof n);
    return n > from_.size() ? throw ValueError("a plan that was cut short") : n;
  }
  std::string_view take(std::size_t n) {
    if (n > from_.size()) throw ValueError("a plan that was cut short");
    auto r = from_.substr(0, n);
    from_.remove_prefix(n);
    return r;
  }

 private:
  std::string_view from_;
};
template <class A> inline constexpr bool reads = std::is_same_v<A, Reader>;

template <class A> void fields(A& a, Plan& p);

template <class A> void field(A& a, Shape& s) {
  std::size_t n = a.count(s.size());
  for (std::size_t i = 0; i < n; ++i) {
    std::int64_t extent = reads<A> ? 0 : s[i];
    a.raw(&extent, sizeof extent);
    if constexpr (reads<A>) s.push_back(extent);
  }
}
template <class A> void field(A& a, Aval& t) {
  a.raw(&t.dtype, sizeof t.dtype);
  a.raw(&t.weak, sizeof t.weak);
  field(a, t.shape);
}
template <class A> void field(A& a, Tensor& t) {
  Aval type = reads<A> ? Aval{} : t.aval();
  field(a, type);
  const std::size_t bytes = static_cast<std::size_t>(type.shape.numel()) * size_of(type.dtype);
  if constexpr (reads<A>) {
    if (type.shape.empty() && bytes <= sizeof(std::uint64_t)) {
      std::uint64_t bits = 0;
      a.raw(&bits, bytes);
      t = Tensor::scalar_bits(type.dtype, bits, type.weak);
    } else {
      t = Tensor::uninitialized(type.dtype, type.shape);
      a.raw(t.mutable_bytes(), bytes);
    }
  } else {
    Tensor c = t.contiguous();
    a.raw(const_cast<void*>(c.bytes()), bytes);
  }
}
template <class A> void field(A& a, const core::Primitive*& p) {
  std::string name = p ? p->name : "";
  a.text(name);
  if constexpr (reads<A>) p = name.empty() ? nullptr : core::find_primitive(name);
  if (!name.empty() && !p) throw ValueError("a plan with the unknown primitive '" + name + "'");
}
// Of this primitive.
template <class A> void parameters(A& a, const core::Primitive* prim, core::ParamRef& q) {
  std::string text;
  const core::Params now = q;
  std::uint8_t some = now.type != nullptr;
  a.raw(&some, 1);
  if (!some) return;
  if constexpr (!reads<A>) now.type->write(text, now.value);
  a.text(text);
  if constexpr (reads<A>) {
    core::TextReader in(text);
    q = core::ParamRef::adopt(prim->params->read(in));
  }
}
template <class A> void field(A& a, ExecutablePtr& e) {
  if constexpr (reads<A>) {
    Plan p;
    fields(a, p);
    e = std::make_shared<const Executable>(std::move(p));
  } else {
    fields(a, const_cast<Plan&>(e->plan()));
  }
}
template <class A> void field(A& a, compiler::CodePtr& code) {
  compiler::CodeName name;
  if constexpr (!reads<A>) name = code ? code->name : compiler::CodeName{};
  a.raw(&name.object, sizeof name.object);
  const std::size_t n = a.count(name.functions.size());
  name.functions.resize(n);
  for (auto& f : name.functions) a.raw(&f, sizeof f);
  if constexpr (reads<A>)
    if (n && !(code = compiler::find_code(name))) throw ValueError("a plan whose code is not there");
}
template <class A, class T> void field(A& a, T& x) {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    a.raw(&x, sizeof x);
  } else if constexpr (is_vector<T>::value) {
    const std::size_t n = a.count(x.size());
    if constexpr (reads<A>) x.resize(n);
    for (auto& y : x) field(a, y);
  } else if constexpr (is_pair<T>::value) {
    field(a, x.first);
    field(a, x.second);
  } else if constexpr (std::is_pointer_v<T>) {
    static_assert(std::is_same_v<T, compiler::Kernel> || std::is_same_v<T, const void*>);  // an address in this process: found again, or unknown
  } else {
    std::apply([&](auto&... f) { (field(a, f), ...); }, reflect::tie(x));
  }
}
template <class A> void field(A& a, Step& s) {
  std::apply(
      [&](auto&... f) {
        auto each = [&](auto& x) {
          if constexpr (std::is_same_v<std::remove_cvref_t<decltype(x)>, core::ParamRef>) parameters(a, s.prim, x);
          else field(a, x);
        };
        (each(f), ...);
      },
      reflect::tie(s));
}
template <class A> void fields(A& a, Plan& p) {
  field(a, p.n_in);
  field(a, p.results);
  field(a, p.literals);
  field(a, p.steps);
  field(a, p.slots);
  field(a, p.result_place);
  field(a, p.arena_bytes);
  field(a, p.held_bytes);
  field(a, p.figures);
  field(a, p.code);
  if constexpr (reads<A>) {
    p.figures.compile_ms = 0;
    finish(p);
  }
}

}  // namespace

std::string write_plan(const Plan& plan) {
  Writer a;
  fields(a, const_cast<Plan&>(plan));
  return std::move(a.bytes);
}
std::optional<Plan> read_plan(std::string_view bytes) {
  try {
    Reader a(bytes);
    Plan p;
    fields(a, p);
    return p;
  } catch (const Error&) { return {}; }
}

}  // namespace functra::runtime
