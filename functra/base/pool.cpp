#include "functra/base/pool.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "functra/base/errors.h"
#include "functra/base/spin.h"
#include "functra/base/thread_limit.h"

namespace functra {
namespace {

thread_local bool in_parallel = false;
thread_local int thread_limit = std::numeric_limits<int>::max();
struct InParallel {
  InParallel() { in_parallel = true; }
  ~InParallel() { in_parallel = false; }
};

constexpr auto kSpin = std::chrono::microseconds(40);

// Spins until done() or the time is over; true if done.
template <class Done> bool spin(Done done) {
  for (int i = 0; i < 64; ++i) {
    if (done()) return true;
    relax();
  }
  for (auto until = std::chrono::steady_clock::now() + kSpin; std::chrono::steady_clock::now() < until;)
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      relax();
    }
  return done();
}

// `state` is the whole protocol: job number << 16 | open << 15 | workers inside. A worker joins an open job by incrementing it, so
// the caller waits only for workers that joined, never for one that has not woken yet. The job's fields change only while no worker
// is inside and the job is closed.
constexpr std::uint32_t kOpen = 1u << 15, kInside = kOpen - 1, kJob = 1u << 16;

// A part that is handed to one worker: a line of the cache that goes over and comes back, where a job takes several. Who offered it takes
// it back if the worker has not begun when all else is done, so nobody waits for a worker that has not woken.
struct alignas(64) Seat {
  enum : std::uint32_t { idle, offered, taken, done };
  std::atomic<std::uint32_t> turn{idle};
  const RangeBody* body = nullptr;
  std::int64_t part = 0;
};

struct Pool {
  // The job, in one line of the cache: a worker that sees it open has read what it is.
  alignas(64) std::atomic<std::uint32_t> state{0};
  std::atomic<int> most{1};  // that may work at it
  const RangeBody* body = nullptr;
  std::int64_t n = 0, chunk = 1;
  std::atomic<bool> failed{false};
  alignas(64) std::atomic<std::int64_t> next{0};
  // What seldom changes.
  alignas(64) std::atomic<std::uint32_t> parked{0};
  std::atomic<bool> caller_parked{false}, stop{false};
  std::atomic<int> threads{1}, alive{0};
  int started = 0;
  std::exception_ptr error;
  std::deque<Seat> seats;       // per worker
  alignas(64) std::mutex user;  // held by the thread whose job runs

  void work() {
    InParallel inside;
    for (;;) {
      std::int64_t b = next.fetch_add(chunk, std::memory_order_relaxed);
      if (b >= n) return;
      if (!attempt(*body, b, std::min(n, b + chunk))) next.store(n, std::memory_order_relaxed);
    }
  }
  bool attempt(const RangeBody& f, std::int64_t begin, std::int64_t end) {
    try {
      f(begin, end);
      return true;
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
      return false;
    }
  }
  // What stands at the seat, if anything does.
  void sit(Seat& seat) {
    std::uint32_t offer = Seat::offered;
    if (!seat.turn.compare_exchange_strong(offer, Seat::taken, std::memory_order_acq_rel)) return;
    InParallel inside;
    attempt(*seat.body, seat.part, seat.part + 1);
    seat.turn.store(Seat::done);
    if (caller_parked.load()) seat.turn.notify_all();
  }

  void worker(Seat& seat) {
    std::uint32_t seen = state.load() & ~(kInside | kOpen);
    for (;;) {
      std::uint32_t s = state.load(std::memory_order_acquire);
      auto fresh = [&] {
        s = state.load(std::memory_order_acquire);
        return seat.turn.load() == Seat::offered || stop.load(std::memory_order_relaxed) || ((s & kOpen) && (s & ~(kInside | kOpen)) != seen);
      };
      if (!spin(fresh)) {
        parked.fetch_add(1);
        while (!fresh()) state.wait(s);
        parked.fetch_sub(1);
      }
      if (stop.load()) break;
      sit(seat);
      if (!(s & kOpen) || (s & ~(kInside | kOpen)) == seen) continue;
      if (static_cast<int>(s & kInside) + 1 >= most.load(std::memory_order_relaxed)) {  // as many as the job may have
        seen = s & ~(kInside | kOpen);
        continue;
      }
      if (!state.compare_exchange_weak(s, s + 1, std::memory_order_acq_rel)) continue;
      seen = s & ~(kInside | kOpen);
      work();
      s = state.fetch_sub(1, std::memory_order_acq_rel) - 1;
      if (!(s & (kOpen | kInside)) && caller_parked.load()) state.notify_all();
    }
    alive.fetch_sub(1);
    alive.notify_all();
  }

  void start() {
    for (; started < threads - 1; ++started) {
      alive.fetch_add(1);
      if (seats.size() == static_cast<std::size_t>(started)) seats.emplace_back();
      std::thread([this, &seat = seats[static_cast<std::size_t>(started)]] { worker(seat); }).detach();
    }
  }
  void stop_workers() {
    stop.store(true);
    state.fetch_add(kJob);
    state.notify_all();
    for (int a; (a = alive.load()) > 0;) alive.wait(a);
    stop.store(false);
    started = 0;
  }

