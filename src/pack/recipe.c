#include "recipe.h"

#include "crisol/atomic_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SHARD_SAMPLES = 1000000
};

static const char *const split_keys[CR_N_SPLITS + 1] = {"train", "val", "test", NULL};

void cr_recipe_destroy(cr_recipe **recipe)
{
    if (recipe == NULL || *recipe == NULL)
        return;
    cr_recipe *r = *recipe;
    for (int64_t i = 0; i < r->n_columns; i++)
        free(r->columns[i].placeholders);
    free(r->columns);
    free(r->filters);
    cr_formula_destroy(&r->label.formula);
    cr_yaml_destroy(&r->yaml);
    free(r->text);
    free(r->table);
    free(r->image_root);
    free(r);
    *recipe = NULL;
}

cr_status cr_recipe_read_source(const cr_recipe *recipe, const cr_yaml_node *node, cr_recipe_source *source)
{
    cr_status status = CR_OK;
    CR_TRY(cr_yaml_get_string(recipe->yaml, node, &source->name));
    source->node = node;
    source->at_key = false;
    if (source->name[0] == '\0')
        status = cr_yaml_fail(recipe->yaml, node, "a column of the table has a name; this one is empty");
done:
    return status;
}

cr_status cr_recipe_check_words(const cr_recipe *recipe, const cr_yaml_node *node, int64_t at_least)
{
    cr_status status = CR_OK;
    CR_TRY(cr_yaml_expect(recipe->yaml, node, CR_YAML_SEQUENCE));
    if (node->n < at_least)
        return cr_yaml_fail(recipe->yaml, node, "at least %lld words are needed here", (long long)at_least);
    if (node->n > CR_PACK_MAX_COLUMNS)
        return cr_yaml_fail(recipe->yaml, node, "at most %d words may stand here", (int)CR_PACK_MAX_COLUMNS);
    for (int64_t i = 0; i < node->n; i++) {
        const char *word;
        CR_TRY(cr_yaml_get_string(recipe->yaml, node->items[i], &word));
        for (int64_t j = 0; j < i; j++)
            if (strcmp(node->items[j]->text, word) == 0)
                return cr_yaml_fail(recipe->yaml, node->items[i], "\"%s\" stands here twice", word);
    }
done:
    return status;
}

bool cr_is_one_of(const cr_yaml_node *nodes, const char *cell)
{
    if (nodes->kind == CR_YAML_SCALAR)
        return strcmp(nodes->text, cell) == 0;
    for (int64_t i = 0; i < nodes->n; i++)
        if (strcmp(nodes->items[i]->text, cell) == 0)
            return true;
    return false;
}

/* `name` under `folder`, unless it is absolute or `folder` is null. */
static cr_status resolve(const char *folder, const char *name, char **path)
{
    *path = folder == NULL || name[0] == '/' ? strdup(name) : cr_path_join(folder, name);
    return *path == NULL ? cr_fail_memory("a path", strlen(name)) : CR_OK;
}

/* The folder that paths start from: `root`, or the recipe's key `root` beside the recipe. */
static cr_status find_root(const cr_recipe *recipe, const char *path, const char *root, char **folder)
{
    cr_status status = CR_OK;
    char *beside = NULL;
    const cr_yaml_node *node = cr_yaml_find(cr_yaml_root(recipe->yaml), "root");
    const char *name = ".";
    if (node != NULL)
        CR_TRY(cr_yaml_get_string(recipe->yaml, node, &name));
    if (root != NULL) {
        status = resolve(NULL, root, folder);
        goto done;
    }
    beside = cr_path_parent(path);
    if (beside == NULL) {
        status = cr_fail_memory("a path", strlen(path));
        goto done;
    }
    status = strcmp(name, ".") == 0 ? resolve(NULL, beside, folder) : resolve(beside, name, folder);
done:
    free(beside);
    return status;
}

static cr_status read_choice(const cr_recipe *recipe, const cr_yaml_node *map, const char *key,
                             const char *const *choices, int *choice)
{
    const cr_yaml_node *node = cr_yaml_find(map, key);
    return node == NULL ? CR_OK : cr_yaml_get_choice(recipe->yaml, node, choices, choice);
}

