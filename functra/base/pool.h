// One pool of threads for the whole process. Workers spin for some tens of microseconds after a job, then park; a job handed to a
// spinning worker starts within a microsecond.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

#include "functra/base/thread_limit.h"

namespace functra {

// A reference to a callable void(begin, end) that outlives the call; nothing is allocated.
class RangeBody {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, RangeBody>) RangeBody(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* o, std::int64_t b, std::int64_t e) { (*static_cast<std::remove_reference_t<F>*>(o))(b, e); }) {}
  void operator()(std::int64_t begin, std::int64_t end) const { call_(object_, begin, end); }

 private:
  void* object_;
  void (*call_)(void*, std::int64_t, std::int64_t);
};

// Calls body on ranges that partition [0, n), several at a time. Ranges are multiples of `grain` long but for the last; how [0, n)
// is cut depends on the number of threads, so a result must not depend on it. Serial, as one call, where n <= grain, within a body
// of another parallel_for, and while another thread uses the pool. An exception of a body is rethrown here, the first one of several.
void parallel_for(std::int64_t n, std::int64_t grain, RangeBody body);

}  // namespace functra
