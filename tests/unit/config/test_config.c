#include "crisol/config.h"
#include "scratch_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static cr_config *make(void)
{
    cr_config *config = NULL;
    if (cr_config_create(&config) != CR_OK)
        fail_msg("%s", cr_error_message());
    return config;
}

static void set(cr_config *config, const char *assignment)
{
    if (cr_config_set(config, assignment) != CR_OK)
        fail_msg("%s", cr_error_message());
}

static void assert_message(const char *expected)
{
    assert_string_equal(cr_error_message(), expected);
}

static void refuses(const char *text, const char *message)
{
    cr_config *config = make();
    assert_int_equal(cr_config_parse(config, text, strlen(text), "f.yaml"), CR_BAD_CONFIG);
    assert_message(message);
    cr_config_destroy(&config);
}

static void defaults_are_the_designs(void **state)
{
    (void)state;
    cr_config *config = make();
    assert_int_equal(config->data.batch, 32);
    assert_int_equal(config->data.micro_batch, 8);
    assert_string_equal(config->data.pack, "");
    assert_int_equal(config->data.classes.n, 0);
    assert_int_equal(config->model.backbone, 0);
    assert_int_equal(config->model.inputs, 0);
    assert_int_equal(config->model.metadata.hidden.n, 1);
    assert_int_equal(config->model.metadata.hidden.items[0], 32);
    assert_int_equal(config->model.head.hidden.items[0], 256);
    assert_true(config->model.head.dropout == 0.5);
    assert_true(config->optimizer.lr == 1e-3 && config->optimizer.weight_decay == 1e-2);
    assert_true(config->optimizer.beta1 == 0.9 && config->optimizer.beta2 == 0.999 && config->optimizer.eps == 1e-8);
    assert_int_equal(config->train.epochs, 20);
    assert_true(config->train.seed == 1);
    assert_string_equal(config->train.monitor, "val/f1_macro");
    assert_true(config->train.watchdog == 300);
    assert_int_equal(config->cpu.eval_batch, 16);
    cr_config_destroy(&config);
    assert_null(config);
    cr_config_destroy(&config);
}

static void a_file_names_only_what_is_special(void **state)
{
    (void)state;
    static const char text[] =
        "data:      {pack: packs/odir5k, classes: [N, D, G, H, M], batch: 64}\n"
        "model:     {backbone: resnet18, weights: /w/resnet18.safetensors, inputs: metadata, # comment\n"
        "            metadata: {columns: [age, sex], hidden: []}, head: {hidden: [64, 16], dropout: 0}}\n"
        "augment:\n"
        "optimizer: {name: sgd, lr: 1e-5, nesterov: true}\n"
        "schedule:  {name: multi_step, milestones: [3, 5]}\n"
        "train:     {precision: bf16, seed: 18446744073709551615, mode: min}\n";
    const char *path = scratch_file("c.yaml", text, strlen(text));
    cr_config *config = make();
    if (cr_config_read(config, path) != CR_OK)
        fail_msg("%s", cr_error_message());
    assert_string_equal(config->data.pack, scratch_path("packs/odir5k")); /* beside the file */
    assert_string_equal(config->model.weights, "/w/resnet18.safetensors");
    assert_int_equal(config->data.classes.n, 5);
    assert_string_equal(config->data.classes.items[0], "N");
    assert_int_equal(config->data.batch, 64);
    assert_int_equal(config->data.micro_batch, 8);
    assert_int_equal(config->model.inputs, 2);
    assert_int_equal(config->model.metadata.hidden.n, 0);
    assert_int_equal(config->model.head.hidden.n, 2);
    assert_int_equal(config->model.head.hidden.items[1], 16);
    assert_int_equal(config->optimizer.name, 2);
    assert_true(config->optimizer.nesterov);
    assert_int_equal(config->schedule.name, 2);
    assert_int_equal(config->schedule.milestones.items[1], 5);
    assert_int_equal(config->train.precision, 1);
    assert_true(config->train.seed == UINT64_MAX);
    assert_int_equal(cr_config_check(config), CR_OK);
    cr_config_destroy(&config);
}

