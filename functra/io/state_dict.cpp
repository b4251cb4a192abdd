#include "functra/io/state_dict.h"

#include "functra/io/npy.h"
#include "functra/io/safetensors.h"

namespace functra::io {
namespace {
bool is_npz(const std::string& path) {
  if (path.ends_with(".npz")) return true;
  if (path.ends_with(".safetensors")) return false;
  throw ValueError("'" + path + "': state dictionaries are stored as .npz or .safetensors");
}
}  // namespace

void save_state_dict(const std::string& path, const StateDict& dict) {
  if (is_npz(path)) write_npz(path, dict);
  else write_safetensors(path, dict);
}
StateDict load_state_dict_file(const std::string& path) { return is_npz(path) ? read_npz(path) : read_safetensors(path); }

}  // namespace functra::io
