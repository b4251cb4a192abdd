// The tour's program, with few steps: its checks hold and its last lines are what scripts read.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "tests/laws_count.h"
#include "tests/support/process.h"

namespace functra {

TEST(Tour, ChecksEveryTransformAndEndsWithItsThreeLines) {
  std::string program = std::string(testing::binary_dir()) + "/examples/fashion_mnist", out = std::string(testing::binary_dir()) + "/tour";
  if (!std::filesystem::exists(program)) GTEST_SKIP() << program << " is not built";
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) GTEST_SKIP() << "Debian's dataset-fashion-mnist is not installed";
  auto r = testing::run(testing::shell_word(program) + " --quick --out " + testing::shell_word(out));
  EXPECT_EQ(r.status, 0) << r.output;
  EXPECT_EQ(r.output.find("FAILED"), r.output.npos) << r.output;
  EXPECT_TRUE(std::regex_search(r.output,
                                std::regex("\\ntest accuracy [0-9]+\\.[0-9] %\\ntraining seconds [0-9]+\\nepsilon [0-9]+\\.[0-9] at delta 1e-5\\n$")))
      << r.output;
  for (const char* picture : {"/loss.png", "/misclassified.png"}) EXPECT_TRUE(std::filesystem::exists(out + picture)) << out << picture;
}
TEST(Tour, NamesAMissingDataSet) {
  std::string program = std::string(testing::binary_dir()) + "/examples/fashion_mnist";
  if (!std::filesystem::exists(program)) GTEST_SKIP() << program << " is not built";
  auto r = testing::run(testing::shell_word(program) + " --quick --data /no/such/folder --out " +
                        testing::shell_word(std::string(testing::binary_dir()) + "/tour"));
  EXPECT_NE(r.status, 0);
  EXPECT_NE(r.output.find("/no/such/folder/train-images-idx3-ubyte.gz"), r.output.npos) << r.output;
}

}  // namespace functra