static void wrong_files_are_refused_at_their_place(void **state)
{
    (void)state;
    refuses("data:\n  bacth: 4\n", "f.yaml:2:3: unknown option 'data.bacth'; did you mean 'data.batch'?");
    refuses("optimiser: {lr: 1}\n", "f.yaml:1:1: unknown option 'optimiser'; did you mean 'optimizer'?");
    refuses("lr: 1\n", "f.yaml:1:1: unknown option 'lr'; did you mean 'optimizer.lr'?");
    refuses("model: {head: {hiden: [1]}}\n",
            "f.yaml:1:16: unknown option 'model.head.hiden'; did you mean 'model.head.hidden'?");
    refuses("train: {zzz: 1}\n", "f.yaml:1:9: unknown option 'train.zzz'; known in train are epochs, precision, seed, "
                                 "monitor, mode, patience, min_delta, keep_last, keep_best, checkpoint_epochs, "
                                 "checkpoint_steps, checkpoint_seconds, time_limit, time_margin, heartbeat, "
                                 "journal_steps, stop_after_steps, reduction, ema, watchdog");
    refuses("data.batch: 4\n", "f.yaml:1:1: unknown option 'data.batch'; sections are nested, without points in a key");
    refuses("data: 5\n", "f.yaml:1:7: 'data' must be a map, not '5'");
    refuses("- data\n", "f.yaml:1:1: the value must be a map, not a list");
    refuses("data:\n  batch: many\n", "f.yaml:2:10: 'data.batch' must be an integer from 1 to 1048576, not 'many'");
    refuses("data: {batch: 0}\n", "f.yaml:1:15: 'data.batch' must be an integer from 1 to 1048576, not '0'");
    refuses("data: {batch: }\n", "f.yaml:1:15: 'data.batch' must be an integer from 1 to 1048576, not empty");
    refuses("data: {classes: N}\n", "f.yaml:1:17: 'data.classes' must be a list, as in [a, b], not 'N'");
    refuses("data: {classes: [N, [D]]}\n",
            "f.yaml:1:21: 'data.classes[1]' must be a text (\"\" is an empty one), not a list");
    refuses("model: {head: {dropout: 1}}\n", "f.yaml:1:25: 'model.head.dropout' must be below 1, not '1'");
    refuses("model: {head: {dropout: -0.1}}\n",
            "f.yaml:1:25: 'model.head.dropout' must be a number from 0 to 1, not '-0.1'");
    refuses("model: {head: {hidden: [8, 0]}}\n",
            "f.yaml:1:28: 'model.head.hidden[1]' must be an integer from 1 to 65536, not '0'");
    refuses("model: {head: {hidden: [1,2,3,4,5,6,7,8,9]}}\n",
            "f.yaml:1:24: 'model.head.hidden' must have at most 8 items, not 9");
    refuses("model: {inputs: picture}\n", "f.yaml:1:17: 'model.inputs' must be both, image or metadata, not 'picture'");
    refuses("optimizer: {nesterov: yes}\n", "f.yaml:1:23: 'optimizer.nesterov' must be true or false, not 'yes'");
    refuses("model: {weights: ~}\n", "f.yaml:1:18: 'model.weights' must be a text (\"\" is an empty one), not empty");
    refuses("train: {seed: -1}\n",
            "f.yaml:1:15: 'train.seed' must be an integer from 0 to 18446744073709551615, not '-1'");
    refuses("\"data\\e[0m\": 1\n", "f.yaml:1:1: unknown option 'data?[0m'; known here are data, model, augment, loss, "
                                   "optimizer, schedule, train, cpu, device, cuda");
}

static void overrides_go_on_top(void **state)
{
    (void)state;
    cr_config *config = make();
    char here[4096], *wanted = NULL;
    set(config, "optimizer.lr=0.25");
    assert_true(config->optimizer.lr == 0.25);
    set(config, "optimizer.lr=0.5");
    assert_true(config->optimizer.lr == 0.5);
    set(config, "data.classes=[A, 'B=C']");
    assert_string_equal(config->data.classes.items[1], "B=C");
    set(config, "data.classes=[]");
    assert_int_equal(config->data.classes.n, 0);
    set(config, "model={inputs: image, head: {dropout: 0.25}}");
    assert_int_equal(config->model.inputs, 1);
    assert_true(config->model.head.dropout == 0.25);
    set(config, "data.pack=./packs/p"); /* from where the program was started */
    assert_non_null(getcwd(here, sizeof here));
    assert_true(asprintf(&wanted, "%s/packs/p", here) > 0);
    assert_string_equal(config->data.pack, wanted);
    free(wanted);
    set(config, "data.pack=");
    assert_string_equal(config->data.pack, "");
    assert_int_equal(cr_config_set(config, "optimizer.lr=fast"), CR_BAD_CONFIG);
    assert_message("--set optimizer.lr: the value must be a number of at least 0, not 'fast'");
    assert_true(config->optimizer.lr == 0.5); /* what fails changes nothing */
    assert_int_equal(cr_config_set(config, "optimiser.lr=1"), CR_BAD_CONFIG);
    assert_message("--set optimiser.lr: unknown option 'optimiser.lr'; did you mean 'optimizer.lr'?");
    assert_int_equal(cr_config_set(config, "data.batch.x=1"), CR_BAD_CONFIG);
    assert_message("--set data.batch.x: unknown option 'data.batch.x'; did you mean 'data.batch'?");
    assert_int_equal(cr_config_set(config, "optimizer.lr"), CR_USAGE);
    assert_int_equal(cr_config_set(config, "=1"), CR_USAGE);
    assert_int_equal(cr_config_set(config, "data.pack=[a"), CR_BAD_CONFIG);
    assert_int_equal(cr_config_set(config, "data.pack=*a"), CR_BAD_CONFIG);
    cr_config_destroy(&config);
}

