#include "crisol/libraries.h"

#include <mpi.h>
#include <string.h>

const char *cr_comm_libraries(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    /* allowed before MPI_Init (MPI 3.1, section 8.1); "Open MPI v4.1.4, package: …": the first part is the version */
    MPI_Get_library_version(text, &length);
    text[strcspn(text, ",\n")] = '\0';
    return text;
}
