#!/usr/bin/env bash
# An S3 server for tests: one Ceph monitor, one in-memory OSD and one RADOS gateway, all on 127.0.0.1.
#
#   scripts/s3_server.sh DATADIR [PORT]     start; prints the AWS_* settings and makes the bucket "lacustre"
#   scripts/s3_server.sh --stop DATADIR     stop, and remove what it left in DATADIR
#
# The output can be evaluated: eval "$(scripts/s3_server.sh /tmp/s3 7480)"
# Ceph's S3 honours If-None-Match, on which the lake's commits rest. Nothing is kept after a stop.
# Packages (Debian, Ubuntu): radosgw ceph-mon ceph-osd ceph-common; installed by apt-get when missing and root.
set -euo pipefail

readonly PACKAGES=(radosgw ceph-mon ceph-osd ceph-common)
readonly BUCKET=lacustre

fail() {
    echo "s3_server: $*" >&2
    exit 1
}

install_packages() {
    local tool
    for tool in radosgw ceph-mon ceph-osd monmaptool radosgw-admin curl; do
        command -v "$tool" >/dev/null && continue
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "$tool is missing: install ${PACKAGES[*]} curl"
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${PACKAGES[@]}" curl >&2
        return
    done
}

write_configuration() {
    cat >"$CONF" <<END
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v1:127.0.0.1:$((PORT + 1))
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
auth cluster required = none
auth service required = none
auth client required = none
run dir = $DIR/run
pid file = $DIR/run/\$name.pid
admin socket = $DIR/run/\$name.asok
log file = $DIR/log/\$name.log
mon data = $DIR/mon
osd data = $DIR/osd
# one replica on one machine, in memory
osd objectstore = memstore
memstore device bytes = ${S3_MEMORY_BYTES:-4294967296}
osd crush chooseleaf type = 0
# the OSD is put into the map below: asking the monitor while it starts is a race that it may lose
osd crush update on start = false
osd class update on start = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mgr initial modules =

[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$PORT tcp_nodelay=1
rgw thread pool size = 32
rgw run sync thread = false
END
}

start_cluster() {
    local fsid osd
    fsid=$(sed -n 's/^fsid = //p' "$CONF")
    osd=$(cat /proc/sys/kernel/random/uuid)
    monmaptool --create --fsid "$fsid" --addv a "[v1:127.0.0.1:$((PORT + 1))]" "$DIR/monmap"
    ceph-mon -c "$CONF" -i a --mkfs --monmap "$DIR/monmap"
    ceph-mon -c "$CONF" -i a --public-addr "127.0.0.1:$((PORT + 1))"
    ceph -c "$CONF" --connect-timeout 30 osd new "$osd" 0
    ceph -c "$CONF" --connect-timeout 30 osd crush add osd.0 1.0 root=default host=localhost
    ceph-osd -c "$CONF" -i 0 --mkfs --osd-uuid "$osd"
    ceph-osd -c "$CONF" -i 0
    timeout 60 radosgw-admin -c "$CONF" user create --uid lacustre --display-name lacustre \
        --access-key "$AWS_ACCESS_KEY_ID" --secret-key "$AWS_SECRET_ACCESS_KEY"
    radosgw -c "$CONF" -n client.rgw
}

make_bucket() {
    local attempt
    for attempt in $(seq 120); do
        curl -fsS -o /dev/null --aws-sigv4 "aws:amz:$AWS_REGION:s3" -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" \
            -K - -X PUT "$AWS_ENDPOINT_URL/$BUCKET" \
            <<<"user = \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\"" && return
        sleep 0.25
    done
    true "no answer $attempt tries, see $DIR/log"
}

random_key() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

start() {
    # a folder with something else in it is not ours to empty
    [ ! -e "$DIR" ] || [ -z "$(ls -A "$DIR")" ] || [ -e "$CONF" ] || fail "$DIR is not empty"
    install_packages
    stop
    mkdir -p "$DIR"/{mon,osd,log,run}
    chmod 700 "$DIR"
    export AWS_ENDPOINT_URL=http://127.0.0.1:$PORT AWS_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=${S3_ACCESS_KEY:-$(random_key)} AWS_SECRET_ACCESS_KEY=${S3_SECRET_KEY:-$(random_key)}
    write_configuration
    (start_cluster && make_bucket) >"$DIR/log/start.log" 2>&1 || {
        tail -n 20 "$DIR/log/start.log" >&2
        stop
        fail "the server did not start"
    }
    local name
    for name in AWS_ENDPOINT_URL AWS_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
        echo "export $name=${!name}"
    done
    echo "# bucket s3://$BUCKET, stop with: $0 --stop $DIR"
}

stop() {
    local file pid waited
    for file in "$DIR"/run/*.pid; do
        [ -e "$file" ] || continue
        pid=$(cat "$file")
        # a recycled process id belongs to somebody else
        tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$CONF" || continue
        kill "$pid"
        for waited in $(seq 60); do
            grep -q . "/proc/$pid/cmdline" 2>/dev/null || break
            [ "$waited" != 60 ] || kill -9 "$pid"
            sleep 0.1
        done
    done
    rm -rf "$DIR"/{mon,osd,log,run,monmap,ceph.conf}
}

[ $# -ge 1 ] || fail "usage: $0 DATADIR [PORT] | $0 --stop DATADIR"
if [ "$1" = --stop ]; then
    DIR=$(realpath -m "${2:?DATADIR}")
    CONF=$DIR/ceph.conf
    stop
else
    DIR=$(realpath -m "$1")
    CONF=$DIR/ceph.conf
    PORT=${2:-7480}
    start
fi
