// Hand-optimised peer: every derivative below was derived with pen and paper; there is no AD anywhere.
//
//   g++ -std=c++20 -O3 -march=native -fno-math-errno -fno-trapping-math -fopenmp-simd peer_hand.cpp -o peer_hand -lmvec -lm
//
// (add -pthread on C libraries older than glibc 2.34; -mprefer-vector-width=512 does no harm.)
// Run:  ./peer_hand [source directory]     the directory is only needed for ../data/adbench/... (default: from __FILE__)
//   PEER_ONLY=a,b      only these workloads        PEER_BUDGET_S=1.0   seconds of repeats per workload
//   PEER_THREADS=2     threads, where they help
//
// The workloads and their inputs are those of peer_jax.py and common.py. Output buffers are allocated once and
// reused. Vectors are GCC vector extensions of the machine's width: 64 bytes with AVX-512, 32 with AVX2 (+FMA).
#include "hand/dense.h"
#include "hand/elementwise.h"
#include "hand/loops.h"
#include "hand/small.h"

namespace {

struct Workload {
  const char* name;
  void (*run)();
};
const Workload workloads[] = {
    {"scalar_grad", scalar_grad},
    {"rosenbrock_grad_1e6", rosenbrock},
    {"chain12_value_grad_1e4", [] { chain12(10'000, "chain12_value_grad_1e4"); }},
    {"chain12_value_grad_1e7", [] { chain12(10'000'000, "chain12_value_grad_1e7"); }},
    {"black_scholes_greeks_1e6", black_scholes},
    {"gelu_softmax_vg_4096x1024", gelu_softmax},
    {"lstm_grad_t200_h16", lstm},
    {"kalman_grad_t1000", kalman},
    {"three_body_rk4_grad_1e4", three_body},
    {"adaptive_ode_vmap1024", adaptive_ode},
    {"chol_solve_grad_3_1e5", [] { chol<3>("chol_solve_grad_3_1e5"); }},
    {"chol_solve_grad_6_1e5", [] { chol<6>("chol_solve_grad_6_1e5"); }},
    {"arm_jacobian_x1", arm1},
    {"arm_jacobian_x4096", arm4096},
    {"gmm_grad_d32_k25_n1000", gmm},
    {"j2_tangent_1e5", j2},
    {"hmc_logistic_1000_leapfrog", hmc},
    {"segment_sum_grad_1e6x16", segment_sum},
    {"sort_grad_1e6", sort_grad},
    {"hessian64_x256", hessian64},
    {"lennard_jones_forces_n512", lennard_jones},
};

}  // namespace

int main(int argc, char** argv) {
  auto env = [](const char* name) {
    const char* v = std::getenv(name);
    return std::string(v ? v : "");
  };
  if (auto v = env("PEER_BUDGET_S"); !v.empty()) budget = std::stod(v);
  int threads = 2;
  if (auto v = env("PEER_THREADS"); !v.empty()) threads = std::max(1, std::stoi(v));
  for (std::string list = env("PEER_ONLY"), item; !list.empty();) {
    size_t c = list.find(',');
    item = list.substr(0, c);
    list = c == std::string::npos ? "" : list.substr(c + 1);
    if (!item.empty()) only.push_back(item);
  }
  std::string file = __FILE__;
  size_t slash = file.rfind('/');
  source_dir = argc > 1 ? argv[1] : slash == std::string::npos ? "." : file.substr(0, slash);
  pool.start(threads);
  for (auto& w : workloads)
    if (only.empty() || std::find(only.begin(), only.end(), w.name) != only.end()) w.run();
  std::fflush(stdout);
  std::_Exit(0);  // the pool's threads are detached
}
