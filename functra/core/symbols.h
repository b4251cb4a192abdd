// Source locations from return addresses, looked up only when printed.
#pragma once
#include <string>

namespace functra::core {

std::string symbol_of(const void* return_address);  // "file:line", or the function or module where there is no debug information

}  // namespace functra::core
