/* Every option of a training, once. From this table come the defaults, what a file and --set may say, the help, the
 * dump and the comparison of two configs.
 *
 * To add an option: a member in cr_config (crisol/config.h) and a line here. The option's name is the member's path, so
 * `INT(data.batch, …)` is `batch` in the section `data`; the compiler checks that macro and member have the same type.
 * Columns: member, default as YAML, what is allowed, FIXED, FREE or ASIDE, meaning (one sentence). FREE is what may
 * differ when a training goes on from a checkpoint: it has no part in the numbers of a step. ASIDE is free and has no
 * part in the outcome either: two configs that differ only there are the same trial of a sweep. Lines of one section
 * stand together.
 *   INT, REAL       lowest, highest (INFINITY: no limit); REAL_BELOW: highest itself is not allowed
 *   BOOL, UINT64, TEXT, PATH, CHOICE (a list of words that ends with NULL, in the order of the enum)
 *   TEXTS, INTS     lists, at most so many items
 *   REALS           double member[n]: exactly n numbers, each from lowest to highest
 *   WEIGHTS         one of the words, or a map from names to numbers */
#include "option.h"

#include <math.h>

#define FIXED 0
#define FREE 1
#define ASIDE 2

#define MEMBER(member, c_type)                                                                                         \
    .name = #member, .offset = _Generic(((cr_config *)0)->member, c_type : offsetof(cr_config, member))
#define REST(standard, free, text)                                                                                     \
    .fallback = standard, .is_free = (free) != FIXED, .is_aside = (free) == ASIDE, .meaning = text

#define INT(member, standard, low, high, free, text)                                                                   \
    {                                                                                                                  \
        MEMBER(member, int64_t), .type = CR_OPTION_INT, .lowest = low, .highest = high, REST(standard, free, text)     \
    }
#define UINT64(member, standard, free, text)                                                                           \
    {                                                                                                                  \
        MEMBER(member, uint64_t), .type = CR_OPTION_UINT64, REST(standard, free, text)                                 \
    }
#define REAL(member, standard, low, high, free, text)                                                                  \
    {                                                                                                                  \
        MEMBER(member, double), .type = CR_OPTION_REAL, .lowest = low, .highest = high, REST(standard, free, text)     \
    }
#define REAL_BELOW(member, standard, low, high, free, text)                                                            \
    {                                                                                                                  \
        MEMBER(member, double), .type = CR_OPTION_REAL, .lowest = low, .highest = high, .below = true,                 \
                                REST(standard, free, text)                                                             \
    }
#define BOOL(member, standard, free, text)                                                                             \
    {                                                                                                                  \
        MEMBER(member, bool), .type = CR_OPTION_BOOL, REST(standard, free, text)                                       \
    }
#define TEXT(member, standard, free, text)                                                                             \
    {                                                                                                                  \
        MEMBER(member, char *), .type = CR_OPTION_TEXT, REST(standard, free, text)                                     \
    }
#define PATH(member, standard, free, text)                                                                             \
    {                                                                                                                  \
        MEMBER(member, char *), .type = CR_OPTION_PATH, REST(standard, free, text)                                     \
    }
#define CHOICE(member, standard, words, free, text)                                                                    \
    {                                                                                                                  \
        MEMBER(member, int), .type = CR_OPTION_CHOICE, .choices = words, REST(standard, free, text)                    \
    }
#define TEXTS(member, standard, most, free, text)                                                                      \
    {                                                                                                                  \
        MEMBER(member, cr_strings), .type = CR_OPTION_TEXTS, .n_items = most, REST(standard, free, text)               \
    }
#define INTS(member, standard, most, low, high, free, text)                                                            \
    {                                                                                                                  \
        MEMBER(member, cr_ints), .type = CR_OPTION_INTS, .n_items = most, .lowest = low, .highest = high,              \
                                 REST(standard, free, text)                                                            \
    }
#define REALS(member, standard, low, high, free, text)                                                                 \
    {                                                                                                                  \
        MEMBER(member, double *), .type = CR_OPTION_REALS,                                                             \
                                  .n_items = sizeof(((cr_config *)0)->member) / sizeof(double), .lowest = low,         \
                                  .highest = high, REST(standard, free, text)                                          \
    }

#define WEIGHTS(member, standard, words, most, low, high, free, text)                                                  \
    {                                                                                                                  \
        MEMBER(member, cr_weights), .type = CR_OPTION_WEIGHTS, .choices = words, .n_items = most, .lowest = low,       \
                                    .highest = high, REST(standard, free, text)                                        \
    }

