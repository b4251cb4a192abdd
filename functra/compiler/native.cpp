#include "functra/compiler/native.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <numeric>
#include <unordered_map>

#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Host.h>

#include "functra/base/errors.h"
#include "functra/base/num.h"
#include "functra/base/pool.h"
#include "functra/compiler/emit.h"
#include "functra/compiler/object_cache.h"
#include "functra/compiler/perf_map.h"

namespace functra::compiler {

extern const char* const sources;  // a digest of the library's sources: written by the build (cmake/sources.cmake)

namespace {

namespace orc = llvm::orc;

[[noreturn]] void fail(const char* what, llvm::Error e) { throw Error(std::string("jit: ") + what + ": " + llvm::toString(std::move(e))); }
template <class T> T need(const char* what, llvm::Expected<T> x) {
  if (!x) fail(what, x.takeError());
  if constexpr (std::is_reference_v<T>) return *x;
  else return std::move(*x);
}

// The machine that code is made for: this one.
struct Machine {
  llvm::Triple triple;
  std::string cpu, features;
  Target target;
  const llvm::Target* llvm = nullptr;

  static const Machine& host() {
    static const Machine m;
    return m;
  }
  std::unique_ptr<llvm::TargetMachine> make() const {
    llvm::TargetOptions options;
    options.EnableFastISel = false;
    // The linker keeps an object together, so that constants are operands in memory; calls out of it go through stubs.
    constexpr auto model = llvm::CodeModel::Small;
#if LLVM_VERSION_MAJOR >= 21
    auto* tm = llvm->createTargetMachine(triple, cpu, features, options, llvm::Reloc::PIC_, model, llvm::CodeGenOptLevel::Default, true);
#else
    auto* tm = llvm->createTargetMachine(triple.str(), cpu, features, options, llvm::Reloc::PIC_, model, llvm::CodeGenOptLevel::Default, true);
#endif
    return std::unique_ptr<llvm::TargetMachine>(tm);
  }

 private:
  Machine() {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    // Its time is quadratic in the length of a block, and the code it gives is no faster here.
    auto& options = llvm::cl::getRegisteredOptions();
    if (auto it = options.find("disable-post-ra"); it != options.end()) static_cast<llvm::cl::opt<bool>*>(it->second)->setValue(true);
    // Which of so many loads and stores wait for each other is looked at; of those before, all do. The same, before registers are chosen.
    if (auto it = options.find("dag-maps-huge-region"); it != options.end()) static_cast<llvm::cl::opt<unsigned>*>(it->second)->setValue(100);
    triple = llvm::Triple(llvm::sys::getProcessTriple());
    cpu = llvm::sys::getHostCPUName().str();
    bool avx = false, avx512 = false;
    for (auto& f : llvm::sys::getHostCPUFeatures()) {
      features += (features.empty() ? "" : ",") + std::string(f.second ? "+" : "-") + f.first().str();
      if (f.first() == "avx2") avx = f.second;
      if (f.first() == "avx512f") avx512 = f.second;
    }
    target.vector_bytes = avx512 ? 64 : avx ? 32 : 16;
    target.x86 = triple.isX86();
    target.avx512 = avx512 && features.find("+avx512vl") != std::string::npos;
    target.deep = cpu == "znver5";  // measured there: 8 to 14 % on streams of divisions and roots
    target.registers = avx512 || triple.isAArch64() ? 32 : 16;
    std::string error;
#if LLVM_VERSION_MAJOR >= 22
    llvm = llvm::TargetRegistry::lookupTarget(triple, error);
#else
    llvm = llvm::TargetRegistry::lookupTarget(triple.str(), error);
#endif
    if (!llvm) throw Error("jit: LLVM has no code generator for " + triple.str() + ": " + error);
  }
};

class Linker {
 public:
  static Linker& instance() {
    static auto* l = new Linker;
    return *l;
  }
  orc::LLJIT& jit() { return *jit_; }
  orc::JITDylib& library() {
    auto& d = need("a library for new code", jit_->createJITDylib("functra" + std::to_string(next_++)));
    d.addToLinkOrder(jit_->getMainJITDylib());
    return d;
  }

