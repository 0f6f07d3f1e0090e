/* Makes the checksums of an HDF5 file right, so that a mutation is not stopped by them. */
#ifndef CRISOL_FUZZ_HDF5_H
#define CRISOL_FUZZ_HDF5_H

#include <stddef.h>
#include <stdint.h>

/* Of the superblock (versions 2 and 3), of every version 2 object header and of the chunks that continue one ("HDF5
 * File Format Specification 3.0", II.A and IV.A.1.b; the checksum is Jenkins's lookup3). `data` lacks `hole_bytes`
 * bytes of the file at address `hole`. */
void fuzz_mend_hdf5(uint8_t *data, size_t bytes, uint64_t hole, uint64_t hole_bytes);

#endif
