# Stage two of up.sh: the private nginx and its port.
# shellcheck shell=bash
: "${state:=}"

port_is_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Without root nginx cannot listen below a certain port, and it never runs as root.
port_check() {
    local lowest
    if ! [[ $1 =~ ^[1-9][0-9]{0,4}$ ]] || (($1 > 65535)); then die "PARLEY_PORT=$1 is not a port"; fi
    lowest=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024)
    (($1 >= lowest)) || die "PARLEY_PORT=$1: a port below $lowest needs root, and nothing here runs as root; take another, or a web server of your own in front"
    port_is_free "$1" || die "port $1 is taken; set PARLEY_PORT to a free one, or leave it out to have one chosen"
}

# Sets port: the one of the last time, else the first from 8080 on, that is free and was not tried before.
port_next() {
    for port in $(port_read) {8080..8179}; do
        if [[ " ${ports_tried:-} " != *" $port "* ]] && port_is_free "$port"; then
            ports_tried+=" $port"
            return 0
        fi
    done
    die "the ports from 8080 to 8179 are all taken; set PARLEY_PORT to a free one"
}

# Sets port: the one nginx listens on already, else the one asked for, else one that is free.
port_choose() {
    port=$(port_read)
    if [[ -n $(nginx_pid) ]]; then
        if [[ -n $port && ${PARLEY_PORT:-$port} == "$port" ]]; then return 0; fi
        nginx_stop
    fi
    nginx_orphans_stop
    if [[ -n ${PARLEY_PORT:-} ]]; then
        port_check "$PARLEY_PORT"
        port=$PARLEY_PORT
    else
        port_next
    fi
}

# An address other than the usual one is told with its reason.
port_explain() {
    if [[ -n ${PARLEY_PORT:-} || $port == 8080 ]]; then return 0; fi
    if port_is_free 8080; then
        say "port $port as the last time; PARLEY_PORT=8080 is free too"
    else
        say "port 8080 is taken, using $port"
    fi
}

# The files of nginx/ as they are, but for the address and the socket; and a small nginx.conf around them.
nginx_configure() {
    mkdir -p "$state/nginx/temp"
    rm -rf "$state/nginx/parley"
    cp -r "$state/src/nginx" "$state/nginx/parley"
    sed -i -e "s|listen 127\.0\.0\.1:8080;|listen 127.0.0.1:$port;|" \
        -e "s|unix:/run/parley/parley\.sock|unix:$state/run/parley.sock|" \
        -e "s|root /usr/local/share/parley/web;|root $state/app/share/parley/web;|" "$state/nginx/parley/parley.conf"
    cat >"$state/nginx/nginx.conf" <<END
# Written by conf/up.sh at each start.
worker_processes auto;
pid $state/nginx.pid;
error_log $state/log/nginx.log warn;
worker_shutdown_timeout 5s;
events {
    worker_connections 4096;
}
http {
    access_log off;
    client_body_temp_path $state/nginx/temp/body;
    fastcgi_temp_path $state/nginx/temp/fastcgi;
    proxy_temp_path $state/nginx/temp/proxy;
    scgi_temp_path $state/nginx/temp/scgi;
    uwsgi_temp_path $state/nginx/temp/uwsgi;
    include parley/parley.conf;
}
END
}

nginx_try() {
    local log=$state/log/nginx.log
    rm -f "$state/nginx.pid"
    log_open nginx
    nginx_configure
    # shellcheck disable=SC2094
    nginx -p "$state/nginx/" -e "$log" -c "$state/nginx/nginx.conf" </dev/null >>"$log" 2>&1 9>&-
}

# A port that was free a moment ago may be taken by now: then the next one, unless this one was asked for.
nginx_start() {
    if [[ -n $(nginx_pid) ]]; then return 0; fi
    until nginx_try; do
        if [[ -n ${PARLEY_PORT:-} || $(log_show nginx 50 2>&1) != *"(98: "* ]]; then
            log_show nginx 5
            die "nginx does not start on port $port; set PARLEY_PORT to another if that is why, or see $state/log/nginx.log"
        fi
        port_next
    done
    printf '%s\n' "$port" | file_put "$state/port"
    port_explain
}
