#!/bin/sh
# Lays out isthmus as a package of Debian would: install.sh [--destdir DIR] [--node FILE]
#   --destdir DIR  below DIR instead of /, and nothing is told to this machine's systemd
#   --node FILE    a Node 24.12 or newer to take along, where the machine has none
# May be run again: replaces the program, leaves configuration as it is. uninstall.sh takes all of it away.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
package=$(cd "$here/../.." && pwd)
destdir=
node=
while [ $# -gt 0 ]; do
  case $1 in
    --destdir) destdir=$2; shift 2 ;;
    --node) node=$2; shift 2 ;;
    *) echo "Cannot install: there is no option $1" >&2; exit 2 ;;
  esac
done
if [ ! -f "$package/dist/isthmus.mjs" ]; then
  echo "Cannot install: there is no $package/dist/isthmus.mjs; npm run build makes it" >&2
  exit 1
fi

lib=$destdir/usr/lib/isthmus
put() { # FILE MODE TARGET
  mkdir -p "$(dirname "$3")"
  install -m "$2" "$1" "$3"
}

for file in bin/isthmus.mjs bin/bundle-freshness.mjs dist/isthmus.mjs package.json LICENSE; do
  put "$package/$file" 644 "$lib/$file"
done
[ -z "$node" ] || put "$node" 755 "$lib/node"
put "$here/isthmus" 755 "$destdir/usr/bin/isthmus"
put "$here/isthmus-vm.service" 644 "$destdir/usr/lib/systemd/system/isthmus-vm.service"
put "$here/sysusers.conf" 644 "$destdir/usr/lib/sysusers.d/isthmus.conf"
for file in systemd-resolved.conf dnsmasq.conf; do
  put "$here/resolver/$file" 644 "$destdir/usr/share/isthmus/resolver/$file"
done
put "$here/uninstall.sh" 755 "$lib/uninstall.sh"
[ -e "$destdir/etc/isthmus/vm.env" ] || put "$here/vm.env" 600 "$destdir/etc/isthmus/vm.env"

[ -z "$destdir" ] || exit 0
systemd-sysusers isthmus.conf
systemctl daemon-reload
echo "Installed. Write ISTHMUS_VM in /etc/isthmus/vm.env, put the token into /etc/credstore/isthmus.join-token"
echo "(install -D -m 600 TOKEN /etc/credstore/isthmus.join-token), then: systemctl enable --now isthmus-vm"