 private:
  Linker() {
    (void)Machine::host();
    jit_ = need("the linker of compiled code", orc::LLJITBuilder().create());
    orc::SymbolMap symbols;
    auto add = [&](const char* name, auto* f) {
      symbols[jit_->mangleAndIntern(name)] = {orc::ExecutorAddr::fromPtr(f), llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable};
    };
    add("functra_rare_f64_1", &functra_rare_f64_1);
    add("functra_rare_f32_1", &functra_rare_f32_1);
    add("functra_rare_f64_2", &functra_rare_f64_2);
    add("functra_rare_f32_2", &functra_rare_f32_2);
    for (const num::Fallback1& f : {num::large_sin, num::large_cos, num::large_tan}) add(f.f64_name, f.f64);
    if (auto e = jit_->getMainJITDylib().define(orc::absoluteSymbols(symbols))) fail("its own symbols", std::move(e));
  }
  std::unique_ptr<orc::LLJIT> jit_;
  std::atomic<int> next_{0};
};

std::vector<std::size_t> all_of(const std::vector<const Nest*>& nests) {
  std::vector<std::size_t> r(nests.size());
  std::iota(r.begin(), r.end(), 0);
  return r;
}
// Of these nests, each named by its number.
std::unique_ptr<llvm::Module> module_of(llvm::LLVMContext& context, const std::vector<const Nest*>& nests, const std::vector<std::size_t>& which,
                                        llvm::TargetMachine& tm) {
  auto m = std::make_unique<llvm::Module>("functra", context);
  m->setDataLayout(tm.createDataLayout());
#if LLVM_VERSION_MAJOR >= 21
  m->setTargetTriple(Machine::host().triple);
#else
  m->setTargetTriple(Machine::host().triple.str());
#endif
  for (std::size_t k : which) emit(*nests[k], Machine::host().target, *m, "nest" + std::to_string(k));
  std::string complaint;
  llvm::raw_string_ostream out(complaint);
  if (llvm::verifyModule(*m, &out)) throw Error("jit: the compiler made invalid code, which is a bug: " + complaint);
  return m;
}
using Object = llvm::SmallVector<char, 0>;

// Code generators are kept for reuse: making one takes longer than a small nest does.
class Generator {
 public:
  Generator() : machine(Machine::host().make()), out_(bytes_) {
    if (machine->addPassesToEmitFile(passes_, out_, nullptr, llvm::CodeGenFileType::ObjectFile))
      throw Error("jit: LLVM cannot write code for this machine");
  }
  Object object(llvm::Module& m) {
    passes_.run(m);
    return std::exchange(bytes_, {});
  }
  std::unique_ptr<llvm::TargetMachine> machine;

  static Object object_of(const std::vector<const Nest*>& nests, const std::vector<std::size_t>& which) {
    llvm::LLVMContext context;
    auto generator = take();
    Object r = generator->object(*module_of(context, nests, which, *generator->machine));
    give_back(std::move(generator));
    return r;
  }

