# Stage two of up.sh: Parley itself, and its configuration.
# shellcheck shell=bash
: "${state:=}"

parley() { "$state/app/bin/parley" "$@" 9>&-; }

# Puts the standard input in the place of the file $1 in one step: whoever reads it sees the old one or the new one, whole.
file_put() {
    cat >"$1.new"
    mv "$1.new" "$1"
}

# The configuration of this start is made beside the one that is there, and takes its place when it was found good.
parley_configure() {
    rm -f "$state/model.key.next"
    if [[ ! -s $state/jwt.secret ]]; then head -c 48 /dev/urandom | base64 -w 0 | file_put "$state/jwt.secret"; fi
    if [[ -f $state/parley.conf ]]; then
        cp "$state/parley.conf" "$state/parley.conf.next"
    else
        file_put "$state/parley.conf.next" <<END
# Made by conf/up.sh, once; change it as you like, conf/down.sh and conf/up.sh make it count.
# \`conf/parley.sh options\` lists what can stand here. The lines model_* are written anew when PARLEY_MODEL_* are set.
listen = $state/run/parley.sock
pid_file = $state/parley.pid
database = host=$state/run user=parley_app dbname=parley
jwt_secret_file = $state/jwt.secret
END
    fi
    model_configure
}

# The value of the option $1 in the next parley.conf; and giving it the value $2, where an empty one takes the line away.
option_read() { sed -nE "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*//p" "$state/parley.conf.next"; }
option_write() {
    [[ $2 != *$'\n'* ]] || die "$1 cannot hold more than a line"
    {
        grep -vE "^[[:space:]]*$1[[:space:]]*=" "$state/parley.conf.next" || true
        if [[ -n $2 ]]; then printf '%s = %s\n' "$1" "$2"; fi
    } | file_put "$state/parley.conf.next"
}

# The key stands in a file of its own, which only the owner reads (the umask says so). Empty: no key.
model_key_write() {
    if [[ -n $1 ]]; then
        printf '%s\n' "$1" | file_put "$state/model.key.next"
        option_write model_key_file "$state/model.key"
    else
        : >"$state/model.key.next"
        option_write model_key_file ''
    fi
}

# Puts the next configuration in its place.
configuration_take() {
    if [[ -s $state/model.key.next ]]; then
        mv "$state/model.key.next" "$state/model.key"
    elif [[ -e $state/model.key.next ]]; then
        rm -f "$state/model.key" "$state/model.key.next"
    fi
    if cmp -s "$state/parley.conf.next" "$state/parley.conf"; then
        rm "$state/parley.conf.next"
    else
        mv "$state/parley.conf.next" "$state/parley.conf"
    fi
}

# PARLEY_MODEL_* are kept in parley.conf: what is not set stays as it was. But another server gets neither the key nor the model's name of the one before.
model_configure() {
    if [[ -z ${PARLEY_MODEL_URL+x}${PARLEY_MODEL_KEY+x}${PARLEY_MODEL_NAME+x} ]]; then return 0; fi
    if ! parley options | grep -E '^ *model_url\b' >/dev/null; then
        say "PARLEY_MODEL_URL, _KEY and _NAME change nothing: this version asks no model"
    else
        if [[ -n ${PARLEY_MODEL_URL+x} && $PARLEY_MODEL_URL != "$(option_read model_url)" ]]; then
            option_write model_url "$PARLEY_MODEL_URL"
            model_key_write "${PARLEY_MODEL_KEY=}"
            option_write model_name "${PARLEY_MODEL_NAME=}"
        fi
        if [[ -n ${PARLEY_MODEL_KEY+x} ]]; then model_key_write "$PARLEY_MODEL_KEY"; fi
        if [[ -n ${PARLEY_MODEL_NAME+x} ]]; then option_write model_name "$PARLEY_MODEL_NAME"; fi
    fi
    unset PARLEY_MODEL_URL PARLEY_MODEL_KEY PARLEY_MODEL_NAME
}

# Errors end the start before anything runs; warnings are only told.
parley_check() {
    local status=0
    parley check -c "$state/parley.conf.next" >/dev/null 2>"$state/log/check.log" || status=$?
    sed 's|parley\.conf\.next|parley.conf|g' "$state/log/check.log" >&2
    if ((status == 0)); then
        configuration_take
        return 0
    fi
    rm -f "$state/parley.conf.next" "$state/model.key.next"
    die "the configuration is wrong, as told above; it is $state/parley.conf, which stays as it is, and PARLEY_* of the environment"
}

parley_start() {
    if [[ -n $(parley_pid) ]]; then return 0; fi
    rm -f "$state/parley.pid"
    log_open parley
    cp "$state/build/.built" "$state/run/built"
    setsid "$state/app/bin/parley" serve -c "$state/parley.conf" </dev/null >>"$state/log/parley.log" 2>&1 9>&- &
    parley_started=$!
}

# Also in its first moment, when it has not written its pid yet.
parley_lives() {
    [[ -n $(parley_pid) ]] || { [[ -n ${parley_started:-} ]] && kill -0 "$parley_started" 2>/dev/null; }
}

ask_readyz() {
    curl -q --noproxy '*' -sS -m 2 "$@" "http://127.0.0.1:$port/readyz" 9>&-
}

is_ready() { ask_readyz -f -o /dev/null 2>/dev/null; }

wait_until_ready() {
    local begun=$SECONDS told=no
    until is_ready; do
        if ! parley_lives; then
            log_show parley 20
            die "Parley has ended; its log is $state/log/parley.log"
        elif ((SECONDS - begun >= 60)); then
            log_show parley 20
            die "Parley does not get ready; /readyz says: $(ask_readyz 2>&1 || true)"
        elif ((SECONDS - begun >= 3)) && [[ $told == no ]]; then
            say "waiting until it answers"
            told=yes
        fi
        sleep 0.1
    done
}
