#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace bench {

bool wanted(const std::string& name) {
  const char* only = std::getenv("PEER_ONLY");
  return !only || !*only || ("," + std::string(only) + ",").find("," + name + ",") != std::string::npos;
}
double budget() {
  const char* b = std::getenv("PEER_BUDGET_S");
  return b ? std::atof(b) : 1.0;
}

double u(std::int64_t i, int seed) {
  double x = static_cast<double>(i + 1) * 0.6180339887498949 + seed * 0.7548776662466927;
  return x - std::floor(x);
}
template <class F> static Tensor filled(const ft::Shape& shape, ft::DType dtype, F f) {
  std::vector<double> v(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = f(static_cast<std::int64_t>(i));
  return ft::from_span(v, shape).to(dtype);
}
Tensor uniform(const ft::Shape& shape, int seed, ft::DType dtype) {
  return filled(shape, dtype, [=](std::int64_t i) { return u(i, seed); });
}
Tensor sym(const ft::Shape& shape, int seed, double scale, ft::DType dtype) {
  return filled(shape, dtype, [=](std::int64_t i) { return (2 * u(i, seed) - 1) * scale; });
}
Tensor strong(double v) { return ft::tensor(v, ft::f64); }

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
double total(const std::vector<Tensor>& out) {
  double c = 0;
  for (const Tensor& t : out)
    for (double v : t.to_vector<double>()) c += std::fabs(v);
  return c;
}
const char* dtype_of(const std::vector<Tensor>& out) { return out.at(0).dtype() == ft::f64 ? "f64" : "f32"; }

Times repeat(const std::function<double()>& sample, int inner) {
  std::vector<double> times;
  double start = now();
  while ((now() - start < budget() || times.size() < 5) && times.size() < 20000) {
    times.push_back(sample() / inner);
    if (now() - start > 8 * budget() && times.size() >= 3) break;
  }
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

void print(const Line& l) {
  std::printf(
      "{\"workload\": \"%s\", \"peer\": \"%s\", \"dtype\": \"%s\", \"compile_ms\": %.2f, \"min_us\": %.4f, \"median_us\": %.4f, \"check\": "
      "%.17g%s, \"note\": \"%s\"}\n",
      l.name.c_str(), l.peer.c_str(), l.dtype.c_str(), l.first * 1e3, l.times.min * 1e6, l.times.median * 1e6, l.check, l.more.c_str(),
      l.note.c_str());
  std::fflush(stdout);
}

void measure(const std::string& name, const char* dtype, const std::function<std::vector<Tensor>()>& call, int inner, const char* peer,
             const char* note) {
  double t0 = now();
  std::vector<Tensor> out = call();
  double first = now() - t0;
  Times times = repeat(
      [&] {
        double t = now();
        for (int i = 0; i < inner; ++i) out = call();
        return now() - t;
      },
      inner);
  print({name, peer, dtype, first, times, total(out), note});
}

}  // namespace bench