  // Until this holds of the word, which a worker changes; it notifies a caller that is parked.
  template <class Done> void await(std::atomic<std::uint32_t>& word, Done done) {
    std::uint32_t value = 0;
    auto over = [&] { return done(value = word.load(std::memory_order_acquire)); };
    if (spin(over)) return;
    caller_parked.store(true);
    while (!over()) word.wait(value);
    caller_parked.store(false);
  }

  // One part for the caller, and one for each of some workers.
  void run_parts(std::int64_t count, const RangeBody& f) {
    start();
    failed.store(false, std::memory_order_relaxed);
    for (std::int64_t k = 1; k < count; ++k) {
      Seat& seat = seats[static_cast<std::size_t>(k - 1)];
      seat.body = &f;
      seat.part = k;
      seat.turn.store(Seat::offered);
    }
    if (parked.load() > 0) {
      state.fetch_add(kJob);
      state.notify_all();
    }
    {
      InParallel inside;
      attempt(f, 0, 1);
      for (std::int64_t k = 1; k < count; ++k) {
        std::uint32_t offer = Seat::offered;
        if (seats[static_cast<std::size_t>(k - 1)].turn.compare_exchange_strong(offer, Seat::idle, std::memory_order_acq_rel)) attempt(f, k, k + 1);
      }
    }
    for (std::int64_t k = 1; k < count; ++k) {
      Seat& seat = seats[static_cast<std::size_t>(k - 1)];
      await(seat.turn, [](std::uint32_t turn) { return turn != Seat::taken; });
      seat.turn.store(Seat::idle, std::memory_order_relaxed);
    }
    finish();
  }
  void finish() {
    if (failed.load(std::memory_order_relaxed)) {
      std::exception_ptr e = std::exchange(error, nullptr);
      std::rethrow_exception(e);
    }
  }

  void run(std::int64_t count, std::int64_t grain, const RangeBody& f, int limit) {
    if (grain == 1 && count <= std::min(threads.load(std::memory_order_relaxed), limit)) return run_parts(count, f);
    start();
    most.store(limit, std::memory_order_relaxed);
    body = &f;
    n = count;
    std::int64_t pieces = 4 * std::min(threads.load(std::memory_order_relaxed), limit), per = (count + pieces - 1) / pieces;
    chunk = (std::max(per, grain) + grain - 1) / grain * grain;
    next.store(0, std::memory_order_relaxed);
    failed.store(false, std::memory_order_relaxed);
    std::uint32_t job = (state.load(std::memory_order_relaxed) & ~(kOpen | kInside)) + kJob;
    state.store(job | kOpen);
    if (parked.load() > 0) state.notify_all();
    work();
    state.fetch_and(~kOpen);
    await(state, [](std::uint32_t s) { return !(s & kInside); });
    finish();
  }
};

int default_threads() {
  if (const char* e = std::getenv("FUNCTRA_NUM_THREADS"))
    if (int n = std::atoi(e); n >= 1) return std::min(n, 1024);
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Never destroyed: workers are detached, and a process may exit while they spin. A forked child starts a pool of its own.
std::atomic<Pool*> the_pool{nullptr};
Pool* fresh_pool(int threads) {
  auto* p = new Pool;
  p->threads.store(threads);
  return p;
}
Pool& pool() {
  if (Pool* p = the_pool.load(std::memory_order_acquire)) return *p;
  static const bool once = [] {
    the_pool.store(fresh_pool(default_threads()), std::memory_order_release);
    pthread_atfork(nullptr, nullptr, [] { the_pool.store(fresh_pool(the_pool.load()->threads.load())); });
    return true;
  }();
  (void)once;
  return *the_pool.load(std::memory_order_acquire);
}

}  // namespace

void parallel_for(std::int64_t n, std::int64_t grain, RangeBody body) {
  if (n <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  if (n > grain && !in_parallel) {
    Pool& p = pool();
    std::unique_lock lock(p.user, std::try_to_lock);
    if (lock.owns_lock() && num_threads() > 1) return p.run(n, grain, body, thread_limit);
  }
  body(0, n);
}

int num_threads() { return std::min(thread_limit, pool().threads.load(std::memory_order_relaxed)); }
ThreadLimit::ThreadLimit(int n) : before_(thread_limit) {
  if (n < 1) throw ValueError("ThreadLimit: " + std::to_string(n) + " threads; give at least 1");
  thread_limit = std::min(thread_limit, n);
}
ThreadLimit::~ThreadLimit() { thread_limit = before_; }
void set_num_threads(int n) {
  if (n < 1 || n > 1024) throw ValueError("set_num_threads: " + std::to_string(n) + " threads; give a number from 1 to 1024");
  if (in_parallel) throw ValueError("set_num_threads: called within a parallel_for; call it between parallel operations");
  Pool& p = pool();
  std::unique_lock lock(p.user);
  if (p.started > n - 1) p.stop_workers();
  p.threads.store(n);
}

}  // namespace functra
