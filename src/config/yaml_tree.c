/* Builds the tree from libyaml's events. Events, not libyaml's documents: those resolve aliases, and a refusal must
 * come before anything is built from what is refused. */
#include "yaml_tree.h"

#include "crisol/atomic_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* A node as its builder sees it; `seen` is first, so that a pointer to it is a pointer to the node. */
typedef struct node {
    cr_yaml_node seen;
    const cr_yaml_node **children;
    int64_t room; /* of children */
    char *own_key, *own_text;
} node;

struct cr_yaml {
    char *name;
    bool has_positions;
    node *root;
};

typedef struct builder {
    cr_yaml *yaml;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; deleted by the next */
    const char *text;
    size_t bytes;
} builder;

static void destroy_node(node *dead)
{
    if (!dead)
        return;
    for (int64_t i = 0; i < dead->seen.n; i++)
        destroy_node((node *)dead->children[i]); /* at most CR_YAML_MAX_DEPTH deep */
    free(dead->children);
    free(dead->own_key);
    free(dead->own_text);
    free(dead);
}

void cr_yaml_destroy(cr_yaml **yaml)
{
    if (!yaml || !*yaml)
        return;
    destroy_node((*yaml)->root);
    free((*yaml)->name);
    free(*yaml);
    *yaml = NULL;
}

const cr_yaml_node *cr_yaml_root(const cr_yaml *yaml)
{
    return &yaml->root->seen;
}

static cr_status fail_at_list(const cr_yaml *yaml, int line, int column, const char *format, va_list arguments)
{
    char text[CR_ERROR_MAX];
    vsnprintf(text, sizeof text, format, arguments);
    if (!yaml->has_positions)
        return cr_fail(CR_BAD_CONFIG, "%s: %s", yaml->name, text);
    return cr_fail(CR_BAD_CONFIG, "%s:%d:%d: %s", yaml->name, line, column, text);
}

cr_status cr_yaml_fail_at(const cr_yaml *yaml, int line, int column, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    cr_status status = fail_at_list(yaml, line, column, format, arguments);
    va_end(arguments);
    return status;
}

cr_status cr_yaml_fail(const cr_yaml *yaml, const cr_yaml_node *at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    cr_status status = fail_at_list(yaml, at->line, at->column, format, arguments);
    va_end(arguments);
    return status;
}

cr_status cr_yaml_fail_key(const cr_yaml *yaml, const cr_yaml_node *at, const char *format, ...)
{
    bool has_key = at->key != NULL;
    va_list arguments;
    va_start(arguments, format);
    cr_status status =
        fail_at_list(yaml, has_key ? at->key_line : at->line, has_key ? at->key_column : at->column, format, arguments);
    va_end(arguments);
    return status;
}

static int line_of(const yaml_mark_t *mark)
{
    return (int)mark->line + 1;
}

static int column_of(const yaml_mark_t *mark)
{
    return (int)mark->column + 1;
}

/* The reader's errors carry a byte offset only. */
static cr_status fail_unreadable(const builder *b)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < b->parser.problem_offset && i < b->bytes; i++) {
        unsigned char byte = (unsigned char)b->text[i];
        column = byte == '\n' ? 1 : column + ((byte & 0xC0) != 0x80);
        line += byte == '\n';
    }
    return cr_yaml_fail_at(b->yaml, line, column, "not UTF-8 text: %s (0x%02X)", b->parser.problem,
                           (unsigned)b->parser.problem_value);
}

static cr_status fail_syntax(const builder *b)
{
    const yaml_parser_t *parser = &b->parser;
    const char *problem = parser->problem ? parser->problem : "cannot be parsed";
    if (parser->error == YAML_MEMORY_ERROR)
        return cr_fail(CR_INTERNAL, "%s: out of memory", b->yaml->name);
    if (parser->error == YAML_READER_ERROR)
        return fail_unreadable(b);
    int line = line_of(&parser->problem_mark), column = column_of(&parser->problem_mark);
    if (!parser->context)
        return cr_yaml_fail_at(b->yaml, line, column, "not valid YAML: %s", problem);
    return cr_yaml_fail_at(b->yaml, line, column, "not valid YAML: %s, %s that starts in line %d", problem,
                           parser->context, line_of(&parser->context_mark));
}

static cr_status fail_at_event(const builder *b, const char *what)
{
    return cr_yaml_fail_at(b->yaml, line_of(&b->event.start_mark), column_of(&b->event.start_mark), "%s", what);
}

