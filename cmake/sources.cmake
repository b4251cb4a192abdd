# Writes sources.cpp, a digest of the files that sources.txt lists, into the directory it runs in.
file(STRINGS sources.txt files)
set(all "")
foreach(f ${files})
  file(SHA256 ${f} digest)
  string(APPEND all ${digest})
endforeach()
string(SHA256 digest "${all}")
string(SUBSTRING ${digest} 0 32 digest)
file(CONFIGURE OUTPUT sources.cpp CONTENT "namespace functra::compiler {
extern const char* const sources;
const char* const sources = \"${digest}\";
}
")