/* A config that has no default left and texts that need every kind of quoting. */
static cr_config *make_peculiar(void)
{
    static const char classes[] =
        "data.classes=['', null_, 'null', 'yes', 'two words', 'é', '~', '- x', \"tab\\t\", \"line\\nbreak\", '''', "
        "'\"', '\\', \"\\u2028\", \"\\ufeff\", \"\\x85\", \"\\e\", ' lead', 'trail ', '1e3', '#', '%', '@', '[', "
        "'\U0001F600', 'a,b', '?', 'x: y']";
    static const char *const assignments[] = {
        "data.pack='/p/a: b #c'",
        classes,
        "optimizer.lr=0.1",
        "optimizer.weight_decay=0.30000000000000004",
        "optimizer.eps=5e-324",
        "schedule.threshold=1.7976931348623157e308",
        "schedule.min_lr=1e23",
        "train.seed=18446744073709551615",
        "train.stop_after_steps=9223372036854775807",
        "train.monitor=no",
        "train.precision=bf16",
        "optimizer.nesterov=true",
        "schedule.milestones=[1, 9223372036854775807]",
        "model.metadata.hidden=[]",
    };
    cr_config *config = make();
    for (size_t i = 0; i < sizeof assignments / sizeof *assignments; i++)
        set(config, assignments[i]);
    return config;
}

static void a_dump_means_the_same(void **state)
{
    (void)state;
    cr_config *config = make_peculiar(), *again = make();
    char *text = NULL, *second = NULL, *difference = NULL;
    assert_int_equal(cr_config_dump(config, &text), CR_OK);
    /* written elsewhere, read elsewhere */
    assert_int_equal(mkdir(scratch_path("run"), 0700), 0);
    if (cr_config_read(again, scratch_file("run/config.yaml", text, strlen(text))) != CR_OK)
        fail_msg("%s\n%s", cr_error_message(), text);
    assert_int_equal(cr_config_dump(again, &second), CR_OK);
    assert_string_equal(text, second);
    assert_int_equal(cr_config_compare(config, again, &difference), CR_OK);
    assert_null(difference);
    assert_string_equal(again->data.pack, "/p/a: b #c");
    assert_int_equal(again->data.classes.n, config->data.classes.n);
    for (int64_t i = 0; i < again->data.classes.n; i++)
        assert_string_equal(again->data.classes.items[i], config->data.classes.items[i]);
    assert_true(again->optimizer.weight_decay == 0.1 + 0.2);
    assert_true(again->optimizer.eps == 5e-324);
    assert_true(again->schedule.threshold == 1.7976931348623157e308);
    assert_true(again->train.stop_after_steps == INT64_MAX);
    assert_string_equal(again->train.monitor, "no");
    free(text);
    free(second);
    cr_config_destroy(&config);
    cr_config_destroy(&again);
}