 private:
  static std::unique_ptr<Generator> take() {
    {
      std::lock_guard lock(mutex());
      if (auto& idle = pool(); !idle.empty()) {
        auto g = std::move(idle.back());
        idle.pop_back();
        return g;
      }
    }
    return std::make_unique<Generator>();
  }
  static void give_back(std::unique_ptr<Generator> g) {
    std::lock_guard lock(mutex());
    if (pool().size() < std::max<std::size_t>(8, static_cast<std::size_t>(num_threads()))) pool().push_back(std::move(g));
  }
  static std::mutex& mutex() {
    static auto* m = new std::mutex;
    return *m;
  }
  static std::vector<std::unique_ptr<Generator>>& pool() {
    static auto* p = new std::vector<std::unique_ptr<Generator>>;
    return *p;
  }
  llvm::SmallVector<char, 0> bytes_;
  llvm::raw_svector_ostream out_;
  llvm::legacy::PassManager passes_;
};

class LinkedCode final : public Code {
 public:
  ~LinkedCode() override {
    if (library) llvm::consumeError(Linker::instance().jit().getExecutionSession().removeJITDylib(*library));
  }
  orc::JITDylib* library = nullptr;
};

struct Cache {
  std::mutex mutex;
  std::unordered_map<std::string, std::weak_ptr<const Code>> known;  // by name
  static constexpr std::size_t kept = 512;                           // that nobody needs to hold
  std::deque<CodePtr> recent;
  static Cache& instance() {
    static auto* c = new Cache;
    return *c;
  }
  static std::string key_of(const CodeName& name) {
    std::string key(reinterpret_cast<const char*>(name.object.word.data()), sizeof name.object.word);
    key.append(reinterpret_cast<const char*>(name.functions.data()), name.functions.size() * sizeof name.functions[0]);
    return key;
  }
  CodePtr find(const CodeName& name) {
    std::lock_guard lock(mutex);
    auto it = known.find(key_of(name));
    return it == known.end() ? nullptr : it->second.lock();
  }
  CodePtr insert(CodePtr code) {  // the first of a name stays
    std::lock_guard lock(mutex);
    auto& slot = known[key_of(code->name)];
    if (auto other = slot.lock()) return other;
    slot = code;
    recent.push_back(code);
    if (recent.size() > kept) recent.pop_front();
    if (known.size() > 4096) std::erase_if(known, [](auto& x) { return x.second.expired(); });
    return code;
  }
};

// Objects as one entry of the cache on disk: their number, the size of each, their bytes.
std::vector<char> joined(const std::vector<Object>& objects) {
  std::vector<char> r;
  auto number = [&](std::uint64_t n) { r.insert(r.end(), reinterpret_cast<const char*>(&n), reinterpret_cast<const char*>(&n) + sizeof n); };
  number(objects.size());
  for (auto& o : objects) number(o.size());
  for (auto& o : objects) r.insert(r.end(), o.begin(), o.end());
  return r;
}
std::vector<Object> parted(std::span<const char> bytes) {
  auto take = [&](std::size_t n) {
    if (n > bytes.size()) throw Error("jit: an entry of compiled code that was cut short");
    auto r = bytes.first(n);
    bytes = bytes.subspan(n);
    return r;
  };
  auto number = [&] {
    std::uint64_t n;
    std::memcpy(&n, take(sizeof n).data(), sizeof n);
    return n;
  };
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t left = number(); left > 0; --left) sizes.push_back(number());
  std::vector<Object> r;
  for (std::uint64_t n : sizes) {
    auto part = take(n);
    r.emplace_back(part.begin(), part.end());
  }
  return r;
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}
CodePtr linked(const CodeName& name, std::vector<Object> objects, std::chrono::steady_clock::time_point start) {
  auto& linker = Linker::instance();
  auto code = std::make_shared<LinkedCode>();
  code->name = name;
  code->library = &linker.library();
  std::vector<Object> listed;  // the linker takes the objects
  if (profilers_wanted()) listed = objects;
  for (auto& object : objects) {
    auto buffer = std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(object), "functra", false);
    if (auto e = linker.jit().addObjectFile(*code->library, std::move(buffer))) fail("linking", std::move(e));
  }
  std::vector<Named> named;
  const std::size_t distinct = std::ranges::max(name.functions) + std::size_t{1};
  for (std::size_t k = 0; k < distinct; ++k) {
    const std::string symbol = "nest" + std::to_string(k);
    named.push_back({symbol, static_cast<std::uintptr_t>(need("linking", linker.jit().lookup(*code->library, symbol)).getValue())});
  }
  for (auto& object : listed) list_for_profilers(object, named, code->library->getName());
  for (std::uint32_t k : name.functions) code->kernels.push_back(reinterpret_cast<Kernel>(named[k].at));
  code->compile_ms = ms_since(start);
  return Cache::instance().insert(std::move(code));
}