static const char *const backbones[] = {"resnet18", "resnet34", "resnet50", NULL};
static const char *const inputs[] = {"both", "image", "metadata", NULL};
static const char *const class_weights[] = {"none", "balanced", NULL};
static const char *const samplers[] = {"shuffle", "balanced", NULL};
static const char *const stages[] = {"none", "stem", "layer1", "layer2", "layer3", "layer4", NULL};
static const char *const optimizers[] = {"adamw", "adam", "sgd", NULL};
static const char *const schedules[] = {"constant", "step",      "multi_step", "exponential",
                                        "cosine",   "one_cycle", "plateau",    NULL};
static const char *const precisions[] = {"f32", "bf16", NULL};
static const char *const modes[] = {"auto", "min", "max", NULL};
static const char *const fills[] = {"zero", "noise", NULL};
static const char *const reductions[] = {"ordered", "library", NULL};
static const char *const devices[] = {"auto", "cpu", "cuda", NULL};
static const char *const transports[] = {"auto", "mpi", "nccl", NULL};
static const char *const plans[] = {"rule", "measure", NULL};
static const char *const residents[] = {"auto", "on", "off", NULL};
static const char *const convolutions[] = {"auto", "direct", NULL};

static const cr_option options[] = {
    PATH(data.pack, "\"\"", FREE, "Folder of the pack; in a file, relative to the file's folder."),
    TEXTS(data.classes, "[]", 4096, FIXED,
          "Classes to train on, in the order of the outputs; none named: all of the pack."),
    INT(data.batch, "32", 1, 1048576, FIXED, "Samples of a global batch: one step of the optimizer, over all ranks."),
    INT(data.micro_batch, "8", 1, 65536, FIXED,
        "Samples that are computed together, the unit of arithmetic; divides data.batch."),
    INT(data.limit_train, "0", 0, INFINITY, FIXED,
        "Use only so many samples of the training split, always the same; 0: all."),
    INT(data.limit_val, "0", 0, INFINITY, FIXED,
        "Use only so many samples of the validation split, always the same; 0: all."),
    INT(data.limit_test, "0", 0, INFINITY, FIXED,
        "Use only so many samples of the test split, always the same; 0: all."),
    CHOICE(data.sampler, "shuffle", samplers, FIXED,
           "shuffle: each sample once an epoch; balanced: each place draws a class, then one of its samples."),

    CHOICE(model.backbone, "resnet18", backbones, FIXED, "Network that looks at the image."),
    PATH(model.weights, "\"\"", FREE,
         "Pretrained weights to start from, a safetensors file with torchvision's names; empty: from scratch."),
    CHOICE(model.inputs, "both", inputs, FIXED, "What the model sees of a sample."),
    TEXTS(model.metadata.columns, "[]", 4096, FIXED,
          "Columns of the table that the model sees; none named: all of the pack."),
    INTS(model.metadata.hidden, "[32]", 8, 1, 65536, FIXED, "Widths of the hidden layers that read the metadata."),
    REAL_BELOW(model.metadata.dropout, "0", 0, 1, FIXED, "Dropout between the hidden layers that read the metadata."),
    INTS(model.head.hidden, "[256]", 8, 1, 65536, FIXED, "Widths of the hidden layers of the classifier."),
    REAL_BELOW(model.head.dropout, "0.5", 0, 1, FIXED, "Dropout after each hidden layer of the classifier."),

    CHOICE(model.freeze, "none", stages, FIXED,
           "The image network does not learn up to and including this stage; its batch norms use their statistics."),
    INT(model.unfreeze_epoch, "0", 0, INFINITY, FIXED, "Epochs after which the frozen stages learn as well; 0: never."),

    REAL(augment.hflip, "0", 0, 1, FIXED, "Probability of a mirrored image (left and right exchanged)."),
    REAL(augment.vflip, "0", 0, 1, FIXED, "Probability of an image upside down (top and bottom exchanged)."),
    REAL(augment.rotate, "0", 0, 180, FIXED, "Rotation by up to so many degrees either way."),
    REAL(augment.affine, "0", 0, 180, FIXED,
         "Rotation of the affine map that follows augment.rotate, up to so many degrees either way."),
    REAL(augment.translate, "0", 0, 1, FIXED,
         "Shift by up to this share of the image's side, in whole pixels, in both directions."),
    REALS(augment.scale, "[1, 1]", 0.01, 100, FIXED, "Lowest and highest factor by which the image grows."),
    REALS(augment.shear, "[0, 0]", 0, 80, FIXED, "Shear by up to so many degrees either way, along x and along y."),
    REALS(augment.crop, "[1, 1]", 0.0001, 1, FIXED,
          "Lowest and highest share of the area that a random crop keeps; it is stretched to the whole image."),
    REALS(augment.crop_ratio, "[0.75, 1.3333333333333333]", 0.01, 100, FIXED,
          "Lowest and highest width / height of the random crop."),
    REALS(augment.color, "[0, 0, 0, 0]", 0, 10, FIXED,
          "Changes of brightness, contrast, saturation (factors within 1 - v to 1 + v) and hue (share of the circle)."),
    REAL(augment.erase, "0", 0, 1, FIXED, "Probability of an erased box."),
    REALS(augment.erase_scale, "[0.02, 0.33]", 0.0001, 1, FIXED,
          "Lowest and highest share of the area that is erased."),
    REALS(augment.erase_ratio, "[0.3, 3.3]", 0.01, 100, FIXED, "Lowest and highest height / width of the erased box."),
    CHOICE(augment.erase_fill, "zero", fills, FIXED, "What fills it: the mean colour, or normal random numbers."),
    REAL(augment.mixup, "0", 0, 100, FIXED,
         "Mixes each sample with another of its micro-batch, by a share from Beta(v, v); 0: off."),
    REAL(augment.cutmix, "0", 0, 100, FIXED,
         "Puts a box of another sample over each, of an area from Beta(v, v); with mixup, either by chance; 0: off."),

    WEIGHTS(loss.class_weights, "none", class_weights, 4096, 0, 1e9, FIXED,
            "Weights of the classes, as {N: 1, D: 2.5} for all of them; balanced: inverse to their frequency in the "
            "training split."),
    REAL_BELOW(loss.label_smoothing, "0", 0, 1, FIXED, "Share of the target that is spread over all classes."),
    REAL(loss.focal, "0", 0, 20, FIXED, "Gamma of the focal loss, which plays down samples that are easy; 0: none."),

    CHOICE(optimizer.name, "adamw", optimizers, FIXED, "How gradients move the weights."),
    REAL(optimizer.lr, "1e-3", 0, INFINITY, FIXED, "Learning rate before the schedule."),
    REAL(optimizer.weight_decay, "1e-2", 0, INFINITY, FIXED,
         "Weight decay: decoupled for adamw, added to the gradient otherwise."),
    REAL_BELOW(optimizer.beta1, "0.9", 0, 1, FIXED, "Decay of the gradient's mean (adamw, adam)."),
    REAL_BELOW(optimizer.beta2, "0.999", 0, 1, FIXED, "Decay of the squared gradient's mean (adamw, adam)."),
    REAL(optimizer.eps, "1e-8", 0, 1, FIXED, "Added to the denominator (adamw, adam)."),
    REAL(optimizer.momentum, "0.9", 0, 1, FIXED, "Momentum (sgd)."),
    BOOL(optimizer.nesterov, "false", FIXED, "Nesterov's form of the momentum (sgd)."),
    BOOL(optimizer.decay_norm_bias, "true", FIXED, "Whether biases and batch norms have weight decay, too."),
    REAL(optimizer.clip, "0", 0, INFINITY, FIXED, "Largest norm of the whole gradient; longer ones are cut; 0: off."),
    REAL(optimizer.backbone_lr, "1", 0, 1000, FIXED, "Factor of the learning rate for the image network."),

    CHOICE(schedule.name, "constant", schedules, FIXED,
           "How the learning rate goes over the training (one_cycle: momentum does not cycle with it)."),
    INT(schedule.step_size, "10", 1, INFINITY, FIXED, "Epochs between two cuts (step)."),
    REAL(schedule.gamma, "0.1", 0, 1, FIXED, "Factor of a cut (step, multi_step) or of each epoch (exponential)."),
    INTS(schedule.milestones, "[]", 32, 1, INFINITY, FIXED,
         "Epochs after which the learning rate is cut, rising (multi_step)."),
    INT(schedule.warmup, "0", 0, INFINITY, FIXED,
        "Epochs over which the learning rate rises, before any schedule but one_cycle; 0: none."),
    REAL(schedule.warmup_start, "0.1", 0, 1, FIXED, "Factor of the learning rate at the start of the warm-up."),
    REAL(schedule.min_lr, "0", 0, INFINITY, FIXED, "Lowest learning rate (cosine, plateau)."),
    REAL_BELOW(schedule.factor, "0.1", 0, 1, FIXED, "Factor of a cut (plateau)."),
    REAL(schedule.threshold, "1e-4", 0, INFINITY, FIXED,
         "Relative change of the monitored metric that counts as better (plateau)."),
    INT(schedule.patience, "10", 0, INFINITY, FIXED,
        "Epochs without improvement that are borne before a cut (plateau)."),
    INT(schedule.cooldown, "0", 0, INFINITY, FIXED, "Epochs after a cut in which none are counted (plateau)."),
    REAL(schedule.pct_start, "0.3", 0, 1, FIXED, "Share of the steps in which the learning rate rises (one_cycle)."),

    INT(train.epochs, "20", 1, 1000000, FREE,
        "Passes over the training split; more of them may be asked of a training that goes on."),
    CHOICE(train.precision, "f32", precisions, FIXED,
           "Arithmetic of the image network; weights and their updates are always f32."),
    UINT64(train.seed, "1", FIXED, "Seed of everything random: first weights, order, augmentation, dropout."),
    TEXT(train.monitor, "val/f1_macro", FIXED,
         "Metric that picks the best checkpoint, stops early and drives the plateau schedule."),
    CHOICE(train.mode, "auto", modes, FIXED,
           "Whether the monitored metric is better when smaller; auto: min for loss, log_loss and ece, otherwise max."),
    INT(train.patience, "0", 0, INFINITY, FREE, "Epochs without improvement that end the training; 0: never."),
    REAL(train.min_delta, "0", 0, INFINITY, FREE,
         "Change of the monitored metric that counts as improvement for train.patience."),
    INT(train.keep_last, "2", 2, 1000000, ASIDE,
        "Newest checkpoints that are kept; two at least, so that one is left when the newest turns out damaged."),
    INT(train.keep_best, "1", 0, 1000000, ASIDE, "Best checkpoints that are kept as well."),
    INT(train.checkpoint_epochs, "1", 1, 1000000, ASIDE, "A checkpoint every so many epochs, and one at the end."),
    INT(train.checkpoint_steps, "0", 0, INFINITY, ASIDE, "A checkpoint every so many steps as well; 0: off."),
    REAL(train.checkpoint_seconds, "600", 0, INFINITY, ASIDE,
         "A checkpoint as well when the last one is so many seconds old; 0: off."),
    REAL(train.time_limit, "0", 0, INFINITY, ASIDE,
         "Stop with a checkpoint before so many seconds have passed, as before the end of a Slurm job; 0: off."),
    REAL(train.time_margin, "15", 0, INFINITY, ASIDE,
         "Seconds to spare before the time limit, beside those of a step and a checkpoint."),
    REAL(train.heartbeat, "10", 0.05, 3600, ASIDE,
         "Seconds between two signs of life in the run directory; after three without one, another job may take over."),
    INT(train.journal_steps, "0", 0, INFINITY, ASIDE,
        "A line with loss and learning rate in the journal every so many steps as well; 0: off."),
    INT(train.stop_after_steps, "0", 0, INFINITY, ASIDE,
        "Stop with a checkpoint after so many steps, as a signal would; 0: off."),
    CHOICE(train.reduction, "ordered", reductions, FIXED,
           "How ranks add gradients: ordered gives the same bits at any number of ranks, library leaves it to MPI."),
    REAL_BELOW(train.ema, "0", 0, 1, FIXED,
               "Decay of a moving average of the weights, which is then what is evaluated; 0: off."),
    REAL(train.watchdog, "300", 0, INFINITY, ASIDE,
         "Seconds without progress after which a rank ends the job; 0: off."),

    INT(cpu.workers, "0", 0, 4096, ASIDE, "Workers of a rank; 0: one a core, at most one a micro-batch."),
    INT(cpu.threads, "1", 1, 1024, FIXED, "Threads of a worker; the weights' bits depend on it."),
    CHOICE(cpu.convolution, "auto", convolutions, FIXED,
           "Convolution algorithm: auto takes Winograd where it pays, direct rounds finer."),
    INT(cpu.eval_batch, "16", 1, 65536, FIXED, "Samples that are evaluated together."),

    CHOICE(device.name, "auto", devices, FREE,
           "Where to compute: auto takes a GPU where one can be used; both give the same within tolerances, not bits."),
    BOOL(device.share, "false", FREE, "Several ranks may compute on one GPU; otherwise that is refused as a mistake."),
    CHOICE(device.transport, "auto", transports, FREE,
           "What moves gradients between GPUs: mpi passes them through the host, auto takes NCCL where it is."),
    CHOICE(device.resident, "auto", residents, ASIDE,
           "Whether a GPU keeps the images of train and val or gets them with each batch; auto: if half its room will "
           "do."),

    CHOICE(cuda.plans, "rule", plans, FIXED,
           "Engines of convolutions on a GPU: the first good one that cuDNN names, or the fastest, measured once and "
           "kept in the run's plans.json."),
    PATH(cuda.plans_file, "\"\"", ASIDE,
         "File of measured engines to start from (measure); what a run adds to it, others need not measure."),
};

const cr_option_table cr_config_table = {options, sizeof options / sizeof *options};
