#include "functra/runtime/team.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "functra/base/spin.h"
#include "functra/runtime/parts.h"

namespace functra::runtime {

bool Team::wait(std::int64_t u, std::uint64_t epoch, bool first) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::microseconds to_join{100}, to_answer{30};  // a worker may have to wake; one that has joined is late if it does not run
  auto made = [&] { return posts_[static_cast<std::size_t>(u)].made.load(std::memory_order_acquire) >= epoch; };
  for (int i = 0; i < 64; ++i) {
    if (made()) return true;
    relax();
  }
  const auto begin = Clock::now();
  for (;;) {
    for (int i = 0; i < 32; ++i) {
      if (made()) return true;
      relax();
    }
    if (dissolved()) return false;
    const auto waited = Clock::now() - begin;
    if (first && waited > (epoch == 1 ? to_join : to_answer)) {
      dissolve();
      return false;
    }
    if (!first && waited > to_answer) std::this_thread::yield();
  }
}

void Member::sums(const Plan& plan, const Step& s, void** buffers) {
  const Part& part = s.parts[0];
  const std::size_t n_in = s.in.size(), n = n_in + s.out.size();
  const Pieces pieces(part.begin, part.end, compiler::part_grain, team_.members_);
  Buf<Sum, 24> sums(part.combined.size());
  std::size_t row = 0;
  for (std::size_t j = 0; j < sums.size(); ++j) sums[j] = sum_of(plan, s, part.combined[j], row);
  auto make = [&](std::int64_t u, std::byte* to) {
    Buf<void*, 24> mine(n);
    std::copy(buffers, buffers + n, mine.begin());
    for (const Sum& x : sums) {
      mine[x.buffer] = to + x.offset;
      fill(x.dtype, compiler::identity_of(x.op, x.dtype), mine[x.buffer], x.bytes);
    }
    if (u < pieces.count) run_part(part, mine.begin(), pieces.begin(u), pieces.end(u));
  };
  const std::uint64_t now = epoch_++;
  const bool first = number_ == 0;
  const bool alone = first && team_.dissolved();
  std::array<std::byte*, Team::most> from;
  std::byte* own = from[static_cast<std::size_t>(number_)] = alone ? team_.spare(number_) : team_.part(number_, now);
  make(number_, own);
  if (!alone) team_.posts_[static_cast<std::size_t>(number_)].made.store(now + 1, std::memory_order_release);
  for (std::int64_t u = 0; u < team_.members_; ++u) {
    if (u == number_) continue;
    from[static_cast<std::size_t>(u)] = team_.part(u, now);
    if (!(first && team_.dissolved()) && team_.wait(u, now + 1, first)) continue;
    if (!first) return;
    make(u, from[static_cast<std::size_t>(u)] = team_.spare(u));
  }
  for (const Sum& x : sums) {
    std::memcpy(buffers[x.buffer], from[0] + x.offset, x.bytes);
    for (std::int64_t u = 1; u < pieces.count; ++u)
      combine(x.op, x.dtype, buffers[x.buffer], from[static_cast<std::size_t>(u)] + x.offset, static_cast<std::int64_t>(x.bytes / size_of(x.dtype)));
  }
}

}  // namespace functra::runtime
