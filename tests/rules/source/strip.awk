# Blanks comments and the insides of string and character literals of C, keeping lines: what is left is code.
# Include lines keep their file names.
{
    line = $0
    out = ""
    n = length(line)
    is_include = !in_comment && line ~ /^[ \t]*#[ \t]*include/
    for (i = 1; i <= n; i++) {
        c = substr(line, i, 1)
        pair = substr(line, i, 2)
        if (in_comment) {
            if (pair == "*/") { in_comment = 0; i++ }
        } else if (quote != "") {
            if (c == "\\") i++
            else if (c == quote) { quote = ""; out = out c }
            else if (is_include) out = out c
        } else if (pair == "/*") { in_comment = 1; i++; out = out " " }
        else if (pair == "//" && !is_include) break
        else {
            if (c == "\"" || c == "'") quote = c
            out = out c
        }
    }
    if (substr(line, n, 1) != "\\") quote = ""
    print out
}
