#include "reference_layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t plane(cr_shape shape)
{
    return shape.height * shape.width;
}

static int64_t volume(cr_shape shape)
{
    return shape.channels * plane(shape);
}

/* Outputs o in [*first, *end) read input o·stride + tap - padding inside [0, size). */
static void output_range(const ref_window *window, int64_t tap, int64_t size, int64_t n_out, int64_t *first,
                         int64_t *end)
{
    int64_t shift = tap - window->padding;
    *first = shift < 0 ? (-shift + window->stride - 1) / window->stride : 0;
    int64_t last = size - 1 - shift; /* largest o·stride */
    *end = last < 0 ? 0 : last / window->stride + 1;
    if (*end > n_out)
        *end = n_out;
}

/* One kernel tap (i, j) between input plane x and output plane y: calls for every row the part of it that is inside. */
typedef void row_function(int64_t count, int64_t stride, double *y, double *x, double *w);

static void row_forward(int64_t count, int64_t stride, double *y, double *x, double *w)
{
    double weight = *w;
    if (stride == 1)
        for (int64_t o = 0; o < count; o++)
            y[o] += weight * x[o];
    else
        for (int64_t o = 0; o < count; o++)
            y[o] += weight * x[o * stride];
}

static void row_backward_data(int64_t count, int64_t stride, double *dy, double *dx, double *w)
{
    double weight = *w;
    if (stride == 1)
        for (int64_t o = 0; o < count; o++)
            dx[o] += weight * dy[o];
    else
        for (int64_t o = 0; o < count; o++)
            dx[o * stride] += weight * dy[o];
}

static void row_backward_weight(int64_t count, int64_t stride, double *dy, double *x, double *dw)
{
    double sum = 0;
    for (int64_t o = 0; o < count; o++)
        sum += dy[o] * x[o * stride];
    *dw += sum;
}

static inline void for_each_tap(const ref_window *window, row_function *row, double *y, double *x, double *w)
{
    for (int64_t i = 0; i < window->kernel_height; i++) {
        int64_t first_row, end_row;
        output_range(window, i, window->in.height, window->out.height, &first_row, &end_row);
        for (int64_t j = 0; j < window->kernel_width; j++) {
            int64_t first, end;
            output_range(window, j, window->in.width, window->out.width, &first, &end);
            for (int64_t o = first_row; o < end_row && first < end; o++) {
                int64_t in_row = o * window->stride + i - window->padding;
                int64_t in_column = first * window->stride + j - window->padding;
                row(end - first, window->stride, y + o * window->out.width + first,
                    x + in_row * window->in.width + in_column, w + i * window->kernel_width + j);
            }
        }
    }
}

static inline void for_each_pair(const ref_window *window, row_function *row, double *y, double *x, double *w)
{
    int64_t taps = window->kernel_height * window->kernel_width;
    for (int64_t s = 0; s < window->n; s++)
        for (int64_t out = 0; out < window->out.channels; out++)
            for (int64_t in = 0; in < window->in.channels; in++)
                for_each_tap(window, row, y + (s * window->out.channels + out) * plane(window->out),
                             x + (s * window->in.channels + in) * plane(window->in),
                             w + (out * window->in.channels + in) * taps);
}

void ref_conv_forward(const ref_window *window, const double *x, const double *w, const double *b, double *y)
{
    int64_t size = plane(window->out);
    for (int64_t s = 0; s < window->n; s++)
        for (int64_t c = 0; c < window->out.channels; c++)
            for (int64_t i = 0; i < size; i++)
                y[(s * window->out.channels + c) * size + i] = b ? b[c] : 0.0;
    for_each_pair(window, row_forward, y, (double *)x, (double *)w);
}

void ref_conv_backward(const ref_window *window, const double *x, const double *w, const double *dy, double *dx,
                       double *dw, double *db)
{
    int64_t n_weights = window->out.channels * window->in.channels * window->kernel_height * window->kernel_width;
    if (dx)
        for_each_pair(window, row_backward_data, (double *)dy, dx, (double *)w);
    memset(dw, 0, (size_t)n_weights * sizeof *dw);
    for_each_pair(window, row_backward_weight, (double *)dy, (double *)x, dw);
    for (int64_t c = 0; db && c < window->out.channels; c++) {
        db[c] = 0;
        for (int64_t s = 0; s < window->n; s++)
            for (int64_t i = 0; i < plane(window->out); i++)
                db[c] += dy[(s * window->out.channels + c) * plane(window->out) + i];
    }
}

