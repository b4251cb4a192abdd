// Native code with each pass left out, and of long programs: in reasonable time, on small stacks.
#include <gtest/gtest.h>
#include <pthread.h>

#include <chrono>

#include "support/compiled.h"

namespace functra::testing {
namespace {

struct Case {
  const char* name;
  Vec in;
  Leaves f;
};
std::vector<Case> corpus() {
  const Tensor w = numbers({4, 4}), m = numbers({6, 20}), ids = tensor({2, 0, 1, 2});
  auto layers = [=](const Tensor& v) { return tanh(matmul(w, tanh(matmul(w.t(), v)))) * v; };
  auto rotation = [](const Tensor& q) {
    Tensor c = cos(q), s = sin(q), z = zeros_like(q), o = ones_like(q);
    return stack({stack({c, -s, z}), stack({s, c, z}), stack({z, z, o})});
  };
  auto arm = [=](const Tensor& q) {
    Tensor t = rotation(q[0]);
    for (int i = 1; i < 3; ++i) t = matmul(t, rotation(q[i]));
    return t[0];
  };
  auto looped = [](const Tensor& v) {
    return scan([&](const Tensor& c, const Tensor& a) { return std::pair{c * a + sin(c) + exp(v[1]), c * c}; }, v[0], v).second;
  };
  auto branch = [](const Tensor& v) {
    return cond(
        sum(v) > 0.0, [](const Tensor& u) { return u * u; }, [](const Tensor& u) { return sin(u) * u[1]; }, v);
  };
  auto inner = jit([](const Tensor& v) { return softmax(v * v, 0); });
  auto one = [](auto f) -> Leaves { return [f](const Vec& v) { return Vec{f(v[0])}; }; };
  const Vec v{numbers({4})}, lanes{numbers({40, 4})};
  return {
      {"elementwise", {m}, one([](const Tensor& x) { return pow(x * x + 0.1, 1.5) * (x - 0.0) / (1.0 + x * x) + 0.0 * x; })},
      {"softmax of rows", {m}, one([](const Tensor& x) {
         return softmax(x.reshape({4, 30}), 1).t();
       })},
      {"layers", v, one(layers)},
      {"jacobian of layers", v, one([=](const Tensor& x) { return jacfwd(layers)(x); })},
      {"hessian of layers", v, one([=](const Tensor& x) { return hessian([=](const Tensor& u) { return sum(layers(u)); })(x); })},
      {"batch of gradients", lanes, one([=](const Tensor& x) { return vmap(grad([=](const Tensor& u) { return sum(layers(u)); }))(x); })},
      {"jacobians of an arm", lanes, one([=](const Tensor& x) { return vmap(jacfwd(arm))(x); })},
      {"scan", v, one(looped)},
      {"jacobian of a scan", v, one([=](const Tensor& x) { return jacrev(looped)(x); })},
      {"branch", v, one([=](const Tensor& x) { return jacfwd(branch)(x); })},
      {"batch of branches", lanes, one([=](const Tensor& x) { return vmap(branch)(x); })},
      {"calls", v, one([=](const Tensor& x) { return grad([=](const Tensor& u) { return sum(inner(u) * inner(inner(u))); })(x); })},
      {"indices", v, one([=](const Tensor& x) { return jacfwd([=](const Tensor& u) { return index_select(u * 2.0, 0, ids) * u; })(x); })},
      {"pieces", v, one([](const Tensor& x) {
         return hessian([](const Tensor& u) { return sum(cat({u[0] * u, exp(lax::slice(u, {1}, {3})), zeros({2}, f64)}, 0)) * u[2]; })(x);
       })},
      {"solve", v, one([=](const Tensor& x) { return jacrev([=](const Tensor& u) { return linalg::solve(w + 4.0 * eye(4, f64), u * u); })(x); })},
      {"contractions",
       {numbers({5, 30}), numbers({30, 7})},
       [](const Vec& u) { return grad([](const Vec& a) { return sum(matmul(matmul(a[0], a[1]), matmul(a[0], a[1]).t()) * 2.0); })(u); }},
  };
}
// On a thread with a stack of 256 KiB; what it throws is rethrown here.
void on_a_small_stack(std::function<void()> f) {
  struct Call {
    std::function<void()> f;
    std::exception_ptr error;
  } call{std::move(f), {}};
  pthread_attr_t attr;
  pthread_attr_init(&attr);
#if defined(__SANITIZE_ADDRESS__)
  constexpr std::size_t frames = 8;  // are as much larger
#else
  constexpr std::size_t frames = 1;
#endif
  pthread_attr_setstacksize(&attr, frames * (256 << 10));
  pthread_t t;
  ASSERT_EQ(pthread_create(
                &t, &attr,
                [](void* p) -> void* {
                  auto& c = *static_cast<Call*>(p);
                  try {
                    c.f();
                  } catch (...) { c.error = std::current_exception(); }
                  return nullptr;
                },
                &call),
            0);
  pthread_join(t, nullptr);
  pthread_attr_destroy(&attr);
  if (call.error) std::rethrow_exception(call.error);
}
double seconds(const std::function<void()>& f) {
  auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST(NativePasses, each_left_out_and_each_alone) {
  for (const Case& c : corpus()) {
    expect_compiled(c.name, c.f, c.in, Match::rounded, 16);
    const Vec want = c.f(c.in);
    const functra::Program p = jit([&](const Vec& v) { return c.f(v); }).trace(c.in).program();
    for (const std::string& pass : all_passes()) {
      EXPECT_EQ(results_differ(run_native(p, c.in, {pass}), want, Match::rounded, 16), "") << c.name << " without " << pass;
      std::vector<std::string> others = all_passes();
      std::erase(others, pass);
      EXPECT_EQ(results_differ(run_native(p, c.in, others), want, Match::rounded, 16), "") << c.name << " with " << pass << " alone";
    }
  }
}
TEST(NativePasses, long_programs_on_small_stacks) {
  struct Long {
    const char* name;
    std::function<Tensor(const Tensor&)> f;
  };
  const Long list[] = {
      {"chain",
       [](Tensor x) {
         for (int k = 0; k < 10000; ++k) x = x * 0.999 + 0.001;
         return x;
       }},
      {"chain of slices and pads",
       [](Tensor x) {
         for (int k = 0; k < 700; ++k) x = lax::pad(lax::slice(x, {1}, {x.size(0)}), 0.5, {{0, 1}}) * 0.99;
         return x;
       }},
      {"chain of transposes",
       [](Tensor x) {
         x = x.reshape({x.numel(), 1}) + lax::iota(f64, 3);
         for (int k = 0; k < 700; ++k) x = flip(x.t(), {1}).reshape({3, x.numel() / 3}).t() * 0.99;
         return x;
       }},
      {"chain of rows",
       [](Tensor x) {
         for (int k = 0; k < 300; ++k) x = x - sum(x) * 0.01;
         return x;
       }},
      {"chain of kernels",
       [](Tensor x) {
         for (int k = 0; k < 500; ++k) x = cumsum(x, 0) * 0.01 + 1.0;
         return x;
       }},
      {"two strands",
       [](Tensor x) {
         Tensor y = x + 1.0;
         for (int k = 0; k < 3000; ++k) {
           Tensor z = x * 0.5 + y * 0.25;
           y = x - z * 0.1;
           x = z;
         }
         return x + y;
       }},
      {"a sum of many",
       [](const Tensor& x) {
         Tensor s = x;
         for (int k = 0; k < 3000; ++k) s = s + x * static_cast<double>(k % 7);
         return s;
       }},
  };
  for (const Long& entry : list)
    for (std::int64_t n : {3, 64}) {
      const auto& name = entry.name;
      const auto& f = entry.f;
      Tensor x = numbers({n}), want = f(x), got;
      const double s = seconds([&] { on_a_small_stack([&] { got = jit(f)(x); }); });
      EXPECT_EQ(results_differ({got}, {want}, Match::rounded, 1000), "") << name << " of " << n;
      EXPECT_LT(s, 20) << name << " of " << n;
      std::printf("%s of %ld: %.2f s\n", name, static_cast<long>(n), s);
    }
}
TEST(NativePasses, loops_nested_deep) {
  std::function<Tensor(const Tensor&)> f = [](const Tensor& x) { return sin(x) + 0.1; };
  for (int k = 0; k < 6; ++k)
    f = [f](const Tensor& x) { return scan([&](const Tensor& c, NoneType) { return std::pair{f(c) * 0.9, none}; }, x, {.length = 2}).first; };
  Tensor x = numbers({5}), got;
  on_a_small_stack([&] { got = jit(f)(x); });
  EXPECT_EQ(results_differ({got}, {f(x)}, Match::rounded, 100), "");
}

}  // namespace functra::testing
