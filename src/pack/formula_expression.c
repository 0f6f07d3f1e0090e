#include "formula_expression.h"

#include "number_cell.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef enum operation {
    PUSH_NUMBER,
    PUSH_NAME,
    NEGATE,
    ADD,
    SUBTRACT,
    MULTIPLY,
    DIVIDE
} operation;

typedef struct instruction {
    operation kind;
    int64_t name;
    double number;
} instruction;

enum {
    MAX_STACK = 3 * CR_FORMULA_MAX_DEPTH + 3 /* a level waits with at most a sum and a product, and adds one operand */
};

struct cr_formula {
    instruction *code; /* postfix; an instruction takes at least one byte of text */
    int64_t n_code;
    char **names;
    int64_t n_names;
};

typedef struct parser {
    cr_formula *formula;
    const char *text;
    const char *at;
    int depth;
} parser;

void cr_formula_destroy(cr_formula **formula)
{
    if (formula == NULL || *formula == NULL)
        return;
    for (int64_t i = 0; i < (*formula)->n_names; i++)
        free((*formula)->names[i]);
    free((*formula)->names);
    free((*formula)->code);
    free(*formula);
    *formula = NULL;
}

int64_t cr_formula_n_names(const cr_formula *formula)
{
    return formula->n_names;
}

const char *cr_formula_name(const cr_formula *formula, int64_t name)
{
    return formula->names[name];
}

static void emit(parser *p, operation kind, int64_t name, double number)
{
    p->formula->code[p->formula->n_code++] = (instruction){kind, name, number};
}

