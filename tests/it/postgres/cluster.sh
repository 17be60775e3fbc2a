# A PostgreSQL of its own for the tests: made, run until the end of the input, ended and removed.
# Arguments: the folder of its programs, a free port, a folder with a certificate. Says its folder and "ready".
set -eu
bin=$1 port=$2 tls=$3
as=
folder=$(mktemp -d /tmp/orderbell-postgres.XXXXXX)
if [ "$(id -u)" = 0 ]; then
    # It refuses to run as root.
    as="setpriv --reuid=postgres --regid=postgres --clear-groups --"
    chown postgres: "$folder"
fi
data=$folder/data
end() {
    trap - EXIT
    # It is thrown away, so it need not end in peace; nor a copy of it that a test has made.
    for pid in "$folder"/*/postmaster.pid; do
        [ ! -e "$pid" ] || $as "$bin/pg_ctl" -D "${pid%/*}" -m immediate -t 30 stop >/dev/null 2>&1 || true
    done
    rm -rf "$folder"
}
trap end EXIT
trap 'exit 1' INT TERM HUP
cd "$folder"
printf '%s' "$ORDERBELL_TEST_PASSWORD" >"$folder/password"
[ -z "$as" ] || chown postgres: "$folder/password"
$as "$bin/initdb" -D "$data" -U postgres -E UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256 \
    --pwfile="$folder/password" --no-sync >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; exit 1; }
cp "$tls/localhost.pem" "$data/server.crt"
cp "$tls/localhost.key" "$data/server.key"
[ -z "$as" ] || chown postgres: "$data/server.crt" "$data/server.key"
chmod 600 "$data/server.key"
cat >>"$data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
max_connections = 300
shared_buffers = 64MB
fsync = off
full_page_writes = off
ssl = on
log_min_messages = fatal
CONF
clock=
if [ -n "${ORDERBELL_TEST_CLOCK:-}" ]; then
    # It looks up in this file how far ahead its clock is, each time.
    printf '%s\n' "$ORDERBELL_TEST_CLOCK" >"$folder/clock"
    [ -z "$as" ] || chown postgres: "$folder/clock"
    clock="env LD_PRELOAD=$ORDERBELL_TEST_CLOCK_LIBRARY FAKETIME_TIMESTAMP_FILE=$folder/clock FAKETIME_NO_CACHE=1
        FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1"
fi
$as $clock "$bin/pg_ctl" -D "$data" -w -t 60 -l "$folder/log" start >/dev/null || { cat "$folder/log" >&2; exit 1; }
echo "$folder"
echo ready
# Whatever becomes of the tests, then nobody holds the other end of this any more.
while read -r _; do :; done
