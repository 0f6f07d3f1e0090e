/* Versions of the libraries that each module runs on, as found at run time: "HDF5 1.10.8, libpng 1.6.39". Never null,
 * static storage. */
#ifndef CRISOL_LIBRARIES_H
#define CRISOL_LIBRARIES_H

const char *cr_base_libraries(void);
const char *cr_config_libraries(void);
const char *cr_comm_libraries(void);
const char *cr_pack_libraries(void);
const char *cr_backend_cpu_libraries(void);
const char *cr_train_libraries(void);
/* Opened only where they are wanted: empty before this process has used them. */
const char *cr_backend_cuda_libraries(void);
const char *cr_reduce_libraries(void);

#endif