// How threads share the work of making code: parts of about equal length, the longest nests first.
std::vector<std::vector<std::size_t>> shares_of(const std::vector<const Nest*>& nests) {
  constexpr std::size_t share = 200;  // nodes that are worth another thread
  std::vector<std::size_t> order = all_of(nests), length(nests.size());
  for (std::size_t k : order) length[k] = nests[k]->graph.size();
  const std::size_t all = std::accumulate(length.begin(), length.end(), std::size_t{0});
  const std::size_t most = std::clamp<std::size_t>(all / share, 1, static_cast<std::size_t>(num_threads()));
  std::vector<std::vector<std::size_t>> r(std::clamp<std::size_t>(nests.size(), 1, most));
  std::vector<std::size_t> sum(r.size(), 0);
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t k) { return length[k]; });
  for (std::size_t k : order) {
    const auto least = static_cast<std::size_t>(std::ranges::min_element(sum) - sum.begin());
    r[least].push_back(k);
    sum[least] += length[k];
  }
  return r;
}

}  // namespace

const std::string& generator() {
  static const auto* text = new std::string("generator " + std::string(sources) + " LLVM " LLVM_VERSION_STRING " " + Machine::host().triple.str() +
                                            " " + Machine::host().cpu + " " + Machine::host().features + "\n");
  return *text;
}
CodePtr compile(const std::vector<const Nest*>& nests) {
  const auto start = std::chrono::steady_clock::now();
  std::string key = generator();
  CodeName name;
  std::vector<const Nest*> distinct;
  std::unordered_map<std::string, std::size_t> seen;
  for (const Nest* n : nests) {
    auto [it, fresh] = seen.emplace(n->str(), distinct.size());
    if (fresh) {
      distinct.push_back(n);
      key += it->first;
    }
    name.functions.push_back(static_cast<std::uint32_t>(it->second));
  }
  name.object = Digest(key);
  if (auto code = find_code(name)) return code;
  const auto shares = shares_of(distinct);
  std::vector<Object> objects(shares.size());
  parallel_for(static_cast<std::int64_t>(shares.size()), 1, [&](std::int64_t from, std::int64_t to) {
    for (auto k = static_cast<std::size_t>(from); k < static_cast<std::size_t>(to); ++k) objects[k] = Generator::object_of(distinct, shares[k]);
  });
  store_object(name.object, joined(objects));
  return linked(name, std::move(objects), start);
}
CodePtr find_code(const CodeName& name) {
  if (auto code = Cache::instance().find(name)) return code;
  const auto start = std::chrono::steady_clock::now();
  auto bytes = load_object(name.object);
  if (!bytes) return nullptr;
  try {
    return linked(name, parted(*bytes), start);
  } catch (const Error&) { return nullptr; }  // made again
}
std::string llvm_ir(const std::vector<const Nest*>& nests) {
  auto tm = Machine::host().make();
  llvm::LLVMContext context;
  std::string text;
  llvm::raw_string_ostream out(text);
  module_of(context, nests, all_of(nests), *tm)->print(out, nullptr);
  return text;
}
std::string object(const std::vector<const Nest*>& nests) {
  const Object bytes = Generator::object_of(nests, all_of(nests));
  return {bytes.data(), bytes.size()};
}
std::string assembly(const std::vector<const Nest*>& nests) {
  auto tm = Machine::host().make();
  llvm::LLVMContext context;
  auto m = module_of(context, nests, all_of(nests), *tm);
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream out(text);
  llvm::legacy::PassManager passes;
  if (tm->addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::AssemblyFile))
    throw Error("jit: LLVM cannot write assembly for this machine");
  passes.run(*m);
  return {text.data(), text.size()};
}

}  // namespace functra::compiler
