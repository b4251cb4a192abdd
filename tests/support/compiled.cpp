#include "support/compiled.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>

#include "functra/compiler/passes.h"
#include "functra/core/interp.h"
#include "functra/core/replay.h"
#include "laws_count.h"
#if FUNCTRA_HAVE_LLVM
#include "functra/runtime/executable.h"
#include "functra/runtime/parts.h"
#include "functra/runtime/plan_file.h"
#endif

namespace functra::testing {
namespace {

double eps_of(DType d) {
  switch (d) {
    case DType::f16: return 0x1p-10;
    case DType::bf16: return 0x1p-7;
    case DType::f32:
    case DType::c64: return 0x1p-23;
    default: return 0x1p-52;
  }
}
// How many floats lie between a and b: of zero, denormals and across zero too.
template <class T, class I> std::int64_t places_between(double a, double b) {
  auto place = [](double v) {
    const auto i = std::bit_cast<I>(static_cast<T>(v));
    return i < 0 ? std::numeric_limits<I>::min() - i : i;
  };
  I d;
  if (__builtin_sub_overflow(place(a), place(b), &d) || d == std::numeric_limits<I>::min()) return std::numeric_limits<std::int64_t>::max();
  return std::abs(static_cast<std::int64_t>(d));
}
// Elementwise results: the same kind of number, of the same sign, and few floats apart.
bool agree(DType d, double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::signbit(a) != std::signbit(b) || std::isinf(a) != std::isinf(b)) return false;
  if (d == DType::f64) return places_between<double, std::int64_t>(a, b) <= 4;
  return d == DType::f32 ? places_between<float, std::int32_t>(a, b) <= 4 : a == b;
}
std::string at_element(std::size_t k, std::size_t i, double is, double should) {
  char text[140];
  std::snprintf(text, sizeof text, "result %zu element %zu: %.17g, expected %.17g", k, i, is, should);
  return text;
}
std::string values_differ(const Tensor& a, const Tensor& b, std::size_t k, Match match, double deep) {
  const DType d = a.raw_dtype();
  if (is_integer(d) || is_bool(d)) {  // doubles would not tell large ones apart
    Tensor x = a.contiguous(), y = b.contiguous();
    const std::size_t size = size_of(d);
    for (std::int64_t i = 0; i < x.numel(); ++i)
      if (std::memcmp(static_cast<const char*>(x.bytes()) + static_cast<std::size_t>(i) * size,
                      static_cast<const char*>(y.bytes()) + static_cast<std::size_t>(i) * size, size) != 0)
        return at_element(k, static_cast<std::size_t>(i), x.to_vector<double>()[static_cast<std::size_t>(i)],
                          y.to_vector<double>()[static_cast<std::size_t>(i)]);
    return {};
  }
  std::vector<double> x, y;
  if (is_complex(d)) {
    for (auto [t, to] : {std::pair(&a, &x), std::pair(&b, &y)}) {
      const Tensor c = t->contiguous();
      for (std::int64_t i = 0; i < 2 * c.numel(); ++i)
        to->push_back(d == DType::c64 ? static_cast<const float*>(c.bytes())[i] : static_cast<const double*>(c.bytes())[i]);
    }
  } else {
    x = a.to_vector<double>();
    y = b.to_vector<double>();
  }
  if (match == Match::ulps) {
    const DType part = d == DType::c64 ? DType::f32 : d == DType::c128 ? DType::f64 : d;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (!agree(part, x[i], y[i])) return at_element(k, i, x[i], y[i]);
    return {};
  }
  double scale = 0;
  for (double v : y)
    if (std::isfinite(v)) scale = std::max(scale, std::fabs(v));
  const double room = 64 * eps_of(d) * deep * scale;
  for (std::size_t i = 0; i < x.size(); ++i) {
    bool same = std::isnan(x[i]) ? std::isnan(y[i]) : x[i] == y[i] && (match == Match::rounded || std::signbit(x[i]) == std::signbit(y[i]));
    if (match == Match::rounded && std::isfinite(x[i]) && std::isfinite(y[i])) same |= std::fabs(x[i] - y[i]) <= room;
    if (!same) return at_element(k, i, x[i], y[i]);
  }
  return {};
}

}  // namespace

