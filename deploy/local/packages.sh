# Debian packages that the scripts need, installed only when missing. Sourced by deploy/local/* and tests/run.
# shellcheck shell=bash disable=SC2034

PACKAGES_RUN=(build-essential cmake ninja-build pkg-config git ca-certificates ccache
    librdkafka-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libpq-dev libmicrohttpd-dev libjansson-dev
    libcurl4-openssl-dev libsodium-dev uthash-dev
    postgresql-15 openjdk-17-jre-headless maven
    python3 python3-psycopg2 python3-confluent-kafka python3-protobuf)
PACKAGES_TEST=(clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev libcmocka-dev kcat curl
    python3-pytest python3-pytest-xdist pyflakes3 shellcheck docker-compose)

# packages_need PACKAGE…: all of them are installed, or the script ends with what to do.
packages_need() {
    local missing=() package sudo=()
    if ! command -v dpkg-query >/dev/null; then
        echo "not a Debian system: expecting these to be installed: $*" >&2
        return 0
    fi
    local installed
    installed=$(dpkg-query -W -f='${Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null | awk '$2 == "ii" { print $1 }' || true)
    for package in "$@"; do
        grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "missing packages; as root: apt-get install ${missing[*]}" >&2
            return 1
        fi
        sudo=(sudo)
    fi
    echo "installing ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { packages_install "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        rm -f "$log"
        echo "the packages could not be installed" >&2
        return 1
    fi
    rm -f "$log"
}

packages_install() {
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends)
    "${apt[@]}" update || return 1
    # A first installation of PostgreSQL would create and start a cluster of its own on port 5432: not on our account.
    local folder=/etc/postgresql-common/createcluster.d
    if [[ " $* " == *" postgresql-15 "* ]]; then
        "${apt[@]}" install postgresql-common || return 1
        "${sudo[@]}" mkdir -p "$folder" || return 1
        echo "create_main_cluster = false" | "${sudo[@]}" tee "$folder/orderclerk.conf" >/dev/null || return 1
    fi
    local status=0
    "${apt[@]}" install "$@" || status=$?
    "${sudo[@]}" rm -f "$folder/orderclerk.conf"
    return "$status"
}
