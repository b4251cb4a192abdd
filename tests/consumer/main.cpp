#include <functra/base/dtype.h>

#include <cstdio>

int main() {
  auto wide = functra::promote(functra::i32, functra::f16);
  std::printf("%s\n", std::string(functra::name_of(wide)).c_str());
}
