# From the output of a CUnit program (variables: name of the run, its exit status) to lines of results: one for each test.
# A test stands as "  Test: its name ...passed", or ends with FAILED; output of its own may stand between.
/^ *Test: / {
    test = $2
    seen[++tests] = test
}
/^ *Test: .*\.\.\. *passed|^passed|\.\.\.passed/ { outcome[tests] = "pass" }
/FAILED/ && tests { outcome[tests] = "fail" }
END {
    for (i = 1; i <= tests; i++) {
        if (outcome[i] == "fail")
            failed++
        if (outcome[i] != "")
            printf "%s\t%s: %s\t%s\n", outcome[i], name, seen[i], outcome[i] == "fail" ? "an assertion failed" : ""
        else
            printf "fail\t%s: %s\tdid not end\n", name, seen[i]
    }
    if (!tests || (status != 0 && !failed))
        printf "fail\t%s\t%s\n", name, "the program ended with status " status
}