static void relative_paths_survive_the_dump(void **state)
{
    (void)state;
    static const char text[] = "data: {pack: ../packs/p}\nmodel: {weights: ./w.safetensors}\n";
    cr_config *config = make(), *again = make();
    char *dump = NULL;
    assert_int_equal(mkdir(scratch_path("configs"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("run"), 0700), 0);
    const char *path = scratch_file("configs/c.yaml", text, strlen(text));
    assert_int_equal(cr_config_read(config, path), CR_OK);
    assert_string_equal(config->data.pack, scratch_path("configs/../packs/p"));
    assert_string_equal(config->model.weights, scratch_path("configs/w.safetensors"));
    assert_int_equal(cr_config_dump(config, &dump), CR_OK);
    path = scratch_file("run/config.yaml", dump, strlen(dump));
    assert_int_equal(cr_config_read(again, path), CR_OK);
    assert_string_equal(again->data.pack, config->data.pack);
    assert_string_equal(again->model.weights, config->model.weights);
    free(dump);
    cr_config_destroy(&config);
    cr_config_destroy(&again);
    /* a file that is itself named relative to the current folder */
    char former[4096];
    config = make();
    assert_non_null(getcwd(former, sizeof former));
    assert_int_equal(chdir(scratch_folder()), 0);
    cr_status status = cr_config_read(config, "configs/c.yaml");
    assert_int_equal(chdir(former), 0);
    assert_int_equal(status, CR_OK);
    assert_int_equal(config->data.pack[0], '/');
    assert_string_equal(strstr(config->data.pack, "/configs/"), "/configs/../packs/p");
    cr_config_destroy(&config);
}

static void differences_are_named(void **state)
{
    (void)state;
    cr_config *a = make(), *b = make();
    char *difference = NULL;
    set(b, "train.epochs=99"); /* free to change */
    set(b, "data.pack=/elsewhere");
    assert_int_equal(cr_config_compare(a, b, &difference), CR_OK);
    assert_null(difference);
    set(b, "optimizer.lr=0.01");
    set(b, "data.classes=[A, B]");
    set(b, "model.inputs=image");
    assert_int_equal(cr_config_compare(a, b, &difference), CR_OK);
    assert_string_equal(difference, "data.classes: [] → [A, B]\n"
                                    "model.inputs: both → image\n"
                                    "optimizer.lr: 0.001 → 0.01\n");
    free(difference);
    cr_config_destroy(&a);
    cr_config_destroy(&b);
}

static void options_are_checked_together(void **state)
{
    (void)state;
    static const struct {
        const char *assignment, *message;
    } cases[] = {
        {"data.micro_batch=5", "data.micro_batch: 5 does not divide data.batch, which is 32"},
        {"data.classes=[A]", "data.classes: name at least two classes, or none for all of the pack"},
        {"data.classes=[A, B, A]", "data.classes: 'A' stands twice"},
        {"model.metadata.columns=[a, a]", "model.metadata.columns: 'a' stands twice"},
        {"optimizer={momentum: 0, nesterov: true}", "optimizer.nesterov: needs optimizer.momentum above 0"},
        {"schedule.milestones=[3, 3]", "schedule.milestones: must rise, but 3 follows 3"},
        {"train.monitor=", "train.monitor: name a metric, for instance val/f1_macro"},
        {"data.pack=", "data.pack: name the folder of a pack, in the config or with --set data.pack=DIR"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_config *config = make();
        set(config, "data.pack=/p");
        assert_int_equal(cr_config_check(config), CR_OK);
        set(config, cases[i].assignment);
        assert_int_equal(cr_config_check(config), CR_BAD_CONFIG);
        assert_message(cases[i].message);
        cr_config_destroy(&config);
    }
}

static void help_names_every_option(void **state)
{
    (void)state;
    char *help = NULL, *dump = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&help, &bytes);
    assert_non_null(stream);
    cr_config_print_options(stream);
    assert_int_equal(fclose(stream), 0);
    assert_non_null(strstr(help, "  data.batch: 32\n      Samples of a global batch"));
    assert_non_null(strstr(help, "      integer from 1 to 1048576\n"));
    assert_non_null(strstr(help, "      both | image | metadata\n"));
    assert_non_null(strstr(help, "  model.head.dropout: 0.5\n"));
    assert_non_null(strstr(help, "      number from 0 to below 1\n"));
    assert_non_null(strstr(help, "may differ when a training goes on"));
    cr_config *config = make();
    assert_int_equal(cr_config_dump(config, &dump), CR_OK);
    assert_non_null(strstr(dump, "\n  eval_batch: 16\n")); /* the table's last line */
    free(help);
    free(dump);
    cr_config_destroy(&config);
}

static void unreadable_files_keep_their_code(void **state)
{
    (void)state;
    cr_config *config = make();
    assert_int_equal(cr_config_read(config, scratch_path("absent.yaml")), CR_MISSING);
    assert_int_equal(cr_config_read(config, scratch_folder()), CR_IO);
    const char *path = scratch_file("c.yaml", "data: {batch: 3, batch: 4}", 26);
    assert_int_equal(cr_config_read(config, path), CR_BAD_CONFIG);
    assert_non_null(strstr(cr_error_message(), "c.yaml:1:18: key 'batch' stands twice"));
    cr_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_designs),
        cmocka_unit_test_setup_teardown(a_file_names_only_what_is_special, scratch_setup, scratch_teardown),
        cmocka_unit_test(wrong_files_are_refused_at_their_place),
        cmocka_unit_test(overrides_go_on_top),
        cmocka_unit_test_setup_teardown(a_dump_means_the_same, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(relative_paths_survive_the_dump, scratch_setup, scratch_teardown),
        cmocka_unit_test(differences_are_named),
        cmocka_unit_test(options_are_checked_together),
        cmocka_unit_test(help_names_every_option),
        cmocka_unit_test_setup_teardown(unreadable_files_keep_their_code, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
