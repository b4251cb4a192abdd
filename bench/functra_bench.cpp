// Measurements, one line of JSON each: workload, peer, dtype, compile_ms (first call), min_us, median_us, check (sum of the absolute
// values of all outputs). Without arguments: plain evaluation. --workloads: the rows beside peers (peers/README.md); --eager: the same
// functions, not compiled. PEER_ONLY, a comma list of names, chooses among both, PEER_BUDGET_S bounds each.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench/eager.h"
#include "bench/workloads/row.h"

namespace {

bool eager(const bench::Row& row) { return std::strncmp(row.name, "eager_", 6) == 0; }

// Those that are wanted and chosen; how many failed.
int run_rows(bool (*chosen)(const bench::Row&), bool plain = false) {
  int failures = 0;
  for (bench::Row row : bench::all_rows()) {
    if (!chosen(row) || !bench::wanted(row.name)) continue;
    row.plain = plain;
    try {
      row.make(row);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s: %s\n", row.name, e.what());
      ++failures;
    }
  }
  return failures;
}

}  // namespace

int main(int argc, char** argv) {
  const char* only = std::getenv("PEER_ONLY");
  std::string option = argc > 1 ? argv[1] : only && *only ? "--all" : "";
  if (option == "--list") {
    for (const bench::Row& row : bench::all_rows()) std::printf("%s\n", row.name);
    return 0;
  }
  if (option == "--workloads") return run_rows([](const bench::Row&) { return true; }) != 0;
  if (option == "--eager") return run_rows([](const bench::Row& row) { return !eager(row); }, true) != 0;
  if (!option.empty() && option != "--all") {
    std::fprintf(stderr, "usage: functra_bench [--workloads | --eager | --list]; PEER_ONLY=row,row and PEER_BUDGET_S=seconds choose and bound\n");
    return 2;
  }
  int failures = run_rows(option == "--all" ? [](const bench::Row&) { return true; } : eager);
  bench::run_eager();
  return failures != 0;
}