/* image: "template", or a map. */
static cr_status read_image(cr_recipe *recipe, const cr_yaml_node *node, const char *root)
{
    static const char *const keys[] = {"path",   "column", "prefix",     "suffix", "root",
                                       "resize", "exif",   "on_missing", NULL};
    static const char *const resizes[] = {"crop", "squash", NULL}, *const exifs[] = {"ignore", "apply", NULL},
                             *const missings[] = {"reject", "fail", NULL};
    cr_status status = CR_OK;
    const char *folder = ".", *template;
    int resize = CR_RESIZE_CROP, exif = 1, missing = 0;
    if (node->kind == CR_YAML_SCALAR) {
        CR_TRY(cr_yaml_get_string(recipe->yaml, node, &template));
        recipe->image_template = node;
    } else {
        CR_TRY(cr_yaml_check_keys(recipe->yaml, node, keys));
        const cr_yaml_node *path = cr_yaml_find(node, "path"), *column = cr_yaml_find(node, "column"),
                           *prefix = cr_yaml_find(node, "prefix"), *suffix = cr_yaml_find(node, "suffix"),
                           *below = cr_yaml_find(node, "root");
        if ((path == NULL) == (column == NULL))
            return cr_yaml_fail(recipe->yaml, node, "an image needs either `path` (a template) or `column`");
        if (path != NULL && (prefix != NULL || suffix != NULL))
            return cr_yaml_fail_key(recipe->yaml, prefix != NULL ? prefix : suffix,
                                    "`prefix` and `suffix` go with `column`; write them into `path`");
        if (path != NULL)
            CR_TRY(cr_yaml_get_string(recipe->yaml, path, &template));
        else
            CR_TRY(cr_recipe_read_source(recipe, column, &recipe->image));
        recipe->image_template = path;
        if (prefix != NULL)
            CR_TRY(cr_yaml_get_string(recipe->yaml, prefix, &recipe->prefix));
        if (suffix != NULL)
            CR_TRY(cr_yaml_get_string(recipe->yaml, suffix, &recipe->suffix));
        if (below != NULL)
            CR_TRY(cr_yaml_get_string(recipe->yaml, below, &folder));
        CR_TRY(read_choice(recipe, node, "resize", resizes, &resize));
        CR_TRY(read_choice(recipe, node, "exif", exifs, &exif));
        CR_TRY(read_choice(recipe, node, "on_missing", missings, &missing));
    }
    recipe->resize = (cr_resize)resize;
    recipe->apply_exif = exif == 1;
    recipe->missing_fails = missing == 1;
    status = strcmp(folder, ".") == 0 ? resolve(NULL, root, &recipe->image_root)
                                      : resolve(root, folder, &recipe->image_root);
done:
    return status;
}

static cr_status read_fractions(cr_recipe *recipe, const cr_yaml_node *map)
{
    cr_status status = CR_OK;
    double sum = 0;
    for (int s = 0; s < CR_N_SPLITS; s++) {
        const cr_yaml_node *node = cr_yaml_find(map, split_keys[s]);
        recipe->split.fractions[s] = 0;
        if (node != NULL)
            CR_TRY(cr_yaml_get_real(recipe->yaml, node, 0, 1, &recipe->split.fractions[s]));
        sum += recipe->split.fractions[s];
    }
    if (fabs(sum - 1) > 1e-6)
        status = cr_yaml_fail(recipe->yaml, map, "the fractions of train, val and test sum to %.6g; they must sum to 1",
                              sum);
    else if (recipe->split.fractions[CR_SPLIT_TRAIN] <= 0)
        status = cr_yaml_fail(recipe->yaml, map, "the training split needs a fraction above 0");
done:
    return status;
}

/* A word's rows belong to one split. */
static cr_status check_split_words(const cr_recipe *recipe, int split)
{
    const cr_yaml_node *node = recipe->split.words[split];
    bool is_list = node != NULL && node->kind == CR_YAML_SEQUENCE;
    for (int64_t i = 0; node != NULL && i < (is_list ? node->n : 1); i++) {
        const cr_yaml_node *word = is_list ? node->items[i] : node;
        for (int s = 0; s < split; s++)
            if (recipe->split.words[s] != NULL && cr_is_one_of(recipe->split.words[s], word->text))
                return cr_yaml_fail(recipe->yaml, word, "\"%s\" stands for %s already", word->text, split_keys[s]);
    }
    return CR_OK;
}

