#!/bin/sh
# Are the Debian packages whole? Unpacks the one with the programs, looks at what is in it, has
# systemd check units and user, and runs it. Installs nothing. With root, and a kernel that has
# overlays, kenterd also runs as it is configured, on a copy of this system that has the package.
# usage: tests/deb.sh DIRECTORY
set -eu
package=$(ls "$1"/kenter_*.deb)
here=$(dirname "$0")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
dpkg-deb -x "$package" "$root"

fail() {
    echo "deb: $*" >&2
    exit 1
}

for file in usr/bin/kenter usr/sbin/kenterd etc/kenter/kenter.yaml etc/kenter/zones \
    lib/systemd/system/kenterd.service lib/systemd/system/kenterd.socket \
    lib/systemd/system/kenter-policy.service lib/systemd/system/kenter-policy.socket \
    lib/systemd/system/kenter-tlsrpt-collect.service lib/systemd/system/kenter-tlsrpt.service \
    lib/systemd/system/kenter-tlsrpt.timer \
    usr/lib/sysusers.d/kenter.conf usr/lib/tmpfiles.d/kenter.conf \
    usr/share/man/man1/kenter.1.gz usr/share/man/man1/kenter-sign.1.gz \
    usr/share/man/man5/kenter.yaml.5.gz usr/share/man/man8/kenterd.8.gz \
    usr/share/bash-completion/completions/kenter usr/share/zsh/site-functions/_kenter \
    usr/share/fish/vendor_completions.d/kenter.fish; do
    [ -e "$root/$file" ] || fail "$file is missing"
done
developer=$(ls "$1"/libkenter-dev_*.deb)
for file in usr/share/man/man3/libkenter.3.gz usr/include/kenter/resolve.h usr/include/kenter/dane.h; do
    dpkg-deb --fsys-tarfile "$developer" | tar -t "./$file" >/dev/null 2>&1 || fail "$file is missing"
done
"$root/usr/sbin/kenterd" --config "$root/etc/kenter/kenter.yaml" --check >/dev/null ||
    fail "kenterd does not like its settings"
[ -z "$(find "$root" -perm /6000)" ] || fail "something is setuid"
dpkg-deb --ctrl-tarfile "$package" | tar -xO ./conffiles | grep -q '^/etc/kenter/kenter.yaml$' ||
    fail "the settings are no conffile"

# The units, with the programs where they are now.
units=$root/units
mkdir "$units"
cp "$root"/lib/systemd/system/kenter* "$units"
sed -i "s|^ExecStart=|&$root|" "$units"/*.service
systemd-analyze verify --man=no "$units"/kenter* ||
    fail "systemd does not like the units"
systemd-sysusers --root="$root" kenter.conf >/dev/null 2>&1
grep -q '^kenter:.*nologin' "$root/etc/passwd" || fail "no user is made"

for page in man8/kenterd.8.gz man5/kenter.yaml.5.gz man1/kenter.1.gz; do
    if command -v man >/dev/null; then
        said=$(man --warnings -l "$root/usr/share/man/$page" 2>&1 >/dev/null)
        [ -z "$said" ] || fail "$page: $said"
    fi
done

"$root/usr/sbin/kenterd" --version >/dev/null
mkdir "$root/zones"
printf '%s\n' '$TTL 300' '@ SOA ns host 1 7200 900 1209600 300' '@ NS ns' 'ns A 192.0.2.1' \
    >"$root/zones/example.com.zone"
"$root/usr/bin/kenter" sign "$root/zones/example.com.zone" -o "$root/signed" --keys "$root/keys" \
    >/dev/null
"$root/usr/bin/kenter" verify "$root/signed" >/dev/null

if [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; then
    cp "$root/zones/example.com.zone" "$root/etc/kenter/zones"
    unshare --mount --pid --fork --kill-child "$here/deb-run.sh" "$root" || fail "it does not run"
else
    echo "deb: not run as installed: that needs root and mount namespaces" >&2
fi
echo "deb: whole"
