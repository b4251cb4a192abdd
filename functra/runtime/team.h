// Loops whose steps are mostly sums over large arrays, made by several threads in step. Each thread runs the whole loop, on a carry of its own;
// of the large sums each makes a part, and reads the others', which is one line of the cache that goes over where a job for the pool takes
// several. All combine the parts in the same order, so all have the same carry. The first member can make any part itself: where another
// one keeps it waiting, it leaves the team and goes on alone, with the same result.
#pragma once
#include <array>
#include <atomic>

#include "functra/runtime/plan.h"

namespace functra::runtime {

class Team {
 public:
  static constexpr std::uint32_t most = 8;  // members
  // exchange: bytes of the parts of the largest step. memory: of bytes(members, exchange), aligned to lines of the cache.
  Team(std::int64_t members, std::size_t exchange, std::byte* memory) : members_(members), exchange_(exchange), memory_(memory) {}
  static std::size_t bytes(std::int64_t members, std::size_t exchange) { return 3 * static_cast<std::size_t>(members) * exchange; }
  std::int64_t members() const { return members_; }
  bool dissolved() const { return dissolved_.load(std::memory_order_relaxed); }
  void dissolve() { dissolved_.store(true, std::memory_order_relaxed); }

 private:
  friend class Member;
  // Has member u made its part? False once the team is dissolved, which the first member does after a while.
  bool wait(std::int64_t u, std::uint64_t epoch, bool first);
  // Two places for each member's parts, since one may be a step ahead; and those that the first member makes for others.
  std::byte* part(std::int64_t u, std::uint64_t epoch) const { return memory_ + (2 * static_cast<std::size_t>(u) + (epoch & 1)) * exchange_; }
  std::byte* spare(std::int64_t u) const { return memory_ + static_cast<std::size_t>(2 * members_ + u) * exchange_; }

  struct alignas(64) Post {
    std::atomic<std::uint64_t> made{0};  // parts
  };
  std::int64_t members_;
  std::size_t exchange_;
  std::byte* memory_;
  std::atomic<bool> dissolved_{false};
  std::array<Post, most> posts_;
};

class Member {
 public:
  Member(Team& team, std::int64_t number) : team_(team), number_(number) {}
  std::int64_t number() const { return number_; }
  // May it stop? All but the first may, once the team is dissolved.
  bool dismissed() const { return number_ > 0 && team_.dissolved(); }
  // A step of shared sums, on these buffers. Nothing where it is dismissed.
  void sums(const Plan& plan, const Step& s, void** buffers);

 private:
  Team& team_;
  std::int64_t number_;
  std::uint64_t epoch_ = 0;
};

}  // namespace functra::runtime