/* The largest value that window (row, column) sees; padding counts as -inf, so it is never chosen. */
static int32_t window_maximum(const ref_window *window, const double *x, int64_t row, int64_t column)
{
    int32_t best = -1;
    for (int64_t i = 0; i < window->kernel_height; i++)
        for (int64_t j = 0; j < window->kernel_width; j++) {
            int64_t r = row * window->stride + i - window->padding, c = column * window->stride + j - window->padding;
            if (r < 0 || r >= window->in.height || c < 0 || c >= window->in.width)
                continue;
            int32_t at = (int32_t)(r * window->in.width + c);
            if (best < 0 || x[at] > x[best])
                best = at;
        }
    return best;
}

void ref_max_pool_forward(const ref_window *window, const double *x, double *y, int32_t *argmax)
{
    for (int64_t p = 0; p < window->n * window->out.channels; p++)
        for (int64_t row = 0; row < window->out.height; row++)
            for (int64_t column = 0; column < window->out.width; column++) {
                int64_t at = p * plane(window->out) + row * window->out.width + column;
                const double *source = x + p * plane(window->in);
                argmax[at] = window_maximum(window, source, row, column);
                y[at] = source[argmax[at]];
            }
}

void ref_max_pool_backward(const ref_window *window, const int32_t *argmax, const double *dy, double *dx)
{
    for (int64_t p = 0; dx && p < window->n * window->out.channels; p++)
        for (int64_t i = 0; i < plane(window->out); i++)
            dx[p * plane(window->in) + argmax[p * plane(window->out) + i]] += dy[p * plane(window->out) + i];
}

void ref_batch_norm_statistics(int64_t n, cr_shape shape, const double *x, double *mean, double *var)
{
    double count = (double)(n * plane(shape));
    for (int64_t c = 0; c < shape.channels; c++) {
        double sum = 0, squares = 0;
        for (int64_t s = 0; s < n; s++)
            for (int64_t i = 0; i < plane(shape); i++)
                sum += x[(s * shape.channels + c) * plane(shape) + i];
        mean[c] = sum / count;
        for (int64_t s = 0; s < n; s++)
            for (int64_t i = 0; i < plane(shape); i++) {
                double gap = x[(s * shape.channels + c) * plane(shape) + i] - mean[c];
                squares += gap * gap;
            }
        var[c] = squares / count;
    }
}

void ref_batch_norm_forward(int64_t n, cr_shape shape, double eps, const double *x, const double *gamma,
                            const double *beta, const double *mean, const double *var, double *y)
{
    for (int64_t s = 0; s < n; s++)
        for (int64_t c = 0; c < shape.channels; c++)
            for (int64_t i = 0; i < plane(shape); i++) {
                int64_t at = (s * shape.channels + c) * plane(shape) + i;
                y[at] = gamma[c] * (x[at] - mean[c]) / sqrt(var[c] + eps) + beta[c];
            }
}

/* With h = (x - mean)/sqrt(var + eps): dbeta = Σ dy, dgamma = Σ dy·h, and in training
 * dx = gamma/sqrt(var + eps) · (dy - mean(dy) - h·mean(dy·h)) (Ioffe and Szegedy 2015, section 3). */
void ref_batch_norm_backward(int64_t n, cr_shape shape, double eps, bool training, const double *x, const double *gamma,
                             const double *mean, const double *var, const double *dy, double *dx, double *dgamma,
                             double *dbeta)
{
    double count = (double)(n * plane(shape));
    for (int64_t c = 0; c < shape.channels; c++) {
        double scale = 1.0 / sqrt(var[c] + eps), sum = 0, product = 0;
        for (int64_t s = 0; s < n; s++)
            for (int64_t i = 0; i < plane(shape); i++) {
                int64_t at = (s * shape.channels + c) * plane(shape) + i;
                sum += dy[at];
                product += dy[at] * (x[at] - mean[c]) * scale;
            }
        dbeta[c] = sum;
        dgamma[c] = product;
        double mean_dy = training ? sum / count : 0, mean_product = training ? product / count : 0;
        for (int64_t s = 0; dx && s < n; s++)
            for (int64_t i = 0; i < plane(shape); i++) {
                int64_t at = (s * shape.channels + c) * plane(shape) + i;
                dx[at] += gamma[c] * scale * (dy[at] - mean_dy - (x[at] - mean[c]) * scale * mean_product);
            }
    }
}

void ref_global_average_pool_forward(int64_t n, cr_shape shape, const double *x, double *y)
{
    for (int64_t p = 0; p < n * shape.channels; p++) {
        double sum = 0;
        for (int64_t i = 0; i < plane(shape); i++)
            sum += x[p * plane(shape) + i];
        y[p] = sum / (double)plane(shape);
    }
}