/* split: fractions, or a column with the words that stand for each split. */
static cr_status read_split(cr_recipe *recipe, const cr_yaml_node *map)
{
    static const char *const keys[] = {"column", "train", "val", "test", NULL};
    cr_status status = CR_OK;
    CR_TRY(cr_yaml_check_keys(recipe->yaml, map, keys));
    const cr_yaml_node *column = cr_yaml_find(map, "column");
    if (column == NULL) {
        if (map->n > 0)
            CR_TRY(read_fractions(recipe, map));
        goto done;
    }
    CR_TRY(cr_recipe_read_source(recipe, column, &recipe->split.source));
    for (int s = 0; s < CR_N_SPLITS; s++) {
        const cr_yaml_node *node = cr_yaml_find(map, split_keys[s]);
        const char *word;
        recipe->split.words[s] = node;
        if (node != NULL && node->kind == CR_YAML_SCALAR)
            CR_TRY(cr_yaml_get_string(recipe->yaml, node, &word));
        else if (node != NULL)
            CR_TRY(cr_recipe_check_words(recipe, node, 1));
        CR_TRY(check_split_words(recipe, s));
    }
    if (recipe->split.words[CR_SPLIT_TRAIN] == NULL)
        status = cr_yaml_fail(recipe->yaml, map, "`train` must say which word of the split column means training");
done:
    return status;
}

static cr_status read_numbers(cr_recipe *recipe, const cr_yaml_node *root)
{
    cr_status status = CR_OK;
    const cr_yaml_node *node;
    if ((node = cr_yaml_find(root, "shard_samples")) != NULL)
        CR_TRY(cr_yaml_get_int(recipe->yaml, node, 1, MAX_SHARD_SAMPLES, &recipe->shard_samples));
    if ((node = cr_yaml_find(root, "max_rejects")) != NULL)
        CR_TRY(cr_yaml_get_real(recipe->yaml, node, 0, 1, &recipe->max_rejects));
    if ((node = cr_yaml_find(root, "seed")) != NULL)
        CR_TRY(cr_yaml_get_uint64(recipe->yaml, node, &recipe->seed));
done:
    return status;
}

static cr_status read_document(cr_recipe *recipe, const char *path, const char *root)
{
    static const char *const keys[] = {"root",   "table", "image",         "id",          "group", "columns", "label",
                                       "filter", "split", "shard_samples", "max_rejects", "seed",  NULL};
    cr_status status = CR_OK;
    char *folder = NULL;
    const cr_yaml_node *top = cr_yaml_root(recipe->yaml), *node;
    const char *name;
    CR_TRY(cr_yaml_check_keys(recipe->yaml, top, keys));
    CR_TRY(find_root(recipe, path, root, &folder));
    CR_TRY(cr_yaml_need(recipe->yaml, top, "table", &node));
    CR_TRY(cr_yaml_get_string(recipe->yaml, node, &name));
    CR_TRY(resolve(folder, name, &recipe->table));
    CR_TRY(cr_yaml_need(recipe->yaml, top, "image", &node));
    CR_TRY(read_image(recipe, node, folder));
    if ((recipe->id = cr_yaml_find(top, "id")) != NULL)
        CR_TRY(cr_yaml_get_string(recipe->yaml, recipe->id, &name));
    if ((node = cr_yaml_find(top, "group")) != NULL)
        CR_TRY(cr_recipe_read_source(recipe, node, &recipe->group));
    if ((node = cr_yaml_find(top, "columns")) != NULL)
        CR_TRY(cr_recipe_read_columns(recipe, node));
    CR_TRY(cr_yaml_need(recipe->yaml, top, "label", &node));
    CR_TRY(cr_recipe_read_label(recipe, node));
    if ((node = cr_yaml_find(top, "filter")) != NULL)
        CR_TRY(cr_recipe_read_filters(recipe, node));
    if ((node = cr_yaml_find(top, "split")) != NULL)
        CR_TRY(read_split(recipe, node));
    CR_TRY(read_numbers(recipe, top));
done:
    free(folder);
    return status;
}

cr_status cr_recipe_read(const char *path, const char *root, cr_recipe **recipe)
{
    cr_status status = CR_OK;
    size_t bytes;
    cr_recipe *made = calloc(1, sizeof *made);
    if (made == NULL)
        return cr_fail_memory("a recipe", sizeof *made);
    made->prefix = made->suffix = "";
    made->shard_samples = 2048;
    made->max_rejects = 0.05;
    made->seed = 1;
    made->split.fractions[CR_SPLIT_TRAIN] = 0.64;
    made->split.fractions[CR_SPLIT_VAL] = 0.16;
    made->split.fractions[CR_SPLIT_TEST] = 0.20;
    status = cr_read_file(path, CR_YAML_MAX_BYTES, &made->text, &bytes);
    if (status == CR_BAD_DATA) /* larger than any recipe */
        status = CR_BAD_CONFIG;
    CR_TRY(status);
    CR_TRY(cr_yaml_parse(made->text, bytes, path, &made->yaml));
    CR_TRY(read_document(made, path, root));
    *recipe = made;
    made = NULL;
done:
    cr_recipe_destroy(&made);
    return status;
}
