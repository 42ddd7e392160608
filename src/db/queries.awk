# Named queries -> C. part=h: the enum of src/db/queries.h; part=c: the table of src/db/queries.c.
#
# A block begins with `-- name: session_list`; comment lines are documentation and dropped; the SQL runs until a line that ends
# with `;`, which is dropped. Works with any POSIX awk.
#
# A block that begins with `-- macro: word` is no query, but what `word(argument)` stands for in those behind it, with the argument in the
# place of every @; an argument has no parentheses.

function fail(what)
{
    printf "%s:%d: %s\n", FILENAME, FNR, what > "/dev/stderr"
    failed = 1
    exit 1
}

# A line as a C string literal. `?` is escaped because two of them may begin a trigraph.
function literal(line)
{
    gsub(/\\/, "&&", line)
    gsub(/"/, "\\\"", line)
    gsub(/\?/, "\\?", line)
    return "\"" line "\\n\""
}

# The line with its macros written out, and theirs.
function expand(line,    word, argument, pieces, n, i, made, again)
{
    do {
        again = 0
        for (word in macro)
            while (match(line, word "\\([^()]*\\)")) {
                argument = substr(line, RSTART + length(word) + 1, RLENGTH - length(word) - 2)
                n = split(macro[word], pieces, "@")
                made = substr(line, 1, RSTART - 1) pieces[1]
                for (i = 2; i <= n; i++)
                    made = made argument pieces[i]
                line = made substr(line, RSTART + RLENGTH)
                again = 1
            }
    } while (again)
    return line
}

function note_params(line,    number)
{
    while (match(line, /\$[0-9]+/)) {
        number = substr(line, RSTART + 1, RLENGTH - 1) + 0
        used[count, number] = 1
        if (number > params[count])
            params[count] = number
        line = substr(line, RSTART + RLENGTH)
    }
}

function end_block(    i)
{
    if (text[count] == "")
        fail("query " name[count] " has no SQL")
    for (i = 1; i <= params[count]; i++)
        if (!((count, i) in used))
            fail("query " name[count] " does not use $" i)
    if (params[count] > most)
        most = params[count]
    open = 0
}

FNR == 1 && open {
    printf "%s: query %s does not end with ;\n", file[count], name[count] > "/dev/stderr"
    failed = 1
    exit 1
}

{ sub(/[ \t\r]+$/, "") }

/^-- name:/ {
    if (open)
        fail("query " name[count] " does not end with ;")
    word = $3
    if (NF != 3 || word !~ /^[a-z][a-z0-9_]*$/ || word == "count")
        fail("a query's name is a lower-case word")
    if (word in line_of)
        fail("query " word " is also in " line_of[word])
    line_of[word] = FILENAME ":" FNR
    name[++count] = word
    file[count] = FILENAME
    params[count] = 0
    text[count] = ""
    open = 1
    next
}

/^-- macro:/ {
    if (open)
        fail("query " name[count] " does not end with ;")
    if (NF != 3 || $3 !~ /^[a-z][a-z_]*$/ || $3 in macro)
        fail("a macro's name is a lower-case word of its own")
    defined = $3
    macro[defined] = ""
    next
}

/^[ \t]*--/ || /^[ \t]*$/ { next }

defined {
    last = sub(/;$/, "")
    sub(/^[ \t]+/, "")
    macro[defined] = macro[defined] (macro[defined] == "" ? "" : " ") $0
    if (last)
        defined = ""
    next
}

!open { fail("text outside a query: a query begins with -- name:") }

{
    last = sub(/;$/, "")
    $0 = expand($0)
    note_params($0)
    if ($0 !~ /^[ \t]*$/)
        text[count] = text[count] "\n     " literal($0)
    if (last)
        end_block()
}

END {
    if (failed)
        exit 1
    if (open) {
        printf "%s: query %s does not end with ;\n", file[count], name[count] > "/dev/stderr"
        exit 1
    }
    print "/* Made from sql/queries by src/db/queries.awk. */"
    if (part == "h") {
        print "#ifndef PARLEY_DB_QUERIES_H\n#define PARLEY_DB_QUERIES_H\n\nenum query {"
        for (i = 1; i <= count; i++)
            printf "    QUERY_%s,\n", toupper(name[i])
        print "    QUERY_COUNT\n};\n\n#endif"
    } else {
        print "#include \"db/query_table.h\"\n\n#include \"db/db.h\"\n"
        printf "_Static_assert(%d <= DB_PARAMS_MAX, \"a query has more parameters than a statement carries\");\n\n", most
        print "const struct query_text query_table[QUERY_COUNT] = {"
        for (i = 1; i <= count; i++)
            printf "    {\"%s\",%s,\n     %d},\n", name[i], text[i], params[i]
        print "};"
    }
}
