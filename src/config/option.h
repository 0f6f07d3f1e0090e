/* One row of an option table and what is done with it. The table of the training config is in options.c; everything
 * here works on any table and the struct that it describes. */
#ifndef CRISOL_OPTION_H
#define CRISOL_OPTION_H

#include "crisol/config.h"
#include "crisol/yaml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cr_option_type {
    CR_OPTION_INT,    /* int64_t */
    CR_OPTION_UINT64, /* uint64_t, any value */
    CR_OPTION_REAL,   /* double, finite */
    CR_OPTION_BOOL,   /* bool */
    CR_OPTION_TEXT,   /* char *, owned */
    CR_OPTION_PATH,   /* char *, owned: absolute or "" */
    CR_OPTION_CHOICE, /* int, index into `choices` */
    CR_OPTION_TEXTS,  /* cr_strings, owned */
    CR_OPTION_INTS,   /* cr_ints, owned */
    CR_OPTION_REALS,  /* double [n_items], in place: exactly so many numbers */
    CR_OPTION_WEIGHTS /* cr_weights, owned: one of `choices`, or a map of at most n_items numbers */
} cr_option_type;

typedef struct cr_option {
    const char *name; /* dotted: where it stands in the file */
    cr_option_type type;
    size_t offset;              /* of the member in the struct */
    const char *fallback;       /* default, as YAML */
    double lowest, highest;     /* INT, REAL and the items of INTS, REALS, WEIGHTS; infinite: no limit */
    bool below;                 /* REAL, REALS: `highest` itself is not allowed */
    int64_t n_items;            /* TEXTS, INTS, WEIGHTS: at most; REALS: exactly */
    const char *const *choices; /* CHOICE, WEIGHTS: ends with null */
    bool is_free;               /* may change between two runs of one training */
    bool is_aside;              /* has no part in what comes out of it, either */
    const char *meaning;        /* one sentence */
} cr_option;

typedef struct cr_option_table {
    const cr_option *options; /* those of one section stand together */
    int n;
} cr_option_table;

extern const cr_option_table cr_config_table;

enum {
    CR_OPTION_NAME_MAX = 64, /* bytes of a name with its final NUL */
    CR_OPTION_ITEM_MAX = 40  /* bytes of a number as text */
};

/* Values. `base` is the struct. Reading replaces the value, or leaves it when it fails; a relative path is taken from
 * `folder`, an absolute one. */
CR_NODISCARD cr_status cr_option_read(const cr_option *option, void *base, const cr_yaml *yaml,
                                      const cr_yaml_node *node, const char *folder);
CR_NODISCARD cr_status cr_option_set_default(const cr_option *option, void *base);
void cr_option_clear(const cr_option *option, void *base); /* frees what is owned */

/* option_weights.c: what is special about WEIGHTS. */
CR_NODISCARD cr_status cr_weights_read(const cr_option *option, cr_weights *member, const cr_yaml *yaml,
                                       const cr_yaml_node *node);
const cr_weights *cr_option_weights(const cr_option *option, const void *base); /* null unless they are LISTED */
void cr_weights_clear(cr_weights *member);
const char *cr_real_text(double value, char buffer[CR_OPTION_ITEM_MAX]); /* the shortest that gives it back */

bool cr_option_is_list(const cr_option *option);
int64_t cr_option_count(const cr_option *option, const void *base); /* items; 1 for what is no list */
/* Text of an item, in the option or in `buffer`; a number's text gives the same number back. */
const char *cr_option_item(const cr_option *option, const void *base, int64_t item, char buffer[CR_OPTION_ITEM_MAX]);
/* The whole value in one line, lists as [a, b]; malloc'ed. */
CR_NODISCARD cr_status cr_option_text(const cr_option *option, const void *base, char **text);
/* "integer from 1 to 8", "f32 | bf16": what is allowed; malloc'ed. */
CR_NODISCARD cr_status cr_option_allowed(const cr_option *option, char **text);

/* Tables. Applies a map of values, or what stands behind a dotted `name` ("" for the whole). */
CR_NODISCARD cr_status cr_options_apply(const cr_option_table *table, void *base, const cr_yaml *yaml,
                                        const cr_yaml_node *node, const char *name, const char *folder);
/* Whether `name` is an option or a section; *option is null for a section. */
bool cr_options_find(const cr_option_table *table, const char *name, const cr_option **option);
/* "; did you mean 'optimizer.lr'?" or what is known in its section, for a dotted name that cr_options_find() does not
 * know. */
void cr_options_suggest(const cr_option_table *table, const char *name, char *text, size_t bytes);
/* The struct as YAML; malloc'ed. */
CR_NODISCARD cr_status cr_options_dump(const cr_option_table *table, const void *base, char **text);
/* "name: value" lines of what has a part in the outcome, without paths; malloc'ed. */
CR_NODISCARD cr_status cr_options_identify(const cr_option_table *table, const void *base, char **text);
/* "name: a → b" lines of what differs and is not free, malloc'ed; null when nothing does. */
CR_NODISCARD cr_status cr_options_compare(const cr_option_table *table, const void *a, const void *b,
                                          char **difference);

#endif
