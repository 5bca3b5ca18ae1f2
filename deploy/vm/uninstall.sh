#!/bin/sh
# Takes away all that install.sh and the service put on this machine, rules of the kernel included:
#   uninstall.sh [--destdir DIR]
# The workload leaves the mesh in good order first. Below a DIR nothing is told to this machine's systemd.
set -eu

destdir=
while [ $# -gt 0 ]; do
  case $1 in
    --destdir) destdir=$2; shift 2 ;;
    *) echo "Cannot uninstall: there is no option $1" >&2; exit 2 ;;
  esac
done

if [ -z "$destdir" ]; then
  # Ends the sidecar, which says goodbye.
  systemctl disable --now isthmus-vm.service || true
fi
# The one table that is ours, where anybody has made one (isthmus capture apply).
if command -v nft > /dev/null 2>&1 && nft list table inet isthmus > /dev/null 2>&1; then
  nft delete table inet isthmus
fi

rm -rf "$destdir/var/lib/isthmus" "$destdir/usr/lib/isthmus" "$destdir/usr/share/isthmus" "$destdir/etc/isthmus"
rm -f "$destdir/usr/bin/isthmus" \
  "$destdir/usr/lib/systemd/system/isthmus-vm.service" \
  "$destdir/usr/lib/sysusers.d/isthmus.conf" \
  "$destdir/etc/credstore/isthmus.join-token" \
  "$destdir/etc/systemd/resolved.conf.d/isthmus.conf" \
  "$destdir/etc/dnsmasq.d/isthmus.conf"
rm -rf "$destdir/etc/systemd/system/isthmus-vm.service.d"

if [ -n "$destdir" ]; then
  # Folders that are left empty are those that install.sh made there.
  for dir in etc/credstore etc/systemd/resolved.conf.d etc/systemd/system etc/systemd etc/dnsmasq.d etc \
    usr/lib/systemd/system usr/lib/systemd usr/lib/sysusers.d usr/lib usr/bin usr/share usr var/lib var; do
    rmdir "$destdir/$dir" 2> /dev/null || true
  done
  exit 0
fi
systemctl daemon-reload
if getent passwd isthmus > /dev/null; then userdel isthmus; fi
if getent group isthmus > /dev/null; then groupdel isthmus; fi
echo "Removed. A resolver that asked for names of the mesh forgets that when it is restarted."