std::string results_differ(const Vec& is, const Vec& should, Match match, double deep) {
  if (is.size() != should.size()) return std::to_string(is.size()) + " results, expected " + std::to_string(should.size());
  for (std::size_t k = 0; k < is.size(); ++k) {
    if (is[k].raw_dtype() != should[k].raw_dtype() || is[k].weak() != should[k].weak() || !(is[k].sizes() == should[k].sizes()))
      return "result " + std::to_string(k) + " has type " + is[k].aval().str() + ", expected " + should[k].aval().str();
    std::string d = values_differ(is[k], should[k], k, match, deep);
    if (!d.empty()) return d;
  }
  return {};
}
std::vector<std::string> all_passes() {
  std::vector<std::string> r;
  for (auto& p : compiler::passes())
    if (std::ranges::find(r, p.name) == r.end()) r.emplace_back(p.name);
  return r;
}
Vec run_native(const functra::Program& p, const Vec& leaves, const std::vector<std::string>& off) {
  Vec all = p.captured_tensors();
  all.insert(all.end(), leaves.begin(), leaves.end());
  core::ProgramPtr q = compiler::optimize(p.ir(), off);
#if FUNCTRA_HAVE_LLVM
  runtime::Executable native(q, true);
  Vec out(q->outputs.size());
  native.run(all, out);
  return out;
#else
  return core::eval_program(*q, all);
#endif
}
#if FUNCTRA_HAVE_LLVM
namespace {
// Memory with no access before and after it, which begins where a page does, or ends where one does.
class Guarded {
 public:
  Guarded(std::size_t bytes, bool at_end) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t inside = std::max(page, (bytes + page - 1) / page * page);
    all_ = inside + 2 * page;
    base_ = static_cast<std::byte*>(mmap(nullptr, all_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED || mprotect(base_ + page, inside, PROT_READ | PROT_WRITE) != 0) throw Error("no memory between guard pages");
    data_ = base_ + page + (at_end ? inside - bytes : 0);
  }
  ~Guarded() { munmap(base_, all_); }
  Guarded(const Guarded&) = delete;
  std::byte* data() const { return data_; }

