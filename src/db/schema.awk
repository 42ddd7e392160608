# The schema's SQL files -> src/db/schema.c, see schema.h. The files may be given in any order. Works with any POSIX awk.

function fail(what)
{
    printf "%s: %s\n", FILENAME, what > "/dev/stderr"
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

# Sorts key[1..n] (few, so by insertion).
function sort(key, n,    i, j, one)
{
    for (i = 2; i <= n; i++) {
        one = key[i]
        for (j = i - 1; j > 0 && key[j] > one; j--)
            key[j + 1] = key[j]
        key[j + 1] = one
    }
}

function entry(k)
{
    printf "    {%d, \"%s\",%s},\n", number[k], name[k], text[k] == "" ? "\n     \"\"" : text[k]
}

FNR == 1 {
    parts = split(FILENAME, part, "/")
    folder = part[parts - 1]
    base = part[parts]
    sub(/\.sql$/, "", base)
    rank = folder == "functions" ? 1 : folder == "policies" ? 2 : folder == "views" ? 3 : 0
    if (base == part[parts] || (folder != "migrations" && folder != "sql" && !rank))
        fail("not an SQL file of migrations, functions, policies or views")
    if (folder == "migrations") {
        if (base !~ /^[0-9][0-9][0-9][0-9]_[a-z0-9_]+$/ || base ~ /^0000/)
            fail("a migration's name is a number from 0001 and a word: 0001_start.sql")
        key = substr(base, 1, 4)
        if (key in name)
            fail("number " key " is taken by " name[key])
        name[key] = base
        number[key] = key + 0
        migration[++migrations] = key
    } else if (folder == "sql") {
        key = "first"
        if (key in name)
            fail("more than one file comes first")
        name[key] = base
        number[key] = 0
    } else {
        key = rank "/" base
        if (key in name)
            fail("given twice")
        name[key] = folder "/" base
        number[key] = 0
        repeated[++repeats] = key
    }
    text[key] = ""
}

{
    sub(/\r$/, "")
    text[key] = text[key] "\n     " literal($0)
}

END {
    if (failed)
        exit 1
    if (!("first" in name)) {
        print "sql/schema_migrations.sql is not in the list" > "/dev/stderr"
        exit 1
    }
    sort(migration, migrations)
    sort(repeated, repeats)
    print "/* Made from sql/ by src/db/schema.awk. */\n#include \"db/schema.h\"\n\n#include <stddef.h>\n"
    print "const char schema_first[] =" text["first"] ";\n"
    print "const struct schema_file schema_migrations[] = {"
    for (i = 1; i <= migrations; i++)
        entry(migration[i])
    print "    {0, NULL, NULL},\n};\n\nconst struct schema_file schema_repeatable[] = {"
    for (i = 1; i <= repeats; i++)
        entry(repeated[i])
    print "    {0, NULL, NULL},\n};"
}
