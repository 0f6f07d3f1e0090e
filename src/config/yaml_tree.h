/* What the files of the YAML reader share. */
#ifndef CRISOL_YAML_TREE_H
#define CRISOL_YAML_TREE_H

#include "crisol/yaml.h"

/* Fails with CR_BAD_CONFIG at a place of the document. */
cr_status cr_yaml_fail_at(const cr_yaml *yaml, int line, int column, const char *format, ...) CR_PRINTF(4, 5);

enum {
    CR_YAML_SHOWN = 64
}; /* bytes of a shown text with its final NUL */

/* A user's text for a message: cut, without control characters (a terminal might obey them). Returns `shown`. */
const char *cr_yaml_show(const char *text, char shown[CR_YAML_SHOWN]);

#endif
