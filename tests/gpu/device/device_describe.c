/* Prints cuDNN's own description of the first GPU, as its deviceless path reads it: what is to be kept under
 * tests/gpu/fixtures. Opening the backend first loads the driver and makes the device current. */
#include "open_device.h"

#include "cudnn_calls.h"
#include "cudnn_descriptors.h"

#include <stdio.h>
#include <stdlib.h>

static cr_status print_description(const cr_cudnn_calls *calls)
{
    cr_status status = CR_OK;
    int32_t device = 0;
    int64_t room = 0, n = 0;
    char *text = NULL;
    cudnnBackendDescriptor_t description = NULL;
    const cr_cudnn_attribute attributes[] = {{CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, 1, &device}};
    CR_TRY(
        cr_cudnn_make(calls, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "a GPU's description", attributes, 1, &description));
    CR_TRY(cr_cudnn_check(calls,
                          calls->BackendGetAttribute(description, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                                     CUDNN_TYPE_CHAR, 0, &room, NULL),
                          "the description's length"));
    text = calloc((size_t)room + 1, 1);
    if (!text) {
        status = cr_fail_memory("a GPU's description", (size_t)room + 1);
        goto done;
    }
    CR_TRY(cr_cudnn_check(calls,
                          calls->BackendGetAttribute(description, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                                     CUDNN_TYPE_CHAR, room, &n, text),
                          "the description"));
    puts(text);
done:
    free(text);
    cr_cudnn_drop(calls, &description);
    return status;
}

int main(void)
{
    cr_backend *backend = NULL;
    const cr_cudnn_calls *calls;
    char label[160];
    cr_status status = CR_OK;
    CR_TRY(open_device("cuda", &backend, label));
    CR_TRY(cr_cudnn_open(&calls));
    CR_TRY(print_description(calls));
done:;
    int code = device_exit_code("device_describe", backend, status);
    cr_backend_close(&backend);
    return code;
}
