# Stage two of up.sh: the private PostgreSQL cluster.
# shellcheck shell=bash
: "${state:=}"

# Sets postgres_bin: the programs of the version that made the cluster, else the newest from 15 on.
postgres_find() {
    local version=15 folder
    if [[ -f $state/postgres/PG_VERSION ]]; then
        version=$(<"$state/postgres/PG_VERSION")
        postgres_bin=/usr/lib/postgresql/$version/bin
        if [[ -x $postgres_bin/postgres ]]; then return 0; fi
    fi
    postgres_bin=
    while read -r folder; do
        if [[ -x $folder/initdb && $("$folder/postgres" --version) =~ \ ([0-9]+) ]] && ((BASH_REMATCH[1] >= 15)); then
            postgres_bin=$folder
        fi
    done < <(dirname "$(command -v postgres || echo /none/postgres)"; printf '%s\n' /usr/lib/postgresql/*/bin | sort -V)
    [[ -n $postgres_bin ]] || die "no PostgreSQL from version 15 on was found; install postgresql, or put its programs on the PATH"
    if [[ -f $state/postgres/PG_VERSION && $("$postgres_bin/postgres" --version) != *" $version"[.\ ]* ]]; then
        die "the data in $state/postgres is PostgreSQL $version's; install postgresql-$version"
    fi
}

# What the cluster must have. Written at each start; ALTER SYSTEM is the place for settings of one's own, and wins.
postgres_configure() {
    local role user
    user=$(id -un)
    cat >"$1/parley.conf" <<END
# Written by conf/up.sh at each start. Settings of your own: ALTER SYSTEM, which wins over this file.
listen_addresses = ''
unix_socket_directories = '$state/run'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 128MB
max_wal_size = 1GB
wal_compression = on
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u '
END
    for role in postgres parley_owner parley_app parley_backup; do
        printf 'parley "%s" %s\n' "$user" "$role"
    done >"$1/pg_ident.conf"
    printf 'local all all peer map=parley\n' >"$1/pg_hba.conf"
}

postgres_create() {
    say "making the database cluster"
    rm -rf "$state/postgres.new"
    "$postgres_bin/initdb" -D "$state/postgres.new" -U postgres -A peer --data-checksums --encoding=UTF8 --locale=C.UTF-8 \
        >"$state/log/initdb.log" 2>&1 9>&- || {
        tail -n 20 "$state/log/initdb.log" >&2
        die "initdb failed; the whole output is in $state/log/initdb.log"
    }
    printf "include 'parley.conf'\n" >>"$state/postgres.new/postgresql.conf"
    mv "$state/postgres.new" "$state/postgres"
}

postgres_start() {
    if [[ -n $(postgres_pid) ]]; then return 0; fi
    if [[ ! -f $state/postgres/PG_VERSION ]]; then postgres_create; fi
    postgres_configure "$state/postgres"
    # Nobody runs here: these would be left from a power cut, and their number may be another process's by now.
    rm -f "$state/postgres/postmaster.pid" "$state/run/.s.PGSQL.5432" "$state/run/.s.PGSQL.5432.lock"
    log_open postgres
    "$postgres_bin/pg_ctl" -D "$state/postgres" -l "$state/log/postgres.log" -w -t 120 -s start >&2 9>&- || {
        log_show postgres 20
        die "PostgreSQL does not start; see $state/log/postgres.log"
    }
}

# psql as the superuser of the private cluster.
sql() {
    PGOPTIONS='-c client_min_messages=warning' "$postgres_bin/psql" -h "$state/run" -U postgres -qXAt -v ON_ERROR_STOP=1 "$@" 9>&-
}

postgres_prepare() {
    sql -d postgres -f "$state/src/sql/roles.sql" || die "the roles could not be made; what psql says above is the reason"
    if [[ -z $(sql -d postgres -c "select 1 from pg_database where datname = 'parley'") ]]; then
        sql -d postgres -c 'create database parley owner parley_owner'
    fi
    PARLEY_DATABASE="host=$state/run user=parley_owner dbname=parley" \
        "$state/app/bin/parley" migrate -c "$state/parley.conf" >"$state/log/migrate.log" 2>&1 9>&- || {
        cat "$state/log/migrate.log" >&2
        die "migrating the database failed; nothing was started"
    }
}
