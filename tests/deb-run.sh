#!/bin/sh
# Runs kenterd as the package sets it up: its user, its directories, its settings. In a mount
# namespace of its own (see deb.sh), on an overlay of this system, which nothing is written to.
# usage: tests/deb-run.sh UNPACKED
set -eu
unpacked=$1
mount --make-rprivate /
place=$unpacked/place
mkdir "$place"
mount -t tmpfs tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/system"
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" \
    "$place/system" 2>/dev/null || {
    echo "deb: not run as installed: there are no overlays here" >&2
    exit 0
}
system=$place/system
mount -t tmpfs tmpfs "$system/run"
mount -t proc proc "$system/proc"
mount --bind /dev "$system/dev"
cp -a "$unpacked/usr/." "$system/usr/"
rm -rf "$system/etc/kenter" "$system/var/lib/kenter"
cp -a "$unpacked/etc/kenter" "$system/etc/"
chmod 755 "$place" "$system"

fail() {
    echo "deb: $*" >&2
    cat "$system/run/log" >&2 || true
    exit 1
}
inside() { chroot "$system" "$@"; }
as() { # as USER GROUPS COMMAND...
    user=$1 groups=$2
    shift 2
    chroot "$system" setpriv --reuid="$user" --regid="$user" --groups="$groups" --inh-caps=-all "$@"
}
with_time() { # waits until COMMAND... is good
    for _ in $(seq 100); do
        "$@" >"$system/run/said" 2>&1 && return 0
        sleep 0.1
    done
    cat "$system/run/said" >&2
    fail "$* does not come true"
}
end() {
    kill -TERM "$daemon"
    wait "$daemon" || fail "kenterd ended with $?"
}
served() { kenter_as zones | grep -q '^example.com. *ok '; }
# A person who may: a member of the group, and nothing else.
kenter_as() { as 65534 "$(inside id -g kenter)" kenter "$@"; }

inside systemd-sysusers kenter.conf >/dev/null 2>&1
inside systemd-tmpfiles --create kenter.conf
# What the maintainer's script does.
chroot "$system" chgrp kenter /etc/kenter/kenter.yaml
chmod 640 "$system/etc/kenter/kenter.yaml"
# Another port than a kenterd has that runs here already.
sed -i 's/^  - 127.0.0.1@5300$/  - 127.0.0.1@53053/' "$system/etc/kenter/kenter.yaml"

# As the unit starts it, then as root by hand on what that has left.
for start in unit root; do
    user=root
    [ "$start" = root ] || user=kenter
    chroot "$system" setpriv --reuid="$user" --regid="$user" --init-groups \
        kenterd --config /etc/kenter/kenter.yaml 2>"$system/run/log" &
    daemon=$!
    with_time served
    kenter_as why example.com >/dev/null || fail "kenter why"
    [ "$(inside stat -c %U:%G:%a /run/kenter/kenter.sock)" = kenter:kenter:660 ] || fail "the socket's owner"
    [ "$(inside stat -c %U:%a /var/lib/kenter/keys)" = kenter:700 ] || fail "the keys' owner"
    as 65534 65534 kenter zones >/dev/null 2>&1 && fail "everybody may use the socket"
    for pid in $(inside pgrep -x kenterd); do
        [ "$start" = root ] || break
        grep -q "^Uid:.*	0	" "$system/proc/$pid/status" && fail "a process is still root"
    done
    end
done
[ -n "$(ls "$system/var/lib/kenter/keys/example.com"/*.pem)" ] || fail "no keys were made"