void ref_global_average_pool_backward(int64_t n, cr_shape shape, const double *dy, double *dx)
{
    for (int64_t i = 0; dx && i < n * volume(shape); i++)
        dx[i] += dy[i / plane(shape)] / (double)plane(shape);
}

void ref_dense_forward(int64_t n, int64_t in, int64_t out, const double *x, const double *w, const double *b, double *y)
{
    for (int64_t s = 0; s < n; s++)
        for (int64_t o = 0; o < out; o++) {
            double sum = b[o];
            for (int64_t i = 0; i < in; i++)
                sum += w[o * in + i] * x[s * in + i];
            y[s * out + o] = sum;
        }
}

void ref_dense_backward(int64_t n, int64_t in, int64_t out, const double *x, const double *w, const double *dy,
                        double *dx, double *dw, double *db)
{
    memset(dw, 0, (size_t)(in * out) * sizeof *dw);
    memset(db, 0, (size_t)out * sizeof *db);
    for (int64_t s = 0; s < n; s++)
        for (int64_t o = 0; o < out; o++) {
            double g = dy[s * out + o];
            db[o] += g;
            for (int64_t i = 0; i < in; i++)
                dw[o * in + i] += g * x[s * in + i];
            for (int64_t i = 0; dx && i < in; i++)
                dx[s * in + i] += g * w[o * in + i];
        }
}

void ref_relu_forward(int64_t count, const double *x, double *y)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i] > 0 ? x[i] : 0;
}

void ref_relu_backward(int64_t count, const double *y, const double *dy, double *dx)
{
    for (int64_t i = 0; i < count; i++)
        dx[i] = y[i] > 0 ? dy[i] : 0;
}

void ref_dropout_forward(int64_t count, double p, const double *x, const double *mask, double *y)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i] * mask[i] / (1 - p);
}

void ref_dropout_backward(int64_t count, double p, const double *dy, const double *mask, double *dx)
{
    for (int64_t i = 0; dx && i < count; i++)
        dx[i] += dy[i] * mask[i] / (1 - p);
}

void ref_concat_forward(int64_t n, int64_t a_count, int64_t b_count, const double *a, const double *b, double *y)
{
    for (int64_t s = 0; s < n; s++)
        for (int64_t i = 0; i < a_count + b_count; i++)
            y[s * (a_count + b_count) + i] = i < a_count ? a[s * a_count + i] : b[s * b_count + i - a_count];
}

void ref_concat_backward(int64_t n, int64_t a_count, int64_t b_count, const double *dy, double *da, double *db)
{
    for (int64_t s = 0; s < n; s++) {
        const double *row = dy + s * (a_count + b_count);
        for (int64_t i = 0; da && i < a_count; i++)
            da[s * a_count + i] += row[i];
        for (int64_t i = 0; db && i < b_count; i++)
            db[s * b_count + i] += row[a_count + i];
    }
}

/* loss = (1-e)·(-w[y]·l[y]) + (e/K)·Σ_c -w[c]·l[c], l = log-softmax (torch.nn.CrossEntropyLoss); so with the target
 * distribution t[c] = w[c]·((1-e)·[c = y] + e/K) it is -Σ t[c]·l[c], and its gradient p·Σ t - t. */
void ref_cross_entropy(int64_t n, int64_t n_classes, const float *class_weights, double smoothing, double weight_sum,
                       const double *logits, const int32_t *labels, double *losses, double *dlogits)
{
    for (int64_t s = 0; s < n; s++) {
        const double *z = logits + s * n_classes;
        double largest = z[0], sum = 0, loss = 0, total = 0;
        for (int64_t c = 1; c < n_classes; c++)
            largest = fmax(largest, z[c]);
        for (int64_t c = 0; c < n_classes; c++)
            sum += exp(z[c] - largest);
        for (int pass = 0; pass < 2; pass++)
            for (int64_t c = 0; c < n_classes; c++) {
                double l = z[c] - largest - log(sum);
                double weight = class_weights ? (double)class_weights[c] : 1.0;
                double t = weight * ((c == labels[s] ? 1 - smoothing : 0) + smoothing / (double)n_classes);
                if (pass == 0) {
                    loss -= t * l;
                    total += t;
                } else if (dlogits) {
                    dlogits[s * n_classes + c] = (exp(l) * total - t) / weight_sum;
                }
            }
        losses[s] = loss;
    }
}
