/* Must crash. */
#include "fenced_memory.h"

#include <stdio.h>

int main(void)
{
    fence *f = NULL;
    float *array = NULL;
    if (fence_create(&f) != CR_OK || cr_memory_allocate(fence_memory(f), 16, "floats", &array) != CR_OK)
        return 0;
    printf("%g\n", (double)array[0]);
    return 0;
}
