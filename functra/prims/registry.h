// C++ functions that Programs name: the name leads back to the function as long as something holds it.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "functra/base/errors.h"
#include "functra/core/text.h"

namespace functra::prims {

// Functions by name. An entry does not keep its function alive.
template <class T> class Registry {
 public:
  std::shared_ptr<const T> add(T f, const char* what) {
    std::lock_guard lock(mutex_);
    if (f.name.empty()) f.name = what + std::string(" ") + std::to_string(++made_);
    auto& slot = by_name_[f.name];
    if (!slot.expired()) throw ValueError(std::string(what) + " '" + f.name + "' is defined already; names are unique in a process");
    auto r = std::make_shared<const T>(std::move(f));
    slot = r;
    if (by_name_.size() > 2 * kept_ + 64) {
      std::erase_if(by_name_, [](auto& e) { return e.second.expired(); });
      kept_ = by_name_.size();
    }
    return r;
  }
  std::shared_ptr<const T> find(const std::string& name) {
    std::lock_guard lock(mutex_);
    auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : it->second.lock();
  }
  void read(core::TextReader& in, std::shared_ptr<const T>& f, const char* what) {
    std::string name;
    core::read(in, name);
    f = find(name);
    if (!f) in.fail(std::string("no ") + what + " '" + name + "' is defined in this process");
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const T>> by_name_;
  std::size_t made_ = 0, kept_ = 0;
};
template <class T> Registry<T>& registry() {
  static auto* r = new Registry<T>;  // never destroyed: programs may outlive static objects
  return *r;
}

}  // namespace functra::prims
