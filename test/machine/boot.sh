#!/bin/bash
# PID 1 of fresh namespaces (mount, pid, cgroup, uts, ipc, net): becomes systemd, over a throw-away copy of the file system.
# boot.sh FOLDER CHECKOUT: an empty folder to work in; what is to be at /opt/patternd, where a confined service sees it
set -eu
folder=$1
checkout=$2
mount --make-rprivate /
mount -t tmpfs -o mode=0755 throwaway "$folder"
mkdir "$folder/changes" "$folder/work" "$folder/new"
mount -t overlay throwaway -o "lowerdir=/,upperdir=$folder/changes,workdir=$folder/work" "$folder/new"
cd "$folder/new"
mkdir -p opt/patternd
mount --bind "$checkout" opt/patternd

mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for place in run tmp dev; do mount -t tmpfs -o mode=0755 "$place" "$place"; done
chmod 1777 tmp
mkdir -p dev/pts dev/shm var/log/journal
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
for device in null zero full random urandom; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%%:*}" "dev/${stream#*:}"; done

# Nothing of the host's own services: a target with the journal and what is installed later.
rm -rf etc/systemd/system/*
cat > etc/systemd/system/test.target <<UNIT
[Unit]
Requires=systemd-journald.service
After=systemd-journald.service
AllowIsolate=yes
UNIT
tr -d - < /proc/sys/kernel/random/uuid > etc/machine-id
mkdir host
pivot_root . host
umount -l /host
exec env -i PATH="$PATH" container=test /lib/systemd/systemd --unit=test.target --log-target=null --show-status=no < /dev/null
