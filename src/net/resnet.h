/* Residual networks as data: torchvision's ResNet family without its last layer. */
#ifndef CRISOL_RESNET_H
#define CRISOL_RESNET_H

#include "crisol/net.h"

/* Adds the image branch of a backbone, from CR_VALUE_IMAGE to its pooled features [channels, 1, 1] in *dst. Errors:
 * CR_BAD_CONFIG naming the backbones that there are. */
CR_NODISCARD cr_status cr_net_add_resnet(cr_net *net, const char *backbone, int *dst);

#endif
