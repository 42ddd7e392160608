# conf/openapi.yaml -> src/api/openapi_text.c, see openapi.h. Works with any POSIX awk.

# A line as a C string literal. `?` is escaped because two of them may begin a trigraph.
function literal(line)
{
    gsub(/\\/, "&&", line)
    gsub(/"/, "\\\"", line)
    gsub(/\?/, "\\?", line)
    return "\"" line "\\n\""
}

NR == 1 {
    print "/* Made from conf/openapi.yaml by src/api/openapi.awk. */"
    print "#include \"api/openapi.h\"\n"
    printf "const char openapi_text[] ="
}

{ printf "\n    %s", literal($0) }

END {
    print ";"
    print "const size_t openapi_len = sizeof(openapi_text) - 1;"
}
