# What the library links, for its own build and for programs that link it statically. Gives FUNCTRA_DEPENDENCIES.
include(CMakeFindDependencyMacro)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_dependency(Threads)
find_dependency(ZLIB)
find_dependency(PNG)
find_dependency(fmt)
find_dependency(PkgConfig)
pkg_check_modules(FUNCTRA_HWY REQUIRED QUIET IMPORTED_TARGET GLOBAL libhwy-contrib libhwy)
pkg_check_modules(FUNCTRA_BLAS REQUIRED QUIET IMPORTED_TARGET GLOBAL openblas)

pkg_check_modules(FUNCTRA_GVC REQUIRED QUIET IMPORTED_TARGET GLOBAL libgvc)

# oneDNN without its own package file, which asks for an OpenCL development package that nothing here uses.
find_library(FUNCTRA_DNNL_LIBRARY dnnl REQUIRED)
find_path(FUNCTRA_DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h REQUIRED)
if(NOT TARGET Functra::dnnl)
  add_library(Functra::dnnl UNKNOWN IMPORTED GLOBAL)
  set_target_properties(Functra::dnnl PROPERTIES IMPORTED_LOCATION "${FUNCTRA_DNNL_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${FUNCTRA_DNNL_INCLUDE_DIR}")
endif()
# oneDNN threads by OpenMP; the runtime itself is linked so that it can be told to use one thread, without the flags that would make
# our own code use it.
find_library(FUNCTRA_OMP_LIBRARY NAMES gomp libgomp.so.1 REQUIRED)
set(FUNCTRA_DEPENDENCIES Threads::Threads ZLIB::ZLIB PNG::PNG fmt::fmt PkgConfig::FUNCTRA_HWY PkgConfig::FUNCTRA_BLAS PkgConfig::FUNCTRA_GVC Functra::dnnl ${FUNCTRA_OMP_LIBRARY}
    ${CMAKE_DL_LIBS})

# LLVM, the newest that is installed of those it works with. The packages that setup installs are named in ./dev.
if(FUNCTRA_LLVM OR NOT DEFINED FUNCTRA_LLVM)
  set(FUNCTRA_LLVM_VERSIONS 22 21 20 19)
  foreach(version ${FUNCTRA_LLVM_VERSIONS})
    find_library(FUNCTRA_LLVM_LIBRARY NAMES LLVM-${version} PATHS /usr/lib/llvm-${version}/lib)
    find_path(FUNCTRA_LLVM_INCLUDE_DIR llvm/IR/Module.h PATHS /usr/lib/llvm-${version}/include NO_DEFAULT_PATH)
    if(FUNCTRA_LLVM_LIBRARY AND FUNCTRA_LLVM_INCLUDE_DIR)
      break()
    endif()
    unset(FUNCTRA_LLVM_LIBRARY CACHE)
    unset(FUNCTRA_LLVM_INCLUDE_DIR CACHE)
  endforeach()
  if(NOT FUNCTRA_LLVM_LIBRARY)
    message(FATAL_ERROR "LLVM ${FUNCTRA_LLVM_VERSIONS} not found: install llvm-22-dev, or configure with -DFUNCTRA_LLVM=OFF")
  endif()
  list(APPEND FUNCTRA_DEPENDENCIES ${FUNCTRA_LLVM_LIBRARY})
  set(FUNCTRA_LLVM_FLAG ${FUNCTRA_LLVM_LIBRARY})
  mark_as_advanced(FUNCTRA_LLVM_LIBRARY FUNCTRA_LLVM_INCLUDE_DIR)
endif()

# libdw turns the addresses kept by Programs into file and line; without it they print as addresses.
find_library(FUNCTRA_DW_LIBRARY dw)
find_path(FUNCTRA_DW_INCLUDE_DIR elfutils/libdwfl.h)
if(FUNCTRA_DW_LIBRARY AND FUNCTRA_DW_INCLUDE_DIR)
  if(NOT TARGET Functra::dw)
    add_library(Functra::dw UNKNOWN IMPORTED GLOBAL)
    set_target_properties(Functra::dw PROPERTIES IMPORTED_LOCATION "${FUNCTRA_DW_LIBRARY}"
                          INTERFACE_INCLUDE_DIRECTORIES "${FUNCTRA_DW_INCLUDE_DIR}")
  endif()
  list(APPEND FUNCTRA_DEPENDENCIES Functra::dw)
  set(FUNCTRA_DW_FLAG -ldw)
endif()
mark_as_advanced(FUNCTRA_DNNL_LIBRARY FUNCTRA_DNNL_INCLUDE_DIR FUNCTRA_DW_LIBRARY FUNCTRA_DW_INCLUDE_DIR)
