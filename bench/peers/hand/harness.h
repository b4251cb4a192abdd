// Memory, inputs, threads, timing. Part of peer_hand.cpp, which alone includes it.
#pragma once
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "simd.h"

namespace {

template <class T> struct Buf {  // zeroed, 64-byte aligned, huge pages if large, 64 spare bytes at the end; never freed
  T* p;
  size_t n;
  explicit Buf(size_t n) : n(n) {
    size_t bytes = n * sizeof(T) + 64, align = bytes >= (1u << 20) ? (2u << 20) : 64;
    bytes = (bytes + align - 1) / align * align;
    p = (T*)std::aligned_alloc(align, bytes);
    if (align > 64) madvise(p, bytes, MADV_HUGEPAGE);
    std::memset((void*)p, 0, bytes);
  }
  operator T*() const { return p; }
};

// The products are made opaque so that no fused multiply-add changes the inputs of common.py.
INLINE double opaque(double x) {
  asm volatile("" : "+x"(x));
  return x;
}
double u1(size_t i, int seed) {
  double x = opaque(double(i + 1) * 0.6180339887498949) + opaque(seed * 0.7548776662466927);
  return x - std::floor(x);
}
template <class T> Buf<T> u(size_t n, int seed, double a = 0, double b = 1) {  // a + b u
  Buf<T> r(n);
  for (size_t i = 0; i < n; i++) r[i] = (T)(a + opaque(b * u1(i, seed)));
  return r;
}
template <class T> Buf<T> sym(size_t n, int seed, double scale = 1) {
  Buf<T> r(n);
  for (size_t i = 0; i < n; i++) r[i] = (T)((2 * u1(i, seed) - 1) * scale);
  return r;
}
template <class T> double total(const T* p, size_t n) {
  double s = 0;
  for (size_t i = 0; i < n; i++) s += std::fabs((double)p[i]);
  return s;
}

// Threads that spin a little after each job, then sleep. A job is a number of chunks; whoever is awake takes the
// next one. state = generation << 40 | chunks << 20 | next chunk.
struct Pool {
  int threads = 1;
  std::atomic<uint64_t> state{0};
  std::atomic<uint32_t> epoch{0};
  std::atomic<int> done{0};
  void (*fn)(void*, int) = nullptr;
  void* ctx = nullptr;
  static constexpr uint64_t low = (1u << 20) - 1;

  bool take() {
    uint64_t s = state.load(std::memory_order_acquire);
    if ((s & low) >= (s >> 20 & low)) return false;
    s = state.fetch_add(1, std::memory_order_acq_rel);
    if ((s & low) >= (s >> 20 & low)) return false;
    fn(ctx, int(s & low));
    done.fetch_add(1, std::memory_order_release);
    return true;
  }
  void worker() {
    for (;;) {
      uint32_t e = epoch.load(std::memory_order_acquire);
      while (take()) {}
      for (int i = 0; i < 4000 && epoch.load(std::memory_order_relaxed) == e; i++) _mm_pause();
      if (epoch.load(std::memory_order_relaxed) == e) epoch.wait(e);
    }
  }
  void start(int n) {
    threads = n;
    for (int i = 1; i < n; i++) std::thread([this] { worker(); }).detach();
  }
  template <class F> void run(int chunks, F&& f) {
    if (threads == 1 || chunks == 1) {
      for (int i = 0; i < chunks; i++) f(i);
      return;
    }
    fn = [](void* c, int i) { (*(std::remove_reference_t<F>*)c)(i); };
    ctx = (void*)&f;
    done.store(0, std::memory_order_relaxed);
    uint64_t gen = (state.load(std::memory_order_relaxed) >> 40) + 1;
    state.store(gen << 40 | uint64_t(chunks) << 20, std::memory_order_release);
    epoch.fetch_add(1, std::memory_order_release);
    epoch.notify_all();
    while (take()) {}
    while (done.load(std::memory_order_acquire) != chunks) _mm_pause();
  }
} pool;

int chunks_of(size_t n, size_t grain) { return int((n + grain - 1) / grain); }
// f(lo, hi, chunk) over [0, n) in chunks of `grain`
template <class F> void parallel(size_t n, size_t grain, F&& f) {
  pool.run(chunks_of(n, grain), [&](int c) { f(c * grain, std::min(n, (c + 1) * grain), c); });
}

double budget = 1.0;
std::vector<std::string> only;
std::string source_dir;

template <class F, class C> void bench(const char* name, const char* dtype, const char* note, int inner, F&& call, C&& check) {
  using clock = std::chrono::steady_clock;
  auto seconds = [](clock::duration d) { return std::chrono::duration<double>(d).count(); };
  for (int i = 0; i < 3; i++) call();
  std::vector<double> t;
  auto start = clock::now();
  double spent = 0;
  while ((spent < budget || t.size() < 5) && t.size() < 20000) {
    auto a = clock::now();
    for (int i = 0; i < inner; i++) call();
    auto b = clock::now();
    t.push_back(seconds(b - a) / inner);
    spent = seconds(b - start);
    if (spent > 8 * budget && t.size() >= 3) break;
  }
  std::sort(t.begin(), t.end());
  std::printf(
      "{\"workload\": \"%s\", \"peer\": \"hand\", \"dtype\": \"%s\", \"compile_ms\": 0, \"min_us\": %.4f, "
      "\"median_us\": %.4f, \"check\": %.17g, \"note\": \"%s\"}\n",
      name, dtype, t[0] * 1e6, t[t.size() / 2] * 1e6, (double)check(), note);
  std::fflush(stdout);
}

}  // namespace
