// functra-minify PROGRAM.txt INPUTS.npz [-o DIRECTORY] -- COMMAND [ARG...]
//
// Shrinks a program for which COMMAND fails. The command is run as COMMAND ARG... PROGRAM.txt INPUTS.npz on each candidate, and fails by a
// status that is not 0, or by a signal. The smallest program found so far is always in DIRECTORY (default: minified).
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>

#include "functra/aot/minify.h"
#include "functra/io/npy.h"
#include "functra/io/repro.h"

namespace ft = functra;

namespace {

int usage() {
  std::fputs("usage: functra-minify PROGRAM.txt INPUTS.npz [-o DIRECTORY] -- COMMAND [ARG...]\n", stderr);
  return 2;
}
bool command_fails(const std::vector<std::string>& command) {
  pid_t child = fork();
  if (child < 0) throw ft::Error("functra-minify: cannot start a process");
  if (child == 0) {
    std::vector<char*> argv;
    for (auto& a : command) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) throw ft::IoError("functra-minify: cannot run " + command[0]);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<std::string> files, command;
  std::string out = "minified";
  int i = 1;
  for (; i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    if (std::strcmp(argv[i], "-o") == 0 && i + 1 < argc) out = argv[++i];
    else files.emplace_back(argv[i]);
  }
  for (++i; i < argc; ++i) command.emplace_back(argv[i]);
  if (files.size() != 2 || command.empty()) return usage();

  const auto [program, inputs] = ft::io::load_repro(files[0], files[1]);
  const std::string trial = out + "/trial";
  std::string not_run;  // why a candidate could not be written or the command not be run: not a property of the program
  auto fails = [&](const ft::Program& p, const std::vector<ft::Tensor>& in) {
    std::vector<std::string> run = command;
    run.push_back(trial + "/program.txt");
    run.push_back(trial + "/inputs.npz");
    try {
      ft::io::save_repro(trial, p, in);
      return command_fails(run);
    } catch (const ft::Error& e) {
      not_run = e.what();
      return false;
    }
  };
  ft::compile::MinifyOptions options;
  options.found = [&](const ft::Program& p, const std::vector<ft::Tensor>& in) {
    ft::io::save_repro(out, p, in);
    std::printf("%zu equations, %zu inputs\n", p.size(), in.size());
    std::fflush(stdout);
  };
  std::exception_ptr ended;
  try {
    const auto m = ft::compile::minifier(program, inputs, fails, options);
    std::printf("%s\n%zu programs tried; in %s\n", m.program.str().c_str(), m.tried, out.c_str());
  } catch (...) { ended = std::current_exception(); }
  std::error_code ignored;
  std::filesystem::remove_all(trial, ignored);
  if (!not_run.empty()) throw ft::IoError(not_run);
  if (ended) std::rethrow_exception(ended);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
