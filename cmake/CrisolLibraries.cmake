# The libraries Crisol stands on, each as one imported target crisol::NAME.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# hdf5-serial, never plain hdf5: the MPI build of HDF5 takes over that name and is not thread-safe.
pkg_check_modules(HDF5 REQUIRED IMPORTED_TARGET hdf5-serial)
add_library(crisol::hdf5 ALIAS PkgConfig::HDF5)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
add_library(crisol::yaml ALIAS PkgConfig::YAML)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
add_library(crisol::jansson ALIAS PkgConfig::JANSSON)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
add_library(crisol::xxhash ALIAS PkgConfig::XXHASH)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)
add_library(crisol::zip ALIAS PkgConfig::ZIP)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
add_library(crisol::png ALIAS PkgConfig::PNG)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
add_library(crisol::jpeg ALIAS PkgConfig::JPEG)

find_package(MPI REQUIRED COMPONENTS C)
add_library(crisol::mpi ALIAS MPI::MPI_C)

# libcsv and oneDNN have no usable package files on Debian 12.
find_path(CSV_INCLUDE csv.h REQUIRED)
find_library(CSV_LIBRARY csv REQUIRED)
add_library(crisol::csv UNKNOWN IMPORTED)
set_target_properties(crisol::csv PROPERTIES IMPORTED_LOCATION ${CSV_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES
                                                                              ${CSV_INCLUDE})

if(CRISOL_ONEDNN_ROOT)
  find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.h PATHS ${CRISOL_ONEDNN_ROOT}/include NO_DEFAULT_PATH REQUIRED)
  find_library(DNNL_LIBRARY NAMES dnnl libdnnl.so.3 PATHS ${CRISOL_ONEDNN_ROOT}/lib ${CRISOL_ONEDNN_ROOT}/lib64 NO_DEFAULT_PATH REQUIRED)
else()
  find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.h REQUIRED)
  find_library(DNNL_LIBRARY dnnl REQUIRED)
endif()
find_package(OpenMP REQUIRED COMPONENTS C) # oneDNN's threads: a worker sets how many it may use
add_library(crisol::dnnl UNKNOWN IMPORTED)
set_target_properties(
  crisol::dnnl PROPERTIES IMPORTED_LOCATION ${DNNL_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${DNNL_INCLUDE}
                          INTERFACE_LINK_LIBRARIES OpenMP::OpenMP_C)
