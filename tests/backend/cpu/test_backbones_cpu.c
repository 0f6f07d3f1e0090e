/* ResNets on the CPU against the reference. */
#include "backbones.h"

int main(void)
{
    return backbones_run("backbones on the CPU", cr_backend_open_cpu);
}