static void skip_white(parser *p)
{
    while (*p->at == ' ' || (*p->at >= '\t' && *p->at <= '\r'))
        p->at++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static cr_status add_name(parser *p, const char *name, size_t bytes)
{
    cr_formula *formula = p->formula;
    for (int64_t i = 0; i < formula->n_names; i++) {
        if (strlen(formula->names[i]) == bytes && memcmp(formula->names[i], name, bytes) == 0) {
            emit(p, PUSH_NAME, i, 0);
            return CR_OK;
        }
    }
    if (formula->n_names == CR_FORMULA_MAX_NAMES)
        return cr_fail(CR_BAD_CONFIG, "the formula names over %d columns", CR_FORMULA_MAX_NAMES);
    char *copy = strndup(name, bytes);
    if (copy == NULL)
        return cr_fail_memory("a formula", bytes);
    formula->names[formula->n_names] = copy;
    emit(p, PUSH_NAME, formula->n_names++, 0);
    return CR_OK;
}

static cr_status parse_name(parser *p)
{
    const char *start = p->at;
    if (starts_word(*start)) {
        while (starts_word(*p->at) || is_digit(*p->at))
            p->at++;
        return add_name(p, start, (size_t)(p->at - start));
    }
    const char *end = strchr(start + 1, *start);
    if (end == NULL)
        return cr_fail(CR_BAD_CONFIG, "the quoted column name has no closing %c", *start);
    if (end == start + 1)
        return cr_fail(CR_BAD_CONFIG, "the quoted column name is empty");
    p->at = end + 1;
    return add_name(p, start + 1, (size_t)(end - start - 1));
}

static cr_status parse_number(parser *p)
{
    const char *start = p->at;
    while (is_digit(*p->at) || *p->at == '.' || starts_word(*p->at) ||
           ((*p->at == '+' || *p->at == '-') && (p->at[-1] == 'e' || p->at[-1] == 'E')))
        p->at++;
    char text[64];
    size_t bytes = (size_t)(p->at - start);
    double number = 0;
    cr_number_kind kind = CR_NUMBER_BAD;
    if (bytes < sizeof text) {
        memcpy(text, start, bytes);
        text[bytes] = '\0';
        kind = cr_number_parse(text, &number);
    }
    if (kind != CR_NUMBER_VALUE) {
        p->at = start;
        return cr_fail(CR_BAD_CONFIG, "\"%.*s\" is no number", (int)(bytes < 60 ? bytes : 60), start);
    }
    emit(p, PUSH_NUMBER, 0, number);
    return CR_OK;
}

static cr_status parse_sum(parser *p);

static cr_status parse_factor(parser *p)
{
    cr_status status = CR_OK;
    skip_white(p);
    if (++p->depth > CR_FORMULA_MAX_DEPTH)
        return cr_fail(CR_BAD_CONFIG, "the formula is nested deeper than %d", CR_FORMULA_MAX_DEPTH);
    char c = *p->at;
    if (c == '-' || c == '+') {
        p->at++;
        CR_TRY(parse_factor(p));
        if (c == '-')
            emit(p, NEGATE, 0, 0);
    } else if (c == '(') {
        p->at++;
        CR_TRY(parse_sum(p));
        if (*p->at != ')') {
            status = cr_fail(CR_BAD_CONFIG, "a closing parenthesis or an operator is expected here");
            goto done;
        }
        p->at++;
    } else if (is_digit(c) || c == '.') {
        CR_TRY(parse_number(p));
    } else if (starts_word(c) || c == '"' || c == '\'' || c == '`') {
        CR_TRY(parse_name(p));
    } else {
        status = cr_fail(CR_BAD_CONFIG, "a number, a column name or an opening parenthesis is expected here");
        goto done;
    }
    skip_white(p);
    p->depth--;
done:
    return status;
}

static cr_status parse_product(parser *p)
{
    cr_status status = CR_OK;
    CR_TRY(parse_factor(p));
    while (*p->at == '*' || *p->at == '/') {
        operation kind = *p->at++ == '*' ? MULTIPLY : DIVIDE;
        CR_TRY(parse_factor(p));
        emit(p, kind, 0, 0);
    }
done:
    return status;
}

static cr_status parse_sum(parser *p)
{
    cr_status status = CR_OK;
    CR_TRY(parse_product(p));
    while (*p->at == '+' || *p->at == '-') {
        operation kind = *p->at++ == '+' ? ADD : SUBTRACT;
        CR_TRY(parse_product(p));
        emit(p, kind, 0, 0);
    }
done:
    return status;
}

cr_status cr_formula_compile(const char *text, cr_formula **formula, size_t *at)
{
    cr_status status = CR_OK;
    size_t bytes = strlen(text);
    cr_formula *made = NULL;
    parser p = {.text = text, .at = text};
    if (bytes > CR_FORMULA_MAX_BYTES) {
        status = cr_fail(CR_BAD_CONFIG, "the formula is longer than %d bytes", CR_FORMULA_MAX_BYTES);
        goto done;
    }
    made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->code = calloc(bytes + 1, sizeof *made->code);
        made->names = calloc(CR_FORMULA_MAX_NAMES, sizeof *made->names);
    }
    if (made == NULL || made->code == NULL || made->names == NULL) {
        status = cr_fail_memory("a formula", (bytes + 1) * sizeof *made->code);
        goto done;
    }
    p.formula = made;
    CR_TRY(parse_sum(&p));
    if (*p.at != '\0') {
        status = cr_fail(CR_BAD_CONFIG, "an operator or the end of the formula is expected here");
        goto done;
    }
    *formula = made;
    made = NULL;
done:
    if (at != NULL)
        *at = (size_t)(p.at - text);
    cr_formula_destroy(&made);
    return status;
}

static double apply(operation kind, double a, double b)
{
    switch (kind) {
    case ADD:
        return a + b;
    case SUBTRACT:
        return a - b;
    case MULTIPLY:
        return a * b;
    default:
        return a / b;
    }
}

double cr_formula_evaluate(const cr_formula *formula, const double *values)
{
    double stack[MAX_STACK] = {0};
    int n = 0;
    for (int64_t i = 0; i < formula->n_code; i++) {
        const instruction *step = &formula->code[i];
        if (step->kind == PUSH_NUMBER) {
            stack[n++] = step->number;
        } else if (step->kind == PUSH_NAME) {
            stack[n++] = values[step->name];
        } else if (step->kind == NEGATE && n >= 1) {
            stack[n - 1] = -stack[n - 1];
        } else if (n >= 2) {
            n--;
            stack[n - 1] = apply(step->kind, stack[n - 1], stack[n]);
        }
    }
    return stack[0];
}
