#include "cuda_inputs.h"

#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 64
};

static size_t reserve(size_t *total, size_t bytes)
{
    size_t at = *total;
    *total = (at + bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return at;
}

static cr_cuda_offsets make_offsets(const cr_cuda_inputs *inputs)
{
    size_t n = (size_t)inputs->n, n_classes = (size_t)inputs->n_classes;
    cr_cuda_offsets at = {0};
    at.head = reserve(&at.total, sizeof(cr_batch_head));
    at.metadata = reserve(&at.total, n * (size_t)inputs->n_features * sizeof(float));
    at.labels = reserve(&at.total, n * sizeof(int32_t));
    at.samples = reserve(&at.total, n * sizeof(int64_t));
    at.places = reserve(&at.total, n * sizeof(int64_t));
    at.augments = reserve(&at.total, n * sizeof(cr_augment));
    at.mixes = reserve(&at.total, n * sizeof(cr_mix));
    at.class_weights = reserve(&at.total, n_classes * sizeof(float));
    at.targets = reserve(&at.total, n * n_classes * sizeof(float));
    return at;
}

static cr_status make_pinned(size_t bytes, const char *what, void *data)
{
    void *made = NULL;
    cr_status status = cr_cuda_check(cudaHostAlloc(&made, bytes > 0 ? bytes : 1, cudaHostAllocDefault), what);
    memcpy(data, &made, sizeof made);
    return status;
}

static cr_status make_slot(const cr_cuda_inputs *inputs, bool training, cr_cuda_slot *slot)
{
    cr_status status = CR_OK;
    size_t n = (size_t)inputs->n;
    CR_TRY(make_pinned(inputs->at.total, "memory for batches", &slot->block));
    CR_TRY(make_pinned(n * (size_t)inputs->n_classes * sizeof(float), "memory for logits", &slot->logits));
    if (training)
        CR_TRY(make_pinned(n * sizeof(double), "memory for losses", &slot->losses));
    CR_TRY(cr_cuda_check(cudaEventCreateWithFlags(&slot->copied, cudaEventDisableTiming), "an event"));
    CR_TRY(cr_cuda_check(cudaEventCreateWithFlags(&slot->done, cudaEventDisableTiming), "an event"));
done:
    return status;
}

/* Once, by the first batch that brings its pixels: a program whose images the device keeps needs no room for them. */
static cr_status make_device_images(cr_cuda_inputs *inputs)
{
    cr_status status = CR_OK;
    for (int s = 0; s < CR_CUDA_N_SLOTS; s++) {
        void *device = NULL;
        if (inputs->slots[s].device_images)
            continue;
        CR_TRY(cr_cuda_allocate(inputs->image_bytes, "images", &device));
        inputs->slots[s].device_images = device;
    }
done:
    return status;
}

/* Once, by the first batch whose pixels do not lie in pinned memory already. */
static cr_status make_host_images(cr_cuda_inputs *inputs)
{
    cr_status status = CR_OK;
    for (int s = 0; s < CR_CUDA_N_SLOTS; s++)
        if (!inputs->slots[s].images)
            CR_TRY(make_pinned(inputs->image_bytes, "memory for images", &inputs->slots[s].images));
done:
    return status;
}

cr_status cr_cuda_inputs_create(const cr_net *net, const cr_program_params *params, cr_cuda_inputs *inputs)
{
    cr_status status = CR_OK;
    void *block = NULL;
    inputs->n = params->micro_batch;
    inputs->n_classes = net->n_classes;
    inputs->n_features = net->uses_metadata ? net->n_features : 0;
    inputs->image_bytes =
        net->uses_image ? (size_t)params->micro_batch * 3 * (size_t)net->image_size * (size_t)net->image_size : 0;
    inputs->at = make_offsets(inputs);
    CR_TRY(cr_cuda_allocate(inputs->at.total, "a batch", &block));
    inputs->block = block;
    for (int s = 0; s < CR_CUDA_N_SLOTS; s++)
        CR_TRY(make_slot(inputs, params->training, &inputs->slots[s]));
done:
    return status;
}

void cr_cuda_inputs_destroy(cr_cuda_inputs *inputs)
{
    for (int s = 0; s < CR_CUDA_N_SLOTS; s++) {
        cr_cuda_slot *slot = &inputs->slots[s];
        cudaFreeHost(slot->block);
        cudaFreeHost(slot->images);
        cudaFreeHost(slot->logits);
        cudaFreeHost(slot->losses);
        cudaFree(slot->device_images);
        if (slot->copied)
            cudaEventDestroy(slot->copied);
        if (slot->done)
            cudaEventDestroy(slot->done);
    }
    cudaFree(inputs->block);
    memset(inputs, 0, sizeof *inputs);
}

static cr_status deliver(const cr_cuda_inputs *inputs, cr_cuda_slot *slot)
{
    if (!slot->busy)
        return CR_OK;
    slot->busy = false;
    cr_status status = cr_cuda_check(cudaEventSynchronize(slot->done), "a micro-batch");
    if (status != CR_OK)
        return status;
    memcpy(slot->result.logits, slot->logits, (size_t)(inputs->n * inputs->n_classes) * sizeof *slot->logits);
    if (slot->losses)
        memcpy(slot->result.losses, slot->losses, (size_t)inputs->n * sizeof *slot->losses);
    return CR_OK;
}

static void put(char *block, size_t at, const void *from, size_t bytes)
{
    if (from)
        memcpy(block + at, from, bytes);
}

/* The arrays, and the head with their places on the device. */
static void fill(const cr_cuda_inputs *inputs, const cr_batch *batch, char *block)
{
    size_t n = (size_t)inputs->n, n_classes = (size_t)inputs->n_classes;
    const cr_cuda_offsets *at = &inputs->at;
    cr_batch_head head = {.seed = batch->seed, .epoch = batch->epoch};
    if (inputs->n_features > 0)
        put(block, at->metadata, batch->metadata, n * (size_t)inputs->n_features * sizeof(float));
    put(block, at->augments, batch->augments, n * sizeof(cr_augment));
    put(block, at->mixes, batch->mixes, n * sizeof(cr_mix));
    put(block, at->labels, batch->labels, n * sizeof(int32_t));
    put(block, at->samples, batch->samples, n * sizeof(int64_t));
    put(block, at->places, batch->places, n * sizeof(int64_t));
    put(block, at->targets, batch->targets, n * n_classes * sizeof(float));
    if (batch->targets)
        head.targets = (const float *)(inputs->block + at->targets);
    if (batch->loss) {
        head.loss = *batch->loss;
        put(block, at->class_weights, batch->loss->class_weights, n_classes * sizeof(float));
        if (batch->loss->class_weights)
            head.loss.class_weights = (const float *)(inputs->block + at->class_weights);
    }
    put(block, at->head, &head, sizeof head);
}

/* Pinned images travel from where they are, after this call has returned: they are borrowed until cr_program_wait(),
 * which waits for this batch's results and so for its images. Others are copied into the slot. */
static cr_status send_images(cr_cuda *cuda, cr_cuda_inputs *inputs, cr_cuda_slot *slot, const cr_batch *batch)
{
    cr_status status = CR_OK;
    const uint8_t *from = batch->images;
    CR_TRY(make_device_images(inputs));
    if (!batch->images_pinned) {
        CR_TRY(make_host_images(inputs));
        memcpy(slot->images, from, inputs->image_bytes);
        from = slot->images;
    }
    CR_TRY(cr_cuda_check(
        cudaMemcpyAsync(slot->device_images, from, inputs->image_bytes, cudaMemcpyHostToDevice, cuda->copies),
        "a copy of images"));
    CR_TRY(cr_cuda_check(cudaEventRecord(slot->copied, cuda->copies), "a copy of images"));
    CR_TRY(cr_cuda_check(cudaStreamWaitEvent(cuda->stream, slot->copied, 0), "a copy of images"));
done:
    return status;
}

cr_status cr_cuda_inputs_send(cr_cuda *cuda, cr_cuda_inputs *inputs, const cr_batch *batch, const uint8_t **images)
{
    cr_status status = CR_OK;
    cr_cuda_slot *slot = &inputs->slots[inputs->next];
    CR_TRY(deliver(inputs, slot)); /* afterwards nothing on the device reads the slot */
    fill(inputs, batch, slot->block);
    *images = batch->images;
    if (inputs->image_bytes > 0 && !batch->places) {
        CR_TRY(send_images(cuda, inputs, slot, batch));
        *images = slot->device_images;
    }
    CR_TRY(cr_cuda_check(
        cudaMemcpyAsync(inputs->block, slot->block, inputs->at.total, cudaMemcpyHostToDevice, cuda->stream),
        "a copy of a batch"));
done:
    return status;
}

cr_status cr_cuda_inputs_receive(cr_cuda *cuda, cr_cuda_inputs *inputs, const float *logits, const double *losses,
                                 const cr_batch_result *result)
{
    cr_status status = CR_OK;
    cr_cuda_slot *slot = &inputs->slots[inputs->next];
    CR_TRY(cr_cuda_check(cudaMemcpyAsync(slot->logits, logits, (size_t)(inputs->n * inputs->n_classes) * sizeof *logits,
                                         cudaMemcpyDeviceToHost, cuda->stream),
                         "a copy of logits"));
    if (slot->losses)
        CR_TRY(cr_cuda_check(cudaMemcpyAsync(slot->losses, losses, (size_t)inputs->n * sizeof *losses,
                                             cudaMemcpyDeviceToHost, cuda->stream),
                             "a copy of losses"));
    CR_TRY(cr_cuda_check(cudaEventRecord(slot->done, cuda->stream), "a micro-batch"));
    slot->result = *result;
    slot->busy = true;
    inputs->next = (inputs->next + 1) % CR_CUDA_N_SLOTS;
done:
    return status;
}

cr_status cr_cuda_inputs_wait(cr_cuda_inputs *inputs)
{
    cr_status status = CR_OK;
    for (int s = 0; s < CR_CUDA_N_SLOTS; s++) /* the oldest first; all, even when one fails */
        if (status == CR_OK)
            status = deliver(inputs, &inputs->slots[(inputs->next + s) % CR_CUDA_N_SLOTS]);
        else
            inputs->slots[(inputs->next + s) % CR_CUDA_N_SLOTS].busy = false;
    return status;
}
