#include "functra/io/repro.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "functra/base/errors.h"
#include "functra/io/npy.h"

namespace functra::io {

namespace {
void write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) throw IoError("save_repro: cannot write " + path);
}
// The text as raw strings, in pieces below the length that every compiler takes.
std::string literal(const std::string& text) {
  std::string r;
  constexpr std::size_t piece = 8000;
  for (std::size_t at = 0; at < text.size(); at += piece) r += "R\"functra(" + text.substr(at, piece) + ")functra\"\n";
  return r.empty() ? "\"\"" : r;
}
}  // namespace

void save_repro(const std::string& directory, const Program& program, const std::vector<Tensor>& inputs, const std::string& check) {
  if (inputs.size() + program.captured_tensors().size() != program.inputs().size() && inputs.size() != program.inputs().size())
    throw ValueError("save_repro: the program takes " + std::to_string(program.inputs().size()) + " inputs, got " + std::to_string(inputs.size()));
  std::vector<Tensor> all = program.captured_tensors();
  if (inputs.size() == program.inputs().size()) all.clear();
  all.insert(all.end(), inputs.begin(), inputs.end());
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) throw IoError("save_repro: cannot make the directory " + directory + ": " + failed.message());
  std::map<std::string, Tensor> arrays;
  for (std::size_t i = 0; i < all.size(); ++i) arrays["i" + std::to_string(i)] = all[i];
  const std::string npz = directory + "/inputs.npz";
  write_text(directory + "/program.txt", program.str() + "\n");
  write_npz(npz, arrays);
  write_text(directory + "/repro.cpp", R"(// Evaluates a program that failed. Build: g++ -std=c++20 repro.cpp $(pkg-config --cflags --libs functra)
// Run it with the path of inputs.npz, or beside it. It exits with status 1 where the failure is seen.
)"
                                       "#include <functra/functra.h>\n#include <functra/io/npy.h>\n\n#include <iostream>\n"
                                       R"(
using namespace functra;

bool fails(const Program& program, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) {
  (void)program, (void)inputs, (void)outputs;
  )" + check + R"(
}

int main(int argc, char** argv) {
  const Program program = Program::parse()" +
                                           literal(program.str()) + R"();
  auto arrays = io::read_npz(argc > 1 ? argv[1] : "inputs.npz");
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < arrays.size(); ++i) inputs.push_back(arrays.at("i" + std::to_string(i)));
  const std::vector<Tensor> outputs = program(inputs);
  for (const Tensor& y : outputs) std::cout << y << "\n";
  const bool failed = fails(program, inputs, outputs);
  std::cout << (failed ? "fails" : "does not fail") << "\n";
  return failed;
}
)");
}

Repro load_repro(const std::string& program_file, const std::string& inputs_file) {
  std::ifstream in(program_file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) throw IoError("load_repro: cannot read " + program_file);
  Repro r;
  try {
    r.program = Program::parse(text.str());
  } catch (const ValueError& e) { throw IoError("load_repro: " + program_file + ": " + e.what()); }
  auto arrays = read_npz(inputs_file);
  for (std::size_t i = 0; i < r.program.inputs().size(); ++i) {
    auto at = arrays.find("i" + std::to_string(i));
    if (at == arrays.end()) throw IoError("load_repro: " + inputs_file + " has no array 'i" + std::to_string(i) + "'");
    const Program::Variable want = r.program.inputs()[i];
    const Tensor& x = at->second;
    if (x.raw_dtype() != want.dtype || x.sizes() != want.shape)
      throw IoError("load_repro: array 'i" + std::to_string(i) + "' of " + inputs_file + " is " + x.aval().str() + "; the program takes " +
                    Aval{want.dtype, want.weak, want.shape}.str());
    r.inputs.push_back(x);
  }
  return r;
}

}  // namespace functra::io