/* Moves to the next event and refuses those that no file of ours needs. */
static cr_status advance(builder *b)
{
    yaml_event_delete(&b->event);
    if (!yaml_parser_parse(&b->parser, &b->event))
        return fail_syntax(b);
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (b->event.type) {
    case YAML_ALIAS_EVENT:
        return fail_at_event(b, "aliases (*name) are not allowed; write the value out");
    case YAML_DOCUMENT_START_EVENT:
        if (b->event.data.document_start.tag_directives.start != b->event.data.document_start.tag_directives.end)
            return fail_at_event(b, "tags (%TAG) are not allowed");
        break;
    case YAML_SCALAR_EVENT:
        anchor = b->event.data.scalar.anchor;
        tag = b->event.data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = b->event.data.sequence_start.anchor;
        tag = b->event.data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = b->event.data.mapping_start.anchor;
        tag = b->event.data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor)
        return fail_at_event(b, "anchors (&name) are not allowed");
    if (tag)
        return fail_at_event(b, "tags (!name) are not allowed; put a text in quotes");
    return CR_OK;
}

/* A copy of the current scalar. */
static cr_status copy_scalar(const builder *b, char **text)
{
    const char *value = (const char *)b->event.data.scalar.value;
    size_t length = b->event.data.scalar.length;
    if (memchr(value, 0, length))
        return fail_at_event(b, "a text may not hold a NUL character");
    *text = strndup(value, length);
    return *text ? CR_OK : cr_fail_memory("a text", length);
}

static cr_status build_node(builder *b, node *parent, int depth, node **built);

/* Makes room for one more child, so that adding a finished one cannot fail. */
static cr_status reserve_child(node *parent)
{
    if (parent->seen.n < parent->room)
        return CR_OK;
    int64_t room = parent->room ? 2 * parent->room : 8;
    const cr_yaml_node **grown = realloc(parent->children, (size_t)room * sizeof *grown);
    if (!grown)
        return cr_fail_memory("a YAML list", (size_t)room * sizeof *grown);
    parent->children = grown;
    parent->seen.items = grown;
    parent->room = room;
    return CR_OK;
}

/* Builds the value at the current event and appends it. Takes over `key` (null in a sequence) whether it succeeds or
 * not. */
static cr_status append_child(builder *b, node *parent, int depth, char *key, int key_line, int key_column)
{
    node *child = NULL;
    cr_status status;
    CR_TRY(reserve_child(parent));
    CR_TRY(build_node(b, parent, depth + 1, &child));
    child->own_key = key;
    child->seen.key = key;
    child->seen.key_line = key_line;
    child->seen.key_column = key_column;
    child->seen.index = parent->seen.n;
    parent->children[parent->seen.n++] = &child->seen;
    key = NULL;
done:
    free(key);
    return status;
}

static cr_status build_sequence(builder *b, node *sequence, int depth)
{
    cr_status status;
    for (;;) {
        CR_TRY(advance(b));
        if (b->event.type == YAML_SEQUENCE_END_EVENT)
            return CR_OK;
        CR_TRY(append_child(b, sequence, depth, NULL, 0, 0));
    }
done:
    return status;
}

static cr_status check_key(const builder *b, const node *map, const char *key)
{
    char shown[CR_YAML_SHOWN];
    int line = line_of(&b->event.start_mark), column = column_of(&b->event.start_mark);
    if (!*key)
        return cr_yaml_fail_at(b->yaml, line, column, "a key may not be empty");
    const cr_yaml_node *former = cr_yaml_find(&map->seen, key);
    if (former)
        return cr_yaml_fail_at(b->yaml, line, column, "key '%s' stands twice, first in line %d",
                               cr_yaml_show(key, shown), former->key_line);
    if (map->seen.n >= CR_YAML_MAX_KEYS)
        return cr_yaml_fail_at(b->yaml, line, column, "more than %d keys in one map", CR_YAML_MAX_KEYS);
    return CR_OK;
}

static cr_status build_map(builder *b, node *map, int depth)
{
    cr_status status;
    char *key = NULL;
    for (;;) {
        CR_TRY(advance(b));
        if (b->event.type == YAML_MAPPING_END_EVENT)
            return CR_OK;
        if (b->event.type != YAML_SCALAR_EVENT)
            CR_TRY(fail_at_event(b, "a key must be one word or text, not a list or a map"));
        CR_TRY(copy_scalar(b, &key));
        CR_TRY(check_key(b, map, key));
        int line = line_of(&b->event.start_mark), column = column_of(&b->event.start_mark);
        CR_TRY(advance(b));
        char *given = key;
        key = NULL;
        CR_TRY(append_child(b, map, depth, given, line, column));
    }
done:
    free(key);
    return status;
}