 private:
  std::size_t all_ = 0;
  std::byte *base_ = nullptr, *data_ = nullptr;
};
// As another process would read it from the cache on disk.
runtime::ExecutablePtr read_again(const runtime::ExecutablePtr& e, const core::Program& p) {
  if (!runtime::text_tells(p)) return e;
  auto plan = runtime::read_plan(runtime::write_plan(e->plan()));
  return plan ? std::make_shared<const runtime::Executable>(std::move(*plan)) : throw Error("a plan that cannot be read again");
}
// Generated code reads and writes nothing outside of its operands, results and workspace: a fault ends the tests.
std::string guarded_differs(const functra::Program& p, const Vec& leaves, const Vec& want, Match match, double deep) {
  const runtime::ExecutablePtr made = runtime::executable(p.ir()), native = read_again(made, *p.ir());
  const core::Program& q = *made->program();
  Vec all = p.captured_tensors();
  all.insert(all.end(), leaves.begin(), leaves.end());
  for (bool at_end : {true, false}) {
    std::deque<Guarded> memory;
    std::vector<void*> in, out;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Tensor t = all[i].contiguous();
      const auto bytes = static_cast<std::size_t>(core::bytes_of(q.type(q.inputs[i])));
      if (t.raw_dtype() != q.type(q.inputs[i]).dtype) return {};  // a number that adopts the type
      in.push_back(memory.emplace_back(bytes, at_end).data());
      if (bytes) std::memcpy(in.back(), t.bytes(), bytes);
    }
    for (std::size_t k = 0; k < q.outputs.size(); ++k)
      out.push_back(memory.emplace_back(static_cast<std::size_t>(core::bytes_of(q.out_type(k))), at_end).data());
    native->run_raw(in.data(), out.data(), memory.emplace_back(runtime::aligned(native->workspace_bytes()), at_end).data());
    Vec is;
    for (std::size_t k = 0; k < q.outputs.size(); ++k) is.push_back(Tensor::copy_of(out[k], q.out_type(k).dtype, q.out_type(k).shape));
    if (std::string d = results_differ(is, want, match, deep); !d.empty()) return "read again, between guard pages: " + d + "\n" + p.str();
  }
  return {};
}
}  // namespace
#endif
std::string compiled_differs(const Leaves& f, const Vec& in, Match match, double deep) {
  Vec want;
  try {
    want = f(in);
  } catch (const std::exception& e) { return std::string("eager threw: ") + e.what(); }
  functra::Program p;
  try {
    auto fast = jit([&](const Vec& v) { return f(v); });
    Vec first = fast(in);
    std::string d = results_differ(first, want, match, deep);
    p = fast.trace(in).program();
    if (!d.empty()) return "jit: " + d + "\n" + p.str();
    if (d = results_differ(fast(in), want, match, deep); !d.empty()) return "jit, the second call: " + d + "\n" + p.str();
    if (d = results_differ(first, want, match, deep); !d.empty()) return "jit, the first result after the second call: " + d + "\n" + p.str();
    if (d = results_differ(run_native(p, in, all_passes()), want, match, deep); !d.empty()) return "without passes: " + d + "\n" + p.str();
#if FUNCTRA_HAVE_LLVM
    if (d = guarded_differs(p, in, want, match, deep); !d.empty()) return d;
#endif
  } catch (const std::exception& e) { return std::string("threw: ") + e.what() + "\n" + p.str(); }
  return {};
}
bool thorough = false;
static unsigned one_in = 1;
Sampled::Sampled(unsigned n) { one_in = n; }
Sampled::~Sampled() { one_in = 1; }
void expect_compiled(const std::string& name, const Leaves& f, const Vec& in, Match match, double deep) {
  if (!thorough && core::mix(std::hash<std::string>()(name), 0) % one_in != 0) return;
  std::string d = compiled_differs(f, in, match, deep);
  if (d.size() > 3000) d.resize(3000);
  count_law(d.empty());
  EXPECT_EQ(d, "") << name;
}

Tensor numbers(const Shape& s, DType d, int seed) {
  const std::int64_t n = s.numel();
  std::vector<double> v(static_cast<std::size_t>(n));
  std::uint64_t state = 0x9e3779b97f4a7c15u * static_cast<std::uint64_t>(seed + 1);
  for (double& x : v) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const double u = static_cast<double>(state >> 11) * 0x1p-53;
    x = is_bool(d) ? u < 0.5 : is_integer(d) ? std::floor(u * 13) - (is_signed_int(d) ? 6 : 0) : 2 * u - 1 + (u < 0.5 ? -0.1 : 0.1);
  }
  return tensor(v, f64).to(d).reshape(s);
}
Tensor stored(const Tensor& t, int which) {
  const std::int64_t rank = t.dim();
  if (rank == 0 || which == 0) return t;
  Shape last{rank - 1}, turned;
  for (std::int64_t k = rank; k-- > 0;) turned.push_back(k);
  switch (which) {
    case 1: return t.permute(turned).contiguous().permute(turned);
    case 2: return select(stack({t, t}, rank), rank, 0);
    case 3: return flip(flip(t, last).contiguous(), last);
    default: return narrow(cat({t, t, t}, 0), 0, t.size(0), t.size(0));
  }
}

}  // namespace functra::testing