/* Builds the node that starts at the current event. */
static cr_status build_node(builder *b, node *parent, int depth, node **built)
{
    cr_status status;
    *built = NULL;
    if (depth > CR_YAML_MAX_DEPTH)
        return cr_yaml_fail_at(b->yaml, line_of(&b->event.start_mark), column_of(&b->event.start_mark),
                               "nested deeper than %d", CR_YAML_MAX_DEPTH);
    node *made = calloc(1, sizeof *made);
    if (!made)
        return cr_fail_memory("a YAML node", sizeof *made);
    made->seen.parent = parent ? &parent->seen : NULL;
    made->seen.line = line_of(&b->event.start_mark);
    made->seen.column = column_of(&b->event.start_mark);
    if (b->event.type == YAML_SCALAR_EVENT) {
        made->seen.quoted = b->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        CR_TRY(copy_scalar(b, &made->own_text));
        made->seen.text = made->own_text;
    } else if (b->event.type == YAML_SEQUENCE_START_EVENT) {
        made->seen.kind = CR_YAML_SEQUENCE;
        CR_TRY(build_sequence(b, made, depth));
    } else {
        made->seen.kind = CR_YAML_MAP;
        CR_TRY(build_map(b, made, depth));
    }
    *built = made;
    return CR_OK;
done:
    destroy_node(made);
    return status;
}

/* An empty file: an empty map. */
static cr_status build_empty(builder *b)
{
    node *made = calloc(1, sizeof *made);
    if (!made)
        return cr_fail_memory("a YAML node", sizeof *made);
    made->seen = (cr_yaml_node){.kind = CR_YAML_MAP, .line = 1, .column = 1};
    b->yaml->root = made;
    return CR_OK;
}

static cr_status build_stream(builder *b)
{
    cr_status status;
    CR_TRY(advance(b)); /* stream start */
    CR_TRY(advance(b));
    if (b->event.type == YAML_STREAM_END_EVENT)
        return build_empty(b);
    CR_TRY(advance(b)); /* past the document's start */
    CR_TRY(build_node(b, NULL, 1, &b->yaml->root));
    CR_TRY(advance(b)); /* document end */
    CR_TRY(advance(b));
    if (b->event.type != YAML_STREAM_END_EVENT)
        CR_TRY(fail_at_event(b, "a second document starts here; only one is allowed"));
done:
    return status;
}

static cr_status parse_named(const char *text, size_t bytes, const char *name, bool has_positions, cr_yaml **yaml)
{
    cr_status status;
    builder b = {.text = text, .bytes = bytes};
    bool has_parser = false;
    *yaml = NULL;
    if (bytes > CR_YAML_MAX_BYTES)
        return cr_fail(CR_BAD_CONFIG, "%s: %zu bytes, at most %d are allowed", name, bytes, CR_YAML_MAX_BYTES);
    b.yaml = calloc(1, sizeof *b.yaml);
    if (!b.yaml)
        return cr_fail_memory("a YAML document", sizeof *b.yaml);
    b.yaml->has_positions = has_positions;
    b.yaml->name = strdup(name);
    if (!b.yaml->name)
        CR_TRY(cr_fail_memory("a file name", strlen(name)));
    has_parser = yaml_parser_initialize(&b.parser);
    if (!has_parser)
        CR_TRY(cr_fail(CR_INTERNAL, "%s: out of memory", name));
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING); /* otherwise libyaml would take UTF-16, too */
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, bytes);
    CR_TRY(build_stream(&b));
    *yaml = b.yaml;
    b.yaml = NULL;
done:
    if (has_parser) {
        yaml_event_delete(&b.event);
        yaml_parser_delete(&b.parser);
    }
    cr_yaml_destroy(&b.yaml);
    return status;
}

cr_status cr_yaml_parse(const char *text, size_t bytes, const char *name, cr_yaml **yaml)
{
    return parse_named(text, bytes, name, true, yaml);
}

cr_status cr_yaml_parse_value(const char *text, const char *name, cr_yaml **yaml)
{
    return parse_named(text, strlen(text), name, false, yaml);
}

cr_status cr_yaml_read(const char *path, cr_yaml **yaml)
{
    char *text = NULL;
    size_t bytes = 0;
    *yaml = NULL;
    cr_status status = cr_read_file(path, CR_YAML_MAX_BYTES, &text, &bytes);
    if (status == CR_BAD_DATA) /* too large: here that is a wrong config, not damaged data */
        status = CR_BAD_CONFIG;
    if (status == CR_OK)
        status = cr_yaml_parse(text, bytes, path, yaml);
    free(text);
    return status;
}
